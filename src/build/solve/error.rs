//! Why executing a plan failed.

use std::path::PathBuf;

use crate::base::digest::InvalidDigest;
use crate::base::human_size;
use crate::base::input::InputError;
use crate::base::io_error::IoError;
use crate::base::rights::NoRights;
use crate::build::context::git::GitError;
use crate::build::context::http::HttpError;
use crate::build::context::{ContextError, SelectError};
use crate::container::cdi::CdiError;
use crate::container::network::NetworkError;
use crate::container::sandbox::{self, SandboxError};
use crate::image::layer::LayerError;
use crate::language::plan::{Part, StepId};
use crate::store::StoreError;
use crate::store::snapshot::SnapshotError;

/// A context is not available.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub struct OpenContextError {
    pub message: String,
}

#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum SolveError {
    /// `part` is the word of the step's instruction that the error is about, if it is a single one.
    #[error("{error}")]
    Step { step: StepId, part: Option<Part>, error: Box<StepError> },
    #[error("cancelled")]
    Cancelled,
}

#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum StepError {
    /// An error about one word of the step's instruction.
    #[error("{error}")]
    About {
        part: Part,
        #[source]
        error: Box<StepError>,
    },
    #[error(transparent)]
    NoRights(#[from] NoRights),
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Layer(#[from] LayerError),
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error(transparent)]
    OpenContext(#[from] OpenContextError),
    #[error(transparent)]
    Select(#[from] SelectError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("a step can't have {what} when its users are not the host's (--userns=remap)")]
    Remapped { what: &'static str },
    #[error("a step can't have {what} without namespaces")]
    NeedsNamespaces { what: &'static str },
    /// The program could not be started.
    #[error("cannot run {command}: {source}")]
    Start { command: String, source: SandboxError },
    /// The program ended with an error. `tail` is the end of its output; `out_of_memory` is its peak memory in bytes if
    /// the kernel killed it for that.
    #[error("process {command} did not complete successfully: exit code: {code}{}", memory_note(*out_of_memory))]
    Failed {
        command: String,
        code: u8,
        out_of_memory: Option<u64>,
        tail: String,
        /// What one of its processes was refused before it failed, where there are no rights.
        refused: Option<String>,
    },
    #[error("`{path}`: not found in {place}{}", ignored_note(*ignored))]
    SourceNotFound { path: String, place: String, ignored: bool, hint: Option<String> },
    #[error("cannot copy to non-directory: /{}", path.display())]
    NotDirectory { path: PathBuf },
    #[error("cannot replace the directory /{} with a file", path.display())]
    IsDirectory { path: PathBuf },
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Checksum(#[from] InvalidDigest),
    #[error("--keep-git-dir and the address `{url}` contradict each other")]
    KeepGitDir { url: String },
    #[error("cannot unpack `{path}`: {source}")]
    Unpack { path: String, source: LayerError },
    #[error("secret `{id}` is required by a mount, but was not given")]
    MissingSecret { id: String },
    #[error("`{}` holds no certificate: it needs one or more in PEM", path.display())]
    NoCertificate { path: PathBuf },
    #[error("ssh agent `{id}` is required by a mount, but was not given")]
    MissingSsh { id: String },
    #[error("cannot run `{program}`, which serves the keys of --ssh")]
    SshProgram { program: &'static str, source: std::io::Error },
    #[error("the key `{}` cannot be used: {reason}", path.display())]
    SshKey { path: PathBuf, reason: String },
    #[error("mount source `{path}` is not in {place}")]
    MountSource { path: String, place: String },
    /// Detected before the program begins, or from the kernel's error.
    #[error("`{}` is a program for {architecture}, and this machine has no emulator for it", program.display())]
    NoEmulator { program: PathBuf, architecture: &'static str },
    #[error(
        "the emulator `{}` for {architecture} is not in the image, and is registered so that it would have to be", interpreter.display()
    )]
    EmulatorNotFixed { architecture: &'static str, interpreter: PathBuf },
    #[error(transparent)]
    Device(#[from] CdiError),
    #[error("the device `{name}` is not allowed")]
    DeviceNotAllowed { name: String },
    #[error("a device wants `{}` mounted with `{option}`, which rbuild does not support", path.display())]
    DeviceMount { path: PathBuf, option: String },
    #[error("cancelled")]
    Cancelled,
}

/// Says that a program was killed for its memory, with its peak.
fn memory_note(out_of_memory: Option<u64>) -> String {
    out_of_memory
        .map(|peak| format!(" (it ran out of memory: its peak was {})", human_size(peak, 3)))
        .unwrap_or_default()
}

fn ignored_note(ignored: bool) -> &'static str {
    if ignored { " (an ignore file excludes it)" } else { "" }
}

impl StepError {
    /// Marks the error as about a word, unless it is already about another one.
    pub(super) fn about(self, part: Part) -> Self {
        match self {
            Self::About { .. } | Self::Cancelled => self,
            error => Self::About { part, error: Box::new(error) },
        }
    }

    /// The same for a word that contains others: errors in what was copied for a mount are about the mount.
    pub(super) fn about_whole(self, part: Part) -> Self {
        self.split().1.about(part)
    }

    /// The word that the error is about, and the error itself.
    pub(super) fn split(self) -> (Option<Part>, Box<Self>) {
        match self {
            Self::About { part, error } => (Some(part), error),
            error => (None, Box::new(error)),
        }
    }

    /// Whether the step's program failed, or could not be started: then there is something to inspect.
    pub(super) fn is_of_program(&self) -> bool {
        match self {
            Self::About { error, .. } => error.is_of_program(),
            Self::Failed { .. } | Self::Start { .. } => true,
            _ => false,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::About { error, .. } => error.hint(),
            Self::MissingSecret { id } => Some(format!("pass --secret id={id},src=FILE or --secret id={id},env=NAME")),
            Self::MissingSsh { id } => Some(format!("start an ssh-agent and pass --ssh {id}, or --ssh {id}=KEYFILE")),
            Self::SshProgram { .. } => Some("install OpenSSH's client, or pass the socket of an agent".to_owned()),
            Self::SshKey { .. } => Some(
                "a key with a passphrase has to be added to an agent: ssh-add it, and pass --ssh default".to_owned(),
            ),
            Self::SourceNotFound { hint, .. } => hint.clone(),
            Self::Device(error) => error.hint(),
            Self::DeviceNotAllowed { name } => Some(format!("pass --allow device={name}, or --allow device for all")),
            Self::NoEmulator { architecture, .. } | Self::EmulatorNotFixed { architecture, .. } => Some(format!(
                "install one with `apt-get install qemu-user-static binfmt-support`, or with `docker run --privileged --rm \
                 tonistiigi/binfmt --install {architecture}`"
            )),
            Self::Network(error) => error.hint().map(str::to_owned),
            Self::Sandbox(SandboxError::Unsupported(unsupported)) => unsupported.hint.clone(),
            Self::Failed { refused: Some(what), .. } => Some(format!(
                "a program was refused what emulated steps can't have: {what}; build where rbuild has namespaces, or as root \
                 of a container"
            )),
            Self::NeedsNamespaces { .. } => sandbox::full_refused().and_then(|refused| refused.hint.clone()),
            Self::Remapped { .. } => Some("leave out --userns=remap".to_owned()),
            Self::Layer(LayerError::Changed { .. }) => Some(
                "something changed files in the store: `rbuild system check --repair` removes what is damaged"
                    .to_owned(),
            ),
            _ if self.is_no_space() => Some("the disk is full: free some space and build again".to_owned()),
            _ => None,
        }
    }

    fn is_no_space(&self) -> bool {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = next {
            if error.downcast_ref::<IoError>().is_some_and(IoError::is_no_space)
                || error.downcast_ref::<LayerError>().is_some_and(LayerError::is_no_space)
            {
                return true;
            }
            next = error.source();
        }
        false
    }
}
