//! Handles the requests of clients to a monitor.

use std::time::{Duration, Instant};

use super::client::Awaits;
use super::program::Program;
use super::supervisor::Supervisor;
use crate::container::error::ContainerError;
use crate::container::events;
use crate::container::launch;
use crate::container::network::BRIDGE;
use crate::container::protocol::{Failure, Kind, Reply, Request, decode};
use crate::container::state::Status;

/// Docker's default, in seconds.
const USUAL_STOP_TIMEOUT: i64 = 10;
const SIGKILL: i32 = 9;

impl Supervisor {
    /// Handles what a client has sent.
    pub(super) fn serve(&mut self, index: usize) {
        for (kind, body) in self.clients[index].read() {
            match kind {
                Kind::Input => self.program.iter_mut().for_each(|program| program.write_input(&body)),
                Kind::InputEnd => self.program.iter_mut().for_each(Program::end_input),
                Kind::Request => match decode(&body) {
                    Ok(request) => self.answer(index, request),
                    Err(_) => self.clients[index].is_gone = true,
                },
                Kind::Output | Kind::Errors | Kind::Reply => self.clients[index].is_gone = true,
            }
        }
    }

    fn answer(&mut self, index: usize, request: Request) {
        let done = match request {
            Request::Begin { .. } | Request::Go { .. } => return self.clients[index].is_gone = true,
            Request::Attach(attach) => {
                self.clients[index].attach = Some(attach);
                self.tell("attach", &[]);
                if let (Some(program), Some((rows, columns))) = (&self.program, attach.size) {
                    // Changes the size twice: a program redraws its screen only if the size has changed.
                    program.resize((rows + 1, columns + 1));
                    program.resize((rows, columns));
                    self.tell_size((rows, columns));
                }
                return self.clients[index].reply(&Reply::Started { warning: None });
            }
            Request::Resize { rows, columns } => {
                self.program.iter().for_each(|program| program.resize((rows, columns)));
                return self.tell_size((rows, columns));
            }
            Request::Signal { number } => self.kill(number),
            Request::Stop { signal, timeout, keep, is_removal } => {
                self.clients[index].awaits = Awaits::Stop;
                self.keep |= keep;
                return self.stop(signal, timeout, is_removal);
            }
            Request::WaitForExit => return self.clients[index].awaits = Awaits::Exit,
            Request::Wait => return self.clients[index].awaits = Awaits::End,
            Request::Pause => self.pause(true),
            Request::Unpause => self.pause(false),
            Request::Hold => self.hold(index),
            Request::Reload => self.reload(),
            Request::OutputClosed => return self.output_closed(),
        };
        self.clients[index].reply(&match done {
            Ok(()) => Reply::Done,
            Err(error) => Reply::Failed(Failure::of(&error)),
        });
    }

    fn kill(&mut self, number: i32) -> Result<(), ContainerError> {
        if number == SIGKILL || number == self.entry.record.stop_signal() {
            self.stopped_by_user();
        }
        let Some(program) = &self.program else {
            return Err(ContainerError::NotRunning { name: self.entry.record.plain_name().to_owned() });
        };
        let sent = program.signal(number);
        self.tell_signal(number);
        if self.entry.state.status == Status::Paused && number == SIGKILL {
            self.pause(false)?;
        }
        sent
    }

    pub(super) fn tell(&self, action: &str, facts: &[(&str, &str)]) {
        events::add(&self.containers, &self.entry.record, action, facts);
    }

    pub(super) fn tell_signal(&self, number: i32) {
        self.tell("kill", &[("signal", &number.to_string())]);
    }

    fn tell_size(&self, (rows, columns): (u16, u16)) {
        self.tell("resize", &[("height", &rows.to_string()), ("width", &columns.to_string())]);
    }

    fn stop(&mut self, signal: Option<i32>, timeout: Option<i64>, is_removal: bool) {
        self.stopped_by_user();
        let number = signal.unwrap_or_else(|| self.entry.record.stop_signal());
        let timeout = timeout.or(self.entry.record.config.stop_timeout).unwrap_or(USUAL_STOP_TIMEOUT);
        if self.entry.state.status == Status::Paused {
            // A frozen program could not end.
            let _ = self.pause(false);
        }
        if let Some(program) = &self.program {
            let _ = program.signal(number);
            self.tell_signal(number);
            if number != SIGKILL
                && let Ok(timeout) = u64::try_from(timeout)
            {
                self.kill_at = Some(Instant::now() + Duration::from_secs(timeout));
            }
        }
        match (is_removal, &self.program) {
            (true, _) => {}
            // The event is reported when the program has ended.
            (false, Some(_)) => self.is_stopping = true,
            (false, None) => self.tell("stop", &[]),
        }
    }

    /// Prevents restarts, including a scheduled one.
    fn stopped_by_user(&mut self) {
        self.entry.state.stopped_by_user = true;
        if self.restart_at.take().is_some() {
            self.entry.state.status = Status::Exited;
        } else {
            let _ = self.entry.write_state();
        }
    }

    /// If several clients hold it, the last one resumes it.
    fn hold(&mut self, index: usize) -> Result<(), ContainerError> {
        let is_held = self.clients.iter().any(|client| client.holds);
        if !is_held && self.entry.state.status != Status::Paused {
            self.pause(true)?;
        } else if !is_held {
            // A container that a user paused stays paused.
            return Ok(());
        }
        self.clients[index].holds = true;
        Ok(())
    }

    /// Resumes the container if no client holds it any longer. It may have been resumed already, or have ended.
    pub(super) fn let_go(&mut self) {
        if !self.clients.iter().any(|client| client.holds) && self.entry.state.status == Status::Paused {
            let _ = self.pause(false);
        }
    }

    fn pause(&mut self, pause: bool) -> Result<(), ContainerError> {
        let name = || self.entry.record.plain_name().to_owned();
        let (status, action) = match (pause, self.entry.state.status) {
            (true, Status::Running) => (Status::Paused, "pause"),
            (false, Status::Paused) => (Status::Running, "unpause"),
            (true, Status::Paused) => return Err(ContainerError::AlreadyPaused { name: name() }),
            (false, _) => return Err(ContainerError::NotPaused { name: name() }),
            (true, _) => return Err(ContainerError::NotRunning { name: name() }),
        };
        let Some(program) = &mut self.program else { return Err(ContainerError::NotRunning { name: name() }) };
        program.freeze(pause)?;
        self.entry.state.cgroups = program.cgroups();
        self.entry.state.status = status;
        self.entry.write_state()?;
        events::add(&self.containers, &self.entry.record, action, &[]);
        Ok(())
    }

    /// Applies the current record.
    fn reload(&mut self) -> Result<(), ContainerError> {
        self.entry.record = self.containers.open(&self.entry.record.id)?.record;
        let limits = launch::all_limits(&self.entry.record.host_config)?;
        let has_names = self.entry.record.networks.keys().any(|network| network != BRIDGE);
        if let Some(program) = &mut self.program {
            if has_names {
                program.wiring.resolve_names()?;
            }
            program.set_limits(&limits)?;
            self.entry.state.cgroups = program.cgroups();
            self.entry.write_state()?;
        }
        Ok(())
    }

    /// A container that leaves nothing behind, and whose output nobody reads, may notice that.
    fn output_closed(&mut self) {
        if self.entry.record.host_config.auto_remove {
            self.program.iter_mut().for_each(Program::close_outputs);
        }
    }
}
