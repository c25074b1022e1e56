//! Errors between the request for a container and the execution of its program.

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

/// For what this process does before the container's init starts.
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
        /// The `PATH` in which it was looked up, if it was.
        path: Option<String>,
    },
    /// The program exists, but not the interpreter that its first line or its ELF header names.
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
    /// The kernel can't execute the program: it is for another architecture, or not a program at all.
    pub fn is_wrong_format(&self) -> bool {
        matches!(self, Self::Init(InitError::NotExecutable { errno, .. }) if *errno == libc::ENOEXEC)
    }
}

impl InitError {
    /// The exit code that shells and docker use for this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ProgramNotFound { .. } | Self::InterpreterNotFound { .. } => 127,
            Self::NotExecutable { .. } => 126,
            Self::NoDirectory { .. } => 127,
            Self::System { errno, .. } => code_of(&errno_text(*errno)),
            Self::Message(_) => 125,
        }
    }

    /// The same for a container's record, where docker treats a file in place of a folder as missing.
    pub fn state_code(&self) -> u8 {
        match self {
            Self::System { errno: libc::ENOTDIR, .. } => 127,
            _ => self.exit_code(),
        }
    }
}

/// Like docker, decides by the kind of error: 127 for something missing, 126 for denied access or a folder.
pub fn code_of(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::NotFound => 127,
        io::ErrorKind::IsADirectory => 126,
        _ if error.raw_os_error() == Some(libc::EACCES) => 126,
        _ => 125,
    }
}

impl SandboxError {
    /// The exit code of `docker run`: 127 for a missing program, 126 if it can't be executed; else see `code_of`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Init(error) => error.exit_code(),
            Self::Start { source, .. } => code_of(source),
            _ => 125,
        }
    }
}

/// A request that is invalid or unavailable here.
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
