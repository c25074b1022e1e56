//! The only place where an error gets its status and docker's message.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::refusals::of_volume;
use super::words::{capitalized, in_dockers_case, of_volume_spec};
use crate::base::io_error::{IoError, chain};
use crate::container::runtime::RuntimeError;
use crate::container::volume::VolumeError;
use crate::container::{ContainerError, Failure};
use crate::engine::ResourceError;
use crate::engine::container::RequestError;
use crate::store::StoreError;

/// The error response of a request.
#[derive(Debug, Serialize, Deserialize)]
pub struct ApiError {
    pub status: u16,
    pub message: String,
    /// Plain text, for clients from before the API's errors were JSON.
    pub is_plain_text: bool,
}

impl ApiError {
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), is_plain_text: false }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, message)
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, message)
    }

    /// An error of the server, not of the client.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, message)
    }

    pub fn in_plain_text(mut self) -> Self {
        self.is_plain_text = true;
        self
    }

    /// Adds what was being done in front of the message.
    pub fn context(mut self, text: &str) -> Self {
        self.message = format!("{text}: {}", self.message);
        self
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

impl From<std::io::Error> for ApiError {
    fn from(error: std::io::Error) -> Self {
        Self::internal(error.to_string())
    }
}

/// Errors that are always the server's.
macro_rules! internal {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for ApiError {
            fn from(error: $error) -> Self {
                Self::internal(chain(&error))
            }
        })+
    };
}

internal!(IoError, StoreError, serde_json::Error);

impl From<ContainerError> for ApiError {
    fn from(error: ContainerError) -> Self {
        use ContainerError as E;
        let (text, exit_code) = (chain(&error), error.exit_code());
        match error {
            error if error.is_conflict() && !matches!(error, E::ExecPaused { .. }) => Self::conflict(text),
            E::NotFound { name } => Self::not_found(format!("No such container: {name}")),
            E::NoExec { id } => Self::not_found(format!("No such exec instance: {id}")),
            E::Ambiguous { prefix } => Self::bad_request(format!("Multiple IDs found with provided prefix: {prefix}")),
            E::NameTaken { name, id } => Self::conflict(format!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You have to remove \
                 (or rename) that container to be able to reuse that name."
            )),
            E::InvalidName { name } => Self::bad_request(format!(
                "Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
            )),
            E::NoLinked { name } => {
                Self::bad_request(format!("could not get container for {name}: No such container: {name}"))
            }
            E::ExecPaused { name } => {
                Self::conflict(format!("Container {name} is paused, unpause the container before exec"))
            }
            E::NoCommand => Self::bad_request("no command specified"),
            E::NoBindSource { .. }
            | E::Capability(_)
            | E::Seccomp(_)
            | E::LogOption { .. }
            | E::DetachKeys { .. }
            | E::NoDeviceDriver { .. }
            | E::Runtime(RuntimeError::NotFound { .. }) => Self::bad_request(text),
            E::NoLog => Self::new(501, text),
            E::Network(error) => error.into(),
            E::Volume(VolumeError::BadName { name }) => {
                of_volume(VolumeError::BadName { name: name.clone() }, "create", &name)
            }
            E::Volume(VolumeError::Driver { driver }) => {
                Self::not_found(format!("error looking up volume plugin {driver}: plugin \"{driver}\" not found"))
            }
            E::Volume(error) => ResourceError::Volume(error).into(),
            E::Copy(error) if error.is_missing() => Self::not_found(text),
            E::Monitor(failure) => of_start(failure),
            E::Sandbox(_) => {
                of_start(Failure { exit_code, message: text, hint: None, is_conflict: false, is_no_network: false })
            }
            _ => Self::internal(text),
        }
    }
}

/// Why a program can't be started. Clients look for docker's words in it to exit like a shell.
fn of_start(failure: Failure) -> ApiError {
    if failure.is_no_network {
        return ApiError::not_found(format!("failed to set up container networking: {}", failure.message));
    }
    match program_of(&failure.message) {
        Some(_) if matches!(failure.exit_code, 126 | 127) => ApiError::bad_request(format!(
            "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create \
             failed: unable to start container process: error during container init: {}",
            in_words_of_runtime(&failure.message, failure.exit_code)
        )),
        _ => ApiError::internal(in_words_of_go(&failure.message)),
    }
}

/// Errors of the kernel as Go writes them. docker's command line makes exit codes 126 and 127 of these words.
fn in_words_of_go(text: &str) -> String {
    text.replace("No such file or directory (os error 2)", "no such file or directory")
        .replace("Permission denied (os error 13)", "permission denied")
}

/// Why a program cannot be executed, as docker's runtime says it; all else as it is.
pub fn in_words_of_runtime(text: &str, exit_code: u8) -> String {
    match (program_of(text), exit_code) {
        (Some(program), 127) if program.contains('/') => {
            format!("exec: {program:?}: stat {program}: no such file or directory")
        }
        (Some(program), 127) => format!("exec: {program:?}: executable file not found in $PATH"),
        (Some(program), 126) if text.contains("directory") => {
            format!("exec: {program:?}: is a directory: permission denied")
        }
        (Some(program), 126) => format!("exec: {program:?}: permission denied"),
        _ => text.to_owned(),
    }
}

/// The program that a message of the sandbox is about.
fn program_of(text: &str) -> Option<&str> {
    let rest = ["no `", "cannot execute `"].into_iter().find_map(|start| text.strip_prefix(start))?;
    rest.split_once('`').map(|(program, _)| program)
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Container(error) => error.into(),
            RequestError::Filter(error) => error.into(),
            RequestError::Find(error) => error.into(),
            RequestError::Image(error) => error.into(),
            RequestError::OtherPlatform { .. } => Self::not_found(error.to_string()),
            RequestError::NotStopped { name, state } => {
                let name = name.trim_start_matches('/');
                Self::conflict(match state {
                    "paused" => {
                        format!("cannot remove container \"{name}\": container is paused and must be unpaused first")
                    }
                    _ => format!(
                        "cannot remove container \"{name}\": container is {state}: stop the container before removing \
                         or force remove"
                    ),
                })
            }
            RequestError::StartPaused | RequestError::ExecBegun { .. } => Self::conflict(error.to_string()),
            RequestError::NoLink { word } => Self::not_found(format!("No such container: {word}")),
            RequestError::UpdateConflict { id, reason } => {
                Self::conflict(format!("Cannot update container {id}: {}", capitalized(reason)))
            }
            RequestError::Update { id, source } => Self::from(source).context(&format!("Cannot update container {id}")),
            RequestError::Refused { message } => Self::bad_request(in_dockers_case(message)),
            RequestError::BadVolume { spec, wrong, is_name } => Self::internal(of_volume_spec(&spec, &wrong, is_name)),
            error => Self::internal(chain(&error)),
        }
    }
}
