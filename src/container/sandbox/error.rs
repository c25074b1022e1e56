//! What can go wrong between asking for a container and its program running.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// In this process, before or while the container's init was started.
    #[error("cannot {action}")]
    Start {
        action: &'static str,
        #[source]
        source: io::Error,
    },
    /// In the container's init, before the program was started.
    #[error(transparent)]
    Init(#[from] InitError),
    #[error("cannot set the {limit} limit: {reason}")]
    Limit { limit: &'static str, reason: String },
    #[error("the container's init ended without a report")]
    InitDied,
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
}

/// For what this process does before the container's init has begun.
pub(super) fn start_error(action: &'static str) -> impl FnOnce(io::Error) -> SandboxError {
    move |source| SandboxError::Start { action, source }
}

/// What the container's init reports over its channel.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
pub enum InitError {
    /// A system call failed; `subject` is a path or a name.
    #[error("cannot {action} `{subject}`: {}", errno_text(*errno))]
    System { action: String, subject: String, errno: i32 },
    #[error("no `{program}` in the image{}", in_path(path))]
    ProgramNotFound {
        program: String,
        /// The `PATH` it was looked up in, when it was.
        path: Option<String>,
    },
    /// The program is there, but what its first line or its ELF header asks for is not.
    #[error("`{program}` needs an interpreter that is not in the image: `{interpreter}`")]
    InterpreterNotFound { program: String, interpreter: String },
    #[error("cannot execute `{program}`: {}", errno_text(*errno))]
    NotExecutable { program: String, errno: i32 },
    #[error("the working directory `{}` is not in the image", path.display())]
    NoDirectory { path: PathBuf },
    #[error("{0}")]
    Message(String),
}

impl SandboxError {
    /// The kernel knows no way to execute the program: it is for another processor, or no program at all.
    pub fn is_wrong_format(&self) -> bool {
        matches!(self, Self::Init(InitError::NotExecutable { errno, .. }) if *errno == libc::ENOEXEC)
    }
}

impl InitError {
    /// The exit code that shells and docker give for it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ProgramNotFound { .. } | Self::InterpreterNotFound { .. } => 127,
            Self::NotExecutable { .. } => 126,
            Self::NoDirectory { .. } => 127,
            Self::System { errno, .. } => code_of(&errno_text(*errno)),
            Self::Message(_) => 125,
        }
    }

    /// The same for a container's record, where docker counts a file in the place of a folder as what is not there.
    pub fn state_code(&self) -> u8 {
        match self {
            Self::System { errno: libc::ENOTDIR, .. } => 127,
            _ => self.exit_code(),
        }
    }
}

/// docker goes by the words of an error, wherever it comes from: what is not there is 127, what is refused or is a folder
/// 126.
pub fn code_of(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::NotFound => 127,
        io::ErrorKind::IsADirectory => 126,
        _ if error.raw_os_error() == Some(libc::EACCES) => 126,
        _ => 125,
    }
}

impl SandboxError {
    /// What `docker run` exits with: 127 for a missing program, 126 for one that can't be executed; for the rest, see
    /// `code_of`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Init(error) => error.exit_code(),
            Self::Start { source, .. } => code_of(source),
            _ => 125,
        }
    }
}

/// Something asked for that means nothing, or can't be had, here.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}")]
pub struct Unsupported {
    pub what: String,
    /// What to do instead.
    pub hint: Option<String>,
}

fn errno_text(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

fn in_path(path: &Option<String>) -> String {
    path.as_ref().map(|path| format!(" (looked in {path})")).unwrap_or_default()
}
