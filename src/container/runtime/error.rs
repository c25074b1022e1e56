//! Errors of another runtime.

use std::path::PathBuf;

use crate::base::io_error::IoError;
use crate::container::sandbox::SandboxError;

#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("unknown or invalid runtime name: {name}")]
    NotFound { name: String },
    #[error("the runtime {name} does not support {what}")]
    Refused { name: String, what: &'static str },
    #[error("{name} {action} failed: {message}")]
    Failed { name: String, action: String, message: String },
    #[error("{name} {action} wrote no process ID to `{}`", path.display())]
    NoProcess { name: String, action: String, path: PathBuf },
    #[error("the container's record cannot be written")]
    Specification(#[from] serde_json::Error),
}

impl RuntimeError {
    /// The exit code of `docker run`: 127 for a missing program, 126 for one that can't be executed, 125 for the rest.
    /// Runtimes distinguish them only in their messages.
    pub fn exit_code(&self) -> u8 {
        let Self::Failed { message, .. } = self else { return 125 };
        let message = message.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
        let is_of_program = says(&["exec", "executable", "open `", "stat `"]);
        if says(&["executable file not found", "not found in $path"])
            || (is_of_program && says(&["no such file or directory"]))
        {
            127
        } else if is_of_program && says(&["permission denied", "exec format error", "is a directory"]) {
            126
        } else {
            125
        }
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { name } if !name.contains('/') => {
                Some(format!("install {name}, or name the program by its path; rbuild's own runtime is the default"))
            }
            Self::Refused { .. } => Some("leave out --runtime".to_owned()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_by_what_runtimes_say() {
        let code = |message: &str| {
            let (name, action) = ("x".to_owned(), "create".to_owned());
            RuntimeError::Failed { name, action, message: message.to_owned() }.exit_code()
        };
        for (message, expected) in [
            (
                r#"runc create failed: unable to start container process: exec: "nope": executable file not found in $PATH"#,
                127,
            ),
            (r#"unable to start container process: exec: "/nope": stat /nope: no such file or directory"#, 127),
            ("executable file `nope` not found in $PATH: No such file or directory", 127),
            ("open executable: Permission denied", 126),
            (r#"exec: "/etc/passwd": permission denied"#, 126),
            ("error mounting \"proc\": operation not permitted", 125),
        ] {
            assert_eq!(code(message), expected, "{message}");
        }
    }
}
