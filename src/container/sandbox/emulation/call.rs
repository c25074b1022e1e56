//! One system call of a program's, and what becomes of it.

use rustix::io::Result;

use super::execution::Execution;
use super::trace::{Registers, Tracee};

/// One system call that has not been made yet.
pub(super) struct Call {
    pub(super) tracee: Tracee,
    pub(super) arguments: [u64; 6],
}

pub(super) enum Answer {
    /// The program gets that, and the kernel does nothing.
    Value(i64),
    /// The kernel does it, as it is.
    Native,
    /// The kernel does it, with other arguments.
    Changed(Vec<Change>),
    Execute(Box<Execution>),
}

/// An argument's number, and what it is to be.
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

    /// As the 32 bits that most arguments have.
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
