//! The process that traces everything that a program starts: it is notified of each system call to handle, of each new
//! thread and of each end.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use rustix::io::{Errno, Result};

use super::call::{self, Answer, Call, Change};
use super::calls::{self, Handler};
use super::execute;
use super::memory::Memory;
use super::others;
use super::programs::Programs;
use super::task::{Pending, Task};
use super::trace::{Event, Registers, Tracee, Until, next_event};
use super::user::Credentials;

pub(super) struct Supervisor {
    pub(super) programs: Programs,
    handlers: HashMap<u64, Handler>,
    /// New threads that their parent has not reported yet.
    early: HashSet<i32>,
}

impl Supervisor {
    pub(super) fn new(programs: Programs) -> Self {
        Self { programs, handlers: calls::handlers(), early: HashSet::new() }
    }

    /// Supervises a child, which acts as root and has a buffer at `room`, until it and all its descendants have ended.
    /// Returns its exit code.
    pub(super) fn follow(&mut self, first: Tracee, room: u64) -> i32 {
        let task = Task {
            process: first.0,
            credentials: Credentials::of_root(),
            umask: Rc::new(Cell::new(0o022)),
            memory: Memory::new(room),
            program: Rc::default(),
            pending: None,
        };
        self.programs.tasks.insert(first.0, task);
        let mut code = None;
        while let Some((tracee, event)) = next_event() {
            if let Event::Ended(how) = event {
                self.programs.tasks.remove(&tracee.0);
                self.programs.refusals.ended(tracee.0, how);
                self.programs.placement.remove(tracee.0);
                self.early.remove(&tracee.0);
                if tracee == first {
                    code = Some(how);
                    self.programs.tasks.keys().chain(&self.early).for_each(|pid| Tracee(*pid).kill());
                }
                self.take_in_orphans(tracee);
                continue;
            }
            if code.is_some() {
                tracee.kill();
            }
            // If it was killed meanwhile, that is reported next.
            let _ = self.attend(tracee, event);
        }
        code.unwrap_or(128 + libc::SIGKILL)
    }

    fn attend(&mut self, tracee: Tracee, event: Event) -> Result<()> {
        match event {
            Event::Call => self.call(tracee),
            Event::Born => {
                let child = tracee.event_number()?;
                self.born(tracee, child)?;
                tracee.go_on(Until::Stop, 0)
            }
            Event::Executed => {
                let former = tracee.event_number()?;
                self.become_leader(tracee, former);
                // Its registers can be set when the call returns.
                tracee.go_on(Until::Returned, 0)
            }
            Event::Returned => self.returned(tracee),
            Event::Stopped { .. } if !self.programs.tasks.contains_key(&tracee.0) => {
                self.early.insert(tracee.0);
                Ok(())
            }
            Event::Stopped { signal: libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU } => {
                tracee.stay_stopped()
            }
            Event::Stopped { .. } => tracee.go_on(Until::Stop, 0),
            Event::Signal(signal) => tracee.go_on(Until::Stop, signal),
            Event::Ended(_) => Ok(()),
        }
    }

    fn born(&mut self, parent: Tracee, child: i32) -> Result<()> {
        let registers = parent.registers()?;
        let flags = match registers.orig_rax as i64 {
            libc::SYS_clone => registers.rdi as i32,
            libc::SYS_vfork => libc::CLONE_VM,
            _ => 0,
        };
        let Some(task) = self.programs.tasks.get(&parent.0) else { return Ok(()) };
        let has = |flag: i32| flags & flag != 0;
        let new = Task {
            process: if has(libc::CLONE_THREAD) { task.process } else { child },
            credentials: task.credentials.clone(),
            umask: if has(libc::CLONE_FS) { task.umask.clone() } else { Rc::new(Cell::new(task.umask.get())) },
            memory: if has(libc::CLONE_VM) { task.memory.shared() } else { task.memory.copied() },
            program: task.program.clone(),
            pending: None,
        };
        self.programs.tasks.insert(child, new);
        self.programs.placement.add(child);
        if !has(libc::CLONE_THREAD) {
            self.programs.refusals.go_on();
        }
        if self.early.remove(&child) {
            Tracee(child).go_on(Until::Stop, 0)?;
        }
        Ok(())
    }

    /// A thread that was killed could not report its new child. Nothing is known about that child, so it is killed.
    fn take_in_orphans(&mut self, dead: Tracee) {
        if self.early.is_empty() {
            return;
        }
        let parent = |pid: &i32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
            line.and_then(|number| number.trim().parse::<i32>().ok())
        };
        for pid in &self.early {
            if parent(pid).is_none_or(|parent| parent == dead.0 || parent == std::process::id() as i32) {
                Tracee(*pid).kill();
            }
        }
    }

    /// If a process has several threads, the one that executes a program takes over the PID.
    fn become_leader(&mut self, tracee: Tracee, former: i32) {
        if former != tracee.0
            && let Some(task) = self.programs.tasks.remove(&former)
        {
            self.programs.tasks.insert(tracee.0, task);
        }
    }

    fn call(&mut self, tracee: Tracee) -> Result<()> {
        let registers = tracee.registers()?;
        let call = Call::new(tracee, &registers);
        let Some(handler) = self.handlers.get(&registers.orig_rax).copied() else {
            return tracee.go_on(Until::Stop, 0);
        };
        let answer = if self.programs.tasks.contains_key(&tracee.0) {
            handler(&mut self.programs, &call)
        } else {
            Err(Errno::NOSYS)
        };
        match answer {
            Ok(Answer::Native) => tracee.go_on(Until::Stop, 0),
            Ok(Answer::Value(value)) => skip(tracee, registers, value as u64),
            Err(errno) => skip(tracee, registers, -i64::from(errno.raw_os_error()) as u64),
            Ok(Answer::Then(pending)) => {
                self.programs.task(tracee)?.pending = Some(pending);
                tracee.go_on(Until::Returned, 0)
            }
            Ok(Answer::Changed(changes)) => match self.change(tracee, registers, changes) {
                Ok(()) => tracee.go_on(Until::Returned, 0),
                Err(errno) => skip(tracee, registers, -i64::from(errno.raw_os_error()) as u64),
            },
            Ok(Answer::Execute(execution)) => {
                let place = self.programs.task(tracee)?.memory.place_for(execution.size()).ok_or(Errno::TOOBIG);
                let done = place.and_then(|place| execution.begin(tracee, registers, place));
                match done {
                    Ok(()) => {
                        self.programs.task(tracee)?.pending = Some(Pending::Execute(execution));
                        tracee.go_on(Until::Returned, 0)
                    }
                    Err(errno) => skip(tracee, registers, -i64::from(errno.raw_os_error()) as u64),
                }
            }
        }
    }

    fn change(&mut self, tracee: Tracee, registers: Registers, changes: Vec<Change>) -> Result<()> {
        let mut changed = registers;
        for change in changes {
            let (argument, value) = match change {
                Change::Number(argument, value) => (argument, value),
                Change::Text(argument, mut text) => {
                    text.push(0);
                    let place = self.programs.task(tracee)?.memory.place().ok_or(Errno::NOMEM)?;
                    if text.len() > super::trace::MOST_PATH {
                        return Err(Errno::NAMETOOLONG);
                    }
                    tracee.write(place, &text)?;
                    (argument, place)
                }
            };
            *call::argument(&mut changed, argument) = value;
        }
        tracee.set_registers(&changed)?;
        self.programs.task(tracee)?.pending = Some(Pending::Restore(Box::new(registers)));
        Ok(())
    }

    fn returned(&mut self, tracee: Tracee) -> Result<()> {
        let pending = self.programs.task(tracee)?.pending.take();
        match pending {
            Some(Pending::Restore(before)) => restore(tracee, &before)?,
            Some(Pending::Execute(execution)) => {
                let now = tracee.registers()?;
                match now.rax {
                    0 => {
                        if execute::finish(&mut self.programs, tracee, *execution).is_err() {
                            // Nothing is left of its former memory.
                            tracee.kill();
                        }
                    }
                    _ => restore(tracee, &execution.before)?,
                }
            }
            Some(Pending::Peer(address)) => {
                let is_told = tracee.registers()?.rax == 0;
                if is_told {
                    others::tell_peer(&self.programs, tracee, address)?;
                }
            }
            Some(Pending::Refused(errno, what)) => {
                let registers = tracee.registers()?;
                if registers.rax as i64 == -i64::from(errno.raw_os_error()) {
                    // The answer is the kernel's.
                    let _ = self.programs.refuse(&Call::new(tracee, &registers), what, errno);
                }
            }
            None => {}
        }
        tracee.go_on(Until::Stop, 0)
    }
}

/// Restores the arguments; the call's result stays.
fn restore(tracee: Tracee, before: &Registers) -> Result<()> {
    let now = tracee.registers()?;
    let Registers { rdi, rsi, rdx, r10, r8, r9, .. } = *before;
    tracee.set_registers(&Registers { rdi, rsi, rdx, r10, r8, r9, ..now })
}

/// Skips the call in the kernel; the program gets that result.
fn skip(tracee: Tracee, registers: Registers, answer: u64) -> Result<()> {
    tracee.set_registers(&Registers { orig_rax: u64::MAX, rax: answer, ..registers })?;
    tracee.go_on(Until::Stop, 0)
}
