//! A system call of a program, and how it is handled.

use rustix::io::Result;

use super::execution::Execution;
use super::task::Pending;
use super::trace::{Registers, Tracee};

/// A system call that has not been executed yet.
pub(super) struct Call {
    pub(super) tracee: Tracee,
    pub(super) arguments: [u64; 6],
}

pub(super) enum Answer {
    /// The program gets this result, and the kernel does not execute the call.
    Value(i64),
    /// The kernel executes the call unchanged.
    Native,
    /// The kernel executes the call with other arguments.
    Changed(Vec<Change>),
    /// The kernel does it, and something is left to be done then.
    Then(Pending),
    Execute(Box<Execution>),
}

/// The index of an argument, and its new value.
pub(super) enum Change {
    Number(usize, u64),
    Text(usize, Vec<u8>),
}

pub(super) type Reply = Result<Answer>;

pub(super) const DONE: Reply = Ok(Answer::Value(0));

impl Call {
    pub(super) fn new(tracee: Tracee, registers: &Registers) -> Self {
        let Registers { rdi, rsi, rdx, r10, r8, r9, .. } = *registers;
        Self { tracee, arguments: [rdi, rsi, rdx, r10, r8, r9] }
    }

    /// The argument as a 32-bit number, as most are.
    pub(super) fn int(&self, argument: usize) -> i32 {
        self.arguments[argument] as i32
    }

    pub(super) fn text(&self, argument: usize) -> Result<Vec<u8>> {
        self.tracee.text(self.arguments[argument])
    }

    pub(super) fn write(&self, argument: usize, bytes: &[u8]) -> Result<()> {
        self.tracee.write(self.arguments[argument], bytes)
    }
}

pub(super) fn argument(registers: &mut Registers, number: usize) -> &mut u64 {
    let Registers { rdi, rsi, rdx, r10, r8, r9, .. } = registers;
    [rdi, rsi, rdx, r10, r8, r9].into_iter().nth(number).expect("a call has six arguments")
}
