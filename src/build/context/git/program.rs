//! The `git` program, without prompts, and without running anything from the repository.

use std::io;
use std::process::{Command, Stdio};

use super::{GitError, GitReference};
use crate::base::io_error::AtPath;
use crate::base::redaction;

/// Runs git in the current repository: what is being done, for messages, and the arguments.
pub(super) type Step<'a> = &'a dyn Fn(&'static str, &[&str]) -> Result<String, GitError>;

/// The protocols that git may use, also for submodules.
const PROTOCOLS: &str = "http:https:ssh:git";

/// Variables that a git hook, which may run rbuild, has in its environment: they refer to that hook's repository.
const OF_ANOTHER_REPOSITORY: [&str; 15] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_EDITOR",
    "GIT_EXTERNAL_DIFF",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_TEMPLATE_DIR",
    "GIT_WORK_TREE",
];

/// git without a terminal and without hooks, filters or configuration of the machine or the repository.
pub(super) fn git(wanted: &GitReference) -> Command {
    let mut command = Command::new("git");
    command
        .args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.symlinks=true"])
        .args(["-c", "advice.detachedHead=false", "-c", "init.defaultBranch=main", "-c", "core.autocrlf=false"])
        .args(["-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60"])
        // Ignore bare repositories inside a repository, and bundle URIs that servers offer.
        .args(["-c", "safe.bareRepository=explicit", "-c", "transfer.bundleURI=false"])
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "true")
        .env("GIT_ALLOW_PROTOCOL", PROTOCOLS)
        .env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    for name in OF_ANOTHER_REPOSITORY {
        command.env_remove(name);
    }
    wanted.credentials.iter().for_each(|credentials| credentials.give_to(&mut command));
    wanted.authorization.iter().for_each(|authorization| authorization.give_to(&mut command));
    wanted.authorities.iter().for_each(|list| {
        command.env("GIT_SSL_CAINFO", list);
    });
    command
}

pub(super) fn run(mut command: Command, action: &'static str, wanted: &GitReference) -> Result<String, GitError> {
    if let Some(agent) = &wanted.ssh_agent {
        command.env("SSH_AUTH_SOCK", agent);
    }
    if let Some(log) = &wanted.log {
        log.add(wanted.shown(), &command);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(GitError::NoGit),
        Err(error) => return Err(error).at("run", "git").map_err(GitError::from),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = wanted.credentials.as_ref().map_or(said.clone().into_owned(), |own| own.take_out(&said));
    let said = wanted.authorization.as_ref().map_or(said.clone(), |own| own.take_out(&said));
    let message = redaction::in_text(said.trim()).into_owned();
    Err(GitError::Failed { action, url: wanted.shown(), message })
}
