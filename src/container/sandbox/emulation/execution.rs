//! An execve in progress: what the kernel is told, and what is left to do afterwards.

use rustix::io::Result;

use super::load::Loader;
use super::trace::{Registers, Tracee};
use super::user::Credentials;

pub(super) struct Execution {
    /// Before the call.
    pub(super) before: Registers,
    /// The path on the host that the kernel executes.
    pub(super) host: Vec<u8>,
    /// The path of the program in its root.
    pub(super) program: Vec<u8>,
    /// The path as the caller gave it.
    pub(super) called: Vec<u8>,
    /// The dynamic loader, if the program has to be loaded beside it.
    pub(super) loader: Option<Loader>,
    /// Addresses of arguments, if a script's interpreter gets others.
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
    /// The size of the data for the kernel in bytes.
    pub(super) fn size(&self) -> usize {
        let of_argument = |argument: &Argument| match argument {
            Argument::At(_) => 8,
            Argument::Text(text) => 8 + text.len() + 1,
        };
        // Including alignment between the strings and the addresses, and the terminating null.
        self.host.len() + 1 + self.arguments.iter().flatten().map(of_argument).sum::<usize>() + 16
    }

    /// Lets the kernel execute what it can: replaces the call's arguments by others, which are stored at `room`.
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
