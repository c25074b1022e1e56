//! Runs a command of a runtime.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio as ProcessStdio};

use super::error::RuntimeError;
use super::program::Runtime;
use crate::base::io_error::AtPath;
use crate::container::sandbox::{self, Stdio, Stream};

/// What all commands of a runtime have in common.
pub(super) struct Caller<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) state: PathBuf,
    pub(super) log: PathBuf,
}

impl Caller<'_> {
    /// Runs a command that prints nothing.
    pub(super) fn call(&self, arguments: &[&OsStr]) -> Result<(), RuntimeError> {
        let mut command = self.command(arguments)?;
        command.stdin(ProcessStdio::null()).stdout(ProcessStdio::null()).stderr(ProcessStdio::piped());
        let output = command.output().at("execute", &self.runtime.program)?;
        if output.status.success() {
            return Ok(());
        }
        let message = self.message().unwrap_or_else(|| String::from_utf8_lossy(&output.stderr).trim().to_owned());
        Err(self.failure(arguments, message))
    }

    /// Runs a command that gives these streams to the program that it starts, and writes its PID to a file.
    pub(super) fn start(&self, arguments: &[&OsStr], stdio: Stdio, pid_file: &Path) -> Result<i32, RuntimeError> {
        let mut command = self.command(arguments)?;
        let of = |stream| of(stream).at("open", "a null device");
        command.stdin(of(stdio.stdin)?).stdout(of(stdio.stdout)?).stderr(of(stdio.stderr)?);
        let status = command.status().at("execute", &self.runtime.program)?;
        // Closes this side's copies of the program's pipes.
        drop(command);
        if !status.success() {
            return Err(self.failure(arguments, self.message().unwrap_or_default()));
        }
        let text = std::fs::read_to_string(pid_file).at("read", pid_file)?;
        std::fs::remove_file(pid_file).at("remove", pid_file)?;
        text.trim().parse().map_err(|_| RuntimeError::NoProcess {
            name: self.runtime.name.clone(),
            action: action(arguments),
            path: pid_file.to_owned(),
        })
    }

    fn command(&self, arguments: &[&OsStr]) -> Result<Command, RuntimeError> {
        std::fs::create_dir_all(&self.state).at("create", &self.state)?;
        match std::fs::remove_file(&self.log) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            removed => removed.at("remove", &self.log)?,
        }
        let mut command = Command::new(&self.runtime.program);
        command.arg("--root").arg(&self.state).arg("--log").arg(&self.log).args(["--log-format", "json"]);
        command.args(arguments);
        // Every user of the container may read its cgroups, which the runtime creates.
        sandbox::with_usual_umask(&mut command);
        Ok(command)
    }

    /// The runtime's error message.
    fn message(&self) -> Option<String> {
        last_error(&std::fs::read_to_string(&self.log).unwrap_or_default())
    }

    fn failure(&self, arguments: &[&OsStr], message: String) -> RuntimeError {
        RuntimeError::Failed { name: self.runtime.name.clone(), action: action(arguments), message }
    }
}

fn action(arguments: &[&OsStr]) -> String {
    arguments.first().map(|word| word.display().to_string()).unwrap_or_default()
}

/// The last error in a runtime's log, without the common prefix.
fn last_error(log: &str) -> Option<String> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut messages =
        lines.filter(|line| line["level"] == "error").filter_map(|line| Some(line["msg"].as_str()?.to_owned()));
    let message = messages.next_back()?;
    let plain = ["runc create failed: ", "exec failed: ", "unable to start container process: "]
        .iter()
        .fold(message.as_str(), |text, prefix| text.strip_prefix(prefix).unwrap_or(text));
    Some(plain.to_owned())
}

fn of(stream: Stream) -> io::Result<ProcessStdio> {
    match stream {
        Stream::Null => sandbox::null_device().map(ProcessStdio::from),
        Stream::Fd(descriptor) => Ok(descriptor.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_out_of_logs() {
        let log = r#"{"level":"warning","msg":"a"}
{"level":"error","msg":"runc create failed: unable to start container process: exec: \"x\": not found","time":"t"}
"#;
        assert_eq!(last_error(log).unwrap(), "exec: \"x\": not found");
        assert_eq!((last_error(""), last_error("no json")), (None, None));
    }
}
