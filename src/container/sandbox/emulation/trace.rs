//! Operations on a traced thread: ptrace(2), waitpid(2) and its memory.

use std::cell::Cell;
use std::io;

use rustix::io::{Errno, Result};

use crate::container::sandbox::mount_api::last_errno;

/// Reports execve and the filter's stops as events, and makes the kernel kill all tracees when the supervisor ends.
const OPTIONS: i32 = libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_EXITKILL;

/// The kernel's `PATH_MAX`, including the terminating zero.
pub(super) const MOST_PATH: usize = 4096;
const PAGE: u64 = 4096;

pub(super) type Registers = libc::user_regs_struct;

/// A thread, by its ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tracee(pub(super) i32);

/// How to continue it, and until when.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// The next stop by the filter, or a signal.
    Stop,
    /// The return of its system call.
    Returned,
    /// One instruction.
    Stepped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// With its exit code, as in a shell.
    Ended(i32),
    /// Stopped by the filter before a system call.
    Call,
    /// It has created another thread or process.
    Born,
    Executed,
    /// A system call has returned.
    Returned,
    /// A new thread, or a group stop.
    Stopped {
        signal: i32,
    },
    /// A signal is about to be delivered.
    Signal(i32),
}

thread_local! {
    /// An end that was seen while waiting for something else.
    static SEEN: Cell<Option<(Tracee, Event)>> = const { Cell::new(None) };
}

/// Waits for the next event of any thread; `None` if there is none left.
pub(super) fn next_event() -> Option<(Tracee, Event)> {
    SEEN.take().or_else(|| wait(-1))
}

fn wait(which: i32) -> Option<(Tracee, Event)> {
    let mut status = 0;
    // SAFETY: waitpid writes to the integer it is given.
    let pid = loop {
        let pid = unsafe { libc::waitpid(which, &raw mut status, libc::__WALL) };
        if pid >= 0 || last_errno() != Errno::INTR {
            break pid;
        }
    };
    (pid > 0).then(|| (Tracee(pid), event(status)))
}

fn event(status: i32) -> Event {
    if libc::WIFEXITED(status) {
        return Event::Ended(libc::WEXITSTATUS(status));
    }
    if libc::WIFSIGNALED(status) {
        return Event::Ended(128 + libc::WTERMSIG(status));
    }
    let signal = libc::WSTOPSIG(status);
    match status >> 16 {
        libc::PTRACE_EVENT_SECCOMP => Event::Call,
        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => Event::Born,
        libc::PTRACE_EVENT_EXEC => Event::Executed,
        libc::PTRACE_EVENT_STOP => Event::Stopped { signal },
        _ if signal == libc::SIGTRAP | 0x80 => Event::Returned,
        _ => Event::Signal(signal),
    }
}

impl Tracee {
    /// Starts to trace a child, which need not be stopped.
    pub(super) fn seize(self) -> Result<()> {
        self.request(libc::PTRACE_SEIZE, 0, OPTIONS as u64)
    }

    pub(super) fn go_on(self, until: Until, signal: i32) -> Result<()> {
        let request = match until {
            Until::Stop => libc::PTRACE_CONT,
            Until::Returned => libc::PTRACE_SYSCALL,
            Until::Stepped => libc::PTRACE_SINGLESTEP,
        };
        self.request(request, 0, signal as u64)
    }

    /// Keeps it stopped, as its process group is, until a signal continues that.
    pub(super) fn stay_stopped(self) -> Result<()> {
        self.request(libc::PTRACE_LISTEN, 0, 0)
    }

    /// For an event: the ID of the new thread, or the former ID of a thread that has executed a program.
    pub(super) fn event_number(self) -> Result<i32> {
        let mut number: libc::c_ulong = 0;
        self.request(libc::PTRACE_GETEVENTMSG, 0, (&raw mut number) as u64)?;
        Ok(number as i32)
    }

    pub(super) fn registers(self) -> Result<Registers> {
        // SAFETY: all zeros are valid for the structure, which has numbers only.
        let mut registers: Registers = unsafe { std::mem::zeroed() };
        self.request(libc::PTRACE_GETREGS, 0, (&raw mut registers) as u64)?;
        Ok(registers)
    }

    pub(super) fn set_registers(self, registers: &Registers) -> Result<()> {
        self.request(libc::PTRACE_SETREGS, 0, std::ptr::from_ref(registers) as u64)
    }

    /// Kills its process.
    pub(super) fn kill(self) {
        // SAFETY: a plain system call on numbers.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
    }

    fn request(self, request: libc::c_uint, address: u64, data: u64) -> Result<()> {
        // SAFETY: if `data` is an address, it points to the size that the request requires, and lives in the caller
        // until this returns.
        let done = unsafe { libc::ptrace(request, self.0, address, data) };
        if done < 0 { Err(last_errno()) } else { Ok(()) }
    }

    pub(super) fn read(self, address: u64, buffer: &mut [u8]) -> Result<()> {
        let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let remote = libc::iovec { iov_base: address as *mut _, iov_len: buffer.len() };
        // SAFETY: the kernel writes into `buffer`, and checks the other address itself.
        let count = unsafe { libc::process_vm_readv(self.0, &raw const local, 1, &raw const remote, 1, 0) };
        if count == buffer.len() as isize { Ok(()) } else { Err(Errno::FAULT) }
    }

    pub(super) fn write(self, address: u64, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let local = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        let remote = libc::iovec { iov_base: address as *mut _, iov_len: bytes.len() };
        // SAFETY: the kernel reads `bytes`, and checks the other address itself.
        let count = unsafe { libc::process_vm_writev(self.0, &raw const local, 1, &raw const remote, 1, 0) };
        if count == bytes.len() as isize { Ok(()) } else { Err(Errno::FAULT) }
    }

    /// A string up to its terminating zero, which is left out.
    pub(super) fn text(self, address: u64) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut chunk = [0; 256];
        while text.len() < MOST_PATH {
            let at = address.wrapping_add(text.len() as u64);
            let count = (PAGE - at % PAGE).min(chunk.len() as u64) as usize;
            self.read(at, &mut chunk[..count])?;
            match chunk[..count].iter().position(|byte| *byte == 0) {
                Some(end) => {
                    text.extend(&chunk[..end]);
                    return Ok(text);
                }
                None => text.extend(&chunk[..count]),
            }
        }
        Err(Errno::NAMETOOLONG)
    }

    pub(super) fn numbers<const COUNT: usize>(self, address: u64) -> Result<[u64; COUNT]> {
        let mut bytes = vec![0; COUNT * 8];
        self.read(address, &mut bytes)?;
        let mut numbers = [0; COUNT];
        for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
            *number = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
        }
        Ok(numbers)
    }

    /// Numbers up to a zero, which is left out.
    pub(super) fn numbers_to_zero(self, address: u64) -> Result<Vec<u64>> {
        let mut numbers = Vec::new();
        loop {
            let at = address + numbers.len() as u64 * 8;
            let count = ((PAGE - at % PAGE) / 8).clamp(1, 64);
            let mut bytes = vec![0; count as usize * 8];
            self.read(at, &mut bytes)?;
            for bytes in bytes.chunks_exact(8) {
                match u64::from_ne_bytes(bytes.try_into().unwrap_or_default()) {
                    0 => return Ok(numbers),
                    number => numbers.push(number),
                }
            }
        }
    }

    /// Executes a system call in it, at an instruction that can be overwritten: a program's entry point.
    pub(super) fn make_call(self, number: i64, arguments: [u64; 6]) -> io::Result<u64> {
        const SYSCALL: u64 = 0x050f;
        let before = self.registers()?;
        let word = self.peek(before.rip)?;
        self.request(libc::PTRACE_POKETEXT, before.rip, word & !0xffff | SYSCALL)?;
        let [rdi, rsi, rdx, r10, r8, r9] = arguments;
        // No interrupted call is to be restarted.
        let orig_rax = u64::MAX;
        self.set_registers(&Registers { rax: number as u64, orig_rax, rdi, rsi, rdx, r10, r8, r9, ..before })?;
        let mut signals = Vec::new();
        let stepped = loop {
            self.go_on(Until::Stepped, 0)?;
            match wait(self.0) {
                Some((_, Event::Call | Event::Stopped { .. })) => {}
                Some((_, Event::Signal(libc::SIGTRAP))) => break Ok(()),
                Some((_, Event::Signal(signal))) => signals.push(signal),
                ended => {
                    SEEN.set(ended);
                    break Err(Errno::SRCH);
                }
            }
        };
        stepped?;
        let answer = self.registers()?.rax;
        self.request(libc::PTRACE_POKETEXT, before.rip, word)?;
        self.set_registers(&before)?;
        for signal in signals {
            // SAFETY: a plain system call on numbers.
            unsafe { libc::kill(self.0, signal) };
        }
        match answer as i64 {
            errno @ -4095..0 => Err(io::Error::from_raw_os_error(-errno as i32)),
            _ => Ok(answer),
        }
    }

    fn peek(self, address: u64) -> Result<u64> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

/// The bytes of a structure of the kernel.
pub(super) fn bytes_of<T: KernelStructure>(value: &T) -> &[u8] {
    // SAFETY: all bytes of such a structure belong to one of its members.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// A structure of numbers without padding.
///
/// # Safety
/// It must consist of numbers only, without padding.
pub(super) unsafe trait KernelStructure {}

// SAFETY: their padding is in explicit members (asm/stat.h, linux/stat.h, asm-generic/statfs.h).
unsafe impl KernelStructure for rustix::fs::Stat {}
// SAFETY: as above.
unsafe impl KernelStructure for rustix::fs::Statx {}
// SAFETY: as above.
unsafe impl KernelStructure for rustix::fs::StatFs {}
