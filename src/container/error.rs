//! Why a container can't be created, started or used.

use std::path::PathBuf;

use super::copy::CopyError;
use super::protocol::Failure;
use crate::base::io_error::IoError;
use crate::container::cdi::CdiError;
use crate::container::network::NetworkError;
use crate::container::runtime::RuntimeError;
use crate::container::sandbox::{ProfileError, SandboxError, UnknownCapability, code_of};
use crate::container::volume::VolumeError;
use crate::image::layer::LayerError;
use crate::store::StoreError;
use crate::store::snapshot::SnapshotError;

#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum ContainerError {
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("image `{image}` has no `{path}` to mount")]
    NoSuchPathInImage { image: String, path: String },
    #[error(transparent)]
    Cdi(#[from] CdiError),
    #[error("could not select device driver {driver:?} with capabilities: {capabilities}")]
    NoDeviceDriver { driver: String, capabilities: String },
    #[error("the working directory must be an absolute path, not {}", path.display())]
    RelativeFolder { path: PathBuf },
    #[error("{}: not a device node", path.display())]
    NoDevice { path: PathBuf },
    #[error("cannot join {what} of a non running container: {name}")]
    PartnerNotRunning { what: &'static str, name: String },
    #[error("cannot join IPC of container {name}: its IPC mode is private")]
    PrivateIpc { name: String },
    #[error("path {} is mounted on {} but it is not {kind} mount", source_path.display(), place.display())]
    Propagation { source_path: PathBuf, place: PathBuf, kind: &'static str },
    #[error(transparent)]
    Volume(#[from] VolumeError),
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error(transparent)]
    Layer(#[from] LayerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the container's image {image} no longer exists")]
    NoImage { image: String },
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Capability(#[from] UnknownCapability),
    #[error(transparent)]
    Seccomp(#[from] ProfileError),
    #[error("no command specified: the image has neither a command nor an entrypoint")]
    NoCommand,
    #[error("the container name `{name}` is in use by container {id}")]
    NameTaken { name: String, id: String },
    #[error("`{name}` is not a valid container name: use at least two letters, digits, `_`, `.` or `-`")]
    InvalidName { name: String },
    #[error("bind source path does not exist: {}", path.display())]
    NoBindSource { path: PathBuf },
    #[error("the input device is not a TTY")]
    NoTerminal,
    #[error("the record `{}` is damaged", path.display())]
    DamagedRecord {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("`{}` is not empty", path.display())]
    NotEmpty { path: PathBuf },
    #[error("no such container: {name}")]
    NotFound { name: String },
    #[error("could not get container for {name}: no such container: {name}")]
    NoLinked { name: String },
    #[error("several container IDs start with `{prefix}`")]
    Ambiguous { prefix: String },
    #[error("container {name} is running")]
    IsRunning { name: String },
    #[error("container {name} is not running")]
    NotRunning { name: String },
    #[error("changes of container {name} are not known while it runs: it has no namespaces")]
    NotEnded { name: String },
    #[error("container {name} has no namespaces: --privileged needs full isolation")]
    NoRights { name: String },
    #[error("container {name} is restarting, wait until the container is running")]
    Restarting { name: String },
    #[error("no such exec instance: {id}")]
    NoExec { id: String },
    #[error("container {name} is already paused")]
    AlreadyPaused { name: String },
    #[error("container {name} is not paused")]
    NotPaused { name: String },
    #[error("container {name} is paused, unpause the container before exec")]
    ExecPaused { name: String },
    #[error("`{}` is not named by a layer's diffID", path.display())]
    NoLayerFolder { path: PathBuf },
    #[error("the log driver does not support `{key}={value}`")]
    LogOption { key: String, value: String },
    #[error("configured logging driver does not support reading")]
    NoLog,
    #[error("`{text}` is not a valid detach sequence: write letters and ctrl-LETTER, separated by commas")]
    DetachKeys { text: String },
    #[error("cannot send signal {number}")]
    Signal {
        number: i32,
        #[source]
        source: std::io::Error,
    },
    /// An error reported by the container's monitor.
    #[error("{}", .0.message)]
    Monitor(Failure),
    #[error("the container's monitor is gone")]
    MonitorDied,
}

impl ContainerError {
    /// The exit code of `docker run`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Sandbox(error) | Self::Runtime(RuntimeError::Sandbox(error)) => error.exit_code(),
            Self::Runtime(error) => error.exit_code(),
            Self::Monitor(failure) => failure.exit_code,
            // As docker's runtimes report it.
            Self::RelativeFolder { .. } => 128,
            _ => {
                let causes = std::iter::successors(std::error::Error::source(self), |error| error.source());
                let mut codes = causes.filter_map(|cause| cause.downcast_ref().map(code_of));
                codes.next().unwrap_or(125)
            }
        }
    }

    /// The `State.ExitCode` of a container that could not be started. Docker's daemon sets it from the runtime's
    /// message only; for everything that it detects itself it is 128.
    pub(super) fn state_code(&self) -> u8 {
        const UNKNOWN: u8 = 128;
        let code = match self {
            Self::Sandbox(SandboxError::Init(error)) => error.state_code(),
            Self::Runtime(error) => error.exit_code(),
            _ => UNKNOWN,
        };
        if matches!(code, 126 | 127) { code } else { UNKNOWN }
    }

    /// Whether the container's state does not allow the request.
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Monitor(failure) => failure.is_conflict,
            Self::NotRunning { .. }
            | Self::IsRunning { .. }
            | Self::AlreadyPaused { .. }
            | Self::NotPaused { .. }
            | Self::ExecPaused { .. }
            | Self::Restarting { .. }
            | Self::PartnerNotRunning { .. } => true,
            _ => false,
        }
    }

    /// Whether a file did not exist.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io(error) if error.source.kind() == std::io::ErrorKind::NotFound)
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Runtime(error) => error.hint(),
            Self::DamagedRecord { .. } => Some("`rbuild system check --repair` mends it or sets it aside".to_owned()),
            Self::Network(error) => error.hint().map(str::to_owned),
            Self::Sandbox(SandboxError::Unsupported(unsupported)) => unsupported.hint.clone(),
            Self::Monitor(failure) => failure.hint.clone(),
            Self::NameTaken { .. } => Some("choose another name, or remove that container".to_owned()),
            Self::NotEnded { .. } => Some("stop it first".to_owned()),
            Self::NoTerminal => Some("leave out `-t` when the input is a file or a pipe".to_owned()),
            _ => None,
        }
    }
}
