//! Which of rbuild's processes this one is. Some of them are executed from rbuild's program again; `docs/processes.md`
//! draws all of them.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The program of this process.
const OWN: &str = "/proc/self/exe";

/// A process that is executed from rbuild's program to be something else than a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// A container's first process, until it becomes the container's program.
    Init,
    /// The small init before the program of a container that another runtime starts.
    SmallInit,
    /// The process that stays with a container, started by a program with several threads.
    Monitor,
    /// Who reads and writes a container's files from inside, started by a program with several threads.
    Copier,
    /// What the API's service leaves to a process of its own.
    Job,
    /// Writes a store to the disk, behind whoever has changed it.
    Sync,
    /// The same command in place of itself, with rights that it had put off.
    Anew,
}

impl Identity {
    const ALL: [Self; 7] =
        [Self::Init, Self::SmallInit, Self::Monitor, Self::Copier, Self::Job, Self::Sync, Self::Anew];

    /// The first word that it is started with, which says who it is.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "rbuild-container-init",
            // Its path in the container.
            Self::SmallInit => "/sbin/rbuild-init",
            Self::Monitor => "rbuild-monitor",
            Self::Copier => "rbuild-copier",
            Self::Job => "rbuild-service-job",
            Self::Sync => "rbuild-sync",
            Self::Anew => "rbuild-anew",
        }
    }

    /// What this process was started to be; nothing for a command, or a program that uses rbuild.
    pub fn of_this_process() -> Option<Self> {
        let called = std::env::args_os().next()?;
        Self::ALL.into_iter().find(|identity| called == OsStr::new(identity.name()))
    }
}

/// Where the processes of this one are executed from.
enum Program {
    /// This program is asked who it is before it does anything else.
    Own,
    Named(PathBuf),
}

static PROGRAM: OnceLock<Program> = OnceLock::new();

/// This program becomes what it is started to be.
pub(crate) fn serve() {
    PROGRAM.get_or_init(|| Program::Own);
}

/// Lets rbuild's processes be executed from that file, which is rbuild: for a program that uses this library and doesn't
/// begin with [`serve_if_requested`](crate::serve_if_requested). To be called before anything else of this library;
/// what was said first counts.
pub fn use_program(path: &Path) -> io::Result<()> {
    let path = std::fs::canonicalize(path)?;
    PROGRAM.get_or_init(|| Program::Named(path));
    Ok(())
}

/// The file that rbuild's processes are executed from. A program that would only do its own work again has none.
pub fn program() -> io::Result<&'static Path> {
    match PROGRAM.get() {
        Some(Program::Own) => Ok(Path::new(OWN)),
        Some(Program::Named(path)) => Ok(path),
        None => Err(io::Error::other(
            "this program does not say where rbuild is: it begins with rbuild::serve_if_requested, or with \
             rbuild::use_program",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_name_of_their_own() {
        for (index, one) in Identity::ALL.into_iter().enumerate() {
            assert!(Identity::ALL[..index].iter().all(|other| other.name() != one.name()), "{one:?}");
        }
    }

    #[test]
    fn a_program_that_says_nothing_is_not_executed_as_rbuild() {
        // The tests of this library are such a program.
        assert!(program().unwrap_err().to_string().contains("rbuild::serve_if_requested"));
    }
}
