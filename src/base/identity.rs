//! Which of rbuild's processes this one is. Some of them are executed from rbuild's own program; `docs/processes.md`
//! draws all of them.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The program of this process.
const OWN: &str = "/proc/self/exe";

/// A process that is executed from rbuild's program, but is not a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// A container's first process, until it becomes the container's program.
    Init,
    /// The small init before the program of a container that another runtime starts.
    SmallInit,
    /// The process that stays with a container, started by a program with several threads.
    Monitor,
    /// Reads and writes a container's files from inside, started by a program with several threads.
    Copier,
    /// A job that the API's service runs in a separate process.
    Job,
    /// Syncs a store to the disk, in the background.
    Sync,
    /// The same command in place of itself, with rights that it had deferred.
    Anew,
}

impl Identity {
    const ALL: [Self; 7] =
        [Self::Init, Self::SmallInit, Self::Monitor, Self::Copier, Self::Job, Self::Sync, Self::Anew];

    /// The first word of its arguments, which identifies it.
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

    /// The process that this one was started as; `None` for a command, or a program that uses rbuild.
    pub fn of_this_process() -> Option<Self> {
        let called = std::env::args_os().next()?;
        Self::ALL.into_iter().find(|identity| called == OsStr::new(identity.name()))
    }
}

/// The file from which this process executes others.
enum Program {
    /// This program checks its identity before it does anything else.
    Own,
    Named(PathBuf),
}

static PROGRAM: OnceLock<Program> = OnceLock::new();

/// Declares that this program becomes whatever it is started as.
pub(crate) fn serve() {
    PROGRAM.get_or_init(|| Program::Own);
}

/// Sets the file from which rbuild's processes are executed, which must be rbuild: for a program that uses this library
/// and doesn't start with [`serve_if_requested`](crate::serve_if_requested). Call this before anything else of this
/// library; the first call wins.
pub fn use_program(path: &Path) -> io::Result<()> {
    let path = std::fs::canonicalize(path)?;
    PROGRAM.get_or_init(|| Program::Named(path));
    Ok(())
}

/// The file from which rbuild's processes are executed; an error in a program that would only repeat its own work.
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
