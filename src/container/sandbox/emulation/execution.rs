//! A program that is about to be executed: what the kernel is told, and what is left to do when it has done that.

use rustix::io::Result;

use super::load::Loader;
use super::trace::{Registers, Tracee};
use super::user::Credentials;

pub(super) struct Execution {
    /// Before the call.
    pub(super) before: Registers,
    /// What the kernel executes: a path of the host's.
    pub(super) host: Vec<u8>,
    /// The program, as it is called inside.
    pub(super) program: Vec<u8>,
    /// As it was called.
    pub(super) called: Vec<u8>,
    /// Where the program's libraries have to be loaded.
    pub(super) loader: Option<Loader>,
    /// Addresses of arguments, where a script's interpreter has others.
    pub(super) arguments: Option<Vec<Argument>>,
    pub(super) environment: u64,
    pub(super) argument_address: u64,
    pub(super) credentials: Credentials,
}

pub(super) enum Argument {
    Text(Vec<u8>),
    At(u64),
}

impl Execution {
    /// How many bytes the kernel is told of.
    pub(super) fn size(&self) -> usize {
        let of_argument = |argument: &Argument| match argument {
            Argument::At(_) => 8,
            Argument::Text(text) => 8 + text.len() + 1,
        };
        // With what lies between the texts and the addresses, and a last one.
        self.host.len() + 1 + self.arguments.iter().flatten().map(of_argument).sum::<usize>() + 16
    }

    /// Lets the kernel execute what it can: the arguments of the call, which are put at `room`, are others from here on.
    pub(super) fn begin(&self, tracee: Tracee, registers: Registers, room: u64) -> Result<()> {
        let mut bytes = self.host.clone();
        bytes.push(0);
        let mut pointers = Vec::new();
        for argument in self.arguments.iter().flatten() {
            pointers.push(match argument {
                Argument::At(address) => *address,
                Argument::Text(text) => {
                    let at = room + bytes.len() as u64;
                    bytes.extend(text);
                    bytes.push(0);
                    at
                }
            });
        }
        let mut list = self.argument_address;
        if self.arguments.is_some() {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            list = room + bytes.len() as u64;
            bytes.extend(pointers.iter().chain([&0]).flat_map(|pointer| pointer.to_ne_bytes()));
        }
        tracee.write(room, &bytes)?;
        let orig_rax = libc::SYS_execve as u64;
        tracee.set_registers(&Registers { orig_rax, rdi: room, rsi: list, rdx: self.environment, ..registers })
    }
}
