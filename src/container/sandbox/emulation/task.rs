//! What the supervisor knows of a thread.

use std::cell::Cell;
use std::rc::Rc;

use super::execution::Execution;
use super::memory::Memory;
use super::trace::Registers;
use super::user::Credentials;

pub(super) struct Task {
    /// The process that it is a thread of.
    pub(super) process: i32,
    pub(super) credentials: Credentials,
    pub(super) umask: Rc<Cell<u32>>,
    pub(super) memory: Memory,
    /// The program that it executes, as the program itself would call it.
    pub(super) program: Rc<Vec<u8>>,
    pub(super) pending: Option<Pending>,
}

/// What there is to be done when its system call returns.
pub(super) enum Pending {
    /// The program finds its registers as they were.
    Restore(Box<Registers>),
    Execute(Box<Execution>),
}
