//! What the supervisor knows about a thread.

use std::cell::Cell;
use std::rc::Rc;

use rustix::io::Errno;

use super::execution::Execution;
use super::memory::Memory;
use super::trace::Registers;
use super::user::Credentials;

pub(super) struct Task {
    /// The PID of its process.
    pub(super) process: i32,
    pub(super) credentials: Credentials,
    pub(super) umask: Rc<Cell<u32>>,
    pub(super) memory: Memory,
    /// The program that it executes, by its path in the root.
    pub(super) program: Rc<Vec<u8>>,
    pub(super) pending: Option<Pending>,
}

/// What to do when its system call returns.
pub(super) enum Pending {
    /// Restore the program's registers.
    Restore(Box<Registers>),
    Execute(Box<Execution>),
    /// It has been told who is at the other end of a socket: at this address, as the kernel knows them.
    Peer(u64),
    /// With that error, it was refused this.
    Refused(Errno, &'static str),
}
