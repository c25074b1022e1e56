use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::reference::is_commit;
use super::{GitError, GitReference};
use crate::io_error::AtPath;

/// How a repository is checked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckOut {
    pub keep_git_dir: bool,
    pub submodules: bool,
}

/// A repository that has been checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub commit: String,
    /// The directory asked for: the checkout, or the folder in it.
    pub directory: PathBuf,
}

/// Runs git in the repository at hand: what it is to do, for messages, and its arguments.
type Step<'a> = &'a dyn Fn(&'static str, &[&str]) -> Result<String, GitError>;

/// The ways that git may fetch with, submodules included.
const PROTOCOLS: &str = "http:https:ssh:git";

/// Asks the repository which commit the reference names now.
pub fn resolve_commit(wanted: &GitReference) -> Result<String, GitError> {
    let reference = wanted.reference.as_deref();
    if let Some(commit) = reference.filter(|reference| is_commit(reference)) {
        return Ok(commit.to_owned());
    }
    let mut command = git();
    command.args(["ls-remote", "--", &wanted.remote]);
    match reference {
        None => command.arg("HEAD"),
        Some(reference) => command.args([reference, &format!("{reference}^{{}}")]),
    };
    let listed = run(command, "list the references of", wanted)?;
    let names = listed.lines().filter_map(|line| line.split_once('\t'));
    // A tag's own object comes first; the commit that it marks is what is wanted.
    let ranked = names.filter_map(|(commit, name)| Some((rank(name, reference)?, commit)));
    let best = ranked.max_by_key(|(rank, _)| *rank).map(|(_, commit)| commit.to_owned());
    best.ok_or_else(|| GitError::NoReference { url: wanted.shown(), reference: reference.unwrap_or("HEAD").to_owned() })
}

/// How well a listed name answers a reference; git's own order: tags before branches.
fn rank(name: &str, reference: Option<&str>) -> Option<u8> {
    let Some(reference) = reference else { return (name == "HEAD").then_some(0) };
    let (name, peeled) = name.strip_suffix("^{}").map_or((name, 0), |name| (name, 1));
    let base = match name {
        _ if name == reference => 6,
        _ if name.strip_prefix("refs/tags/") == Some(reference) => 4,
        _ if name.strip_prefix("refs/heads/") == Some(reference) => 2,
        _ if name.strip_prefix("refs/") == Some(reference) => 0,
        _ => return None,
    };
    Some(base + peeled)
}

/// Checks the repository out into the empty directory `into`, at `commit` (what `resolve_commit` said). Files are 0644
/// or 0755, directories 0755.
pub fn check_out(wanted: &GitReference, commit: &str, into: &Path, how: CheckOut) -> Result<Checked, GitError> {
    let expected = wanted.checksum.as_deref().unwrap_or(commit);
    if !commit.starts_with(expected) {
        return Err(GitError::Checksum {
            url: wanted.shown(),
            expected: expected.to_owned(),
            actual: commit.to_owned(),
        });
    }
    let in_repository = || {
        let mut command = git();
        command.arg("-C").arg(into);
        command
    };
    let step = |action: &'static str, arguments: &[&str]| {
        let mut command = in_repository();
        command.args(arguments);
        run(command, action, wanted)
    };
    step("prepare", &["init", "--quiet", "--template="])?;
    step("prepare", &["remote", "add", "origin", &wanted.remote])?;
    fetch(wanted, commit, &step)?;
    step("check out", &["checkout", "--quiet", "--detach", commit])?;
    if how.submodules && into.join(".gitmodules").exists() {
        step("fetch the submodules of", &["submodule", "--quiet", "update", "--init", "--recursive"])?;
    }
    if !how.keep_git_dir {
        remove_git_directories(into)?;
    }
    settle_modes(into)?;
    let directory = subdirectory(into, wanted.subdirectory.as_deref())?;
    Ok(Checked { commit: commit.to_owned(), directory })
}

/// One commit where the server gives just that; the reference it was found by, or everything, where it does not.
fn fetch(wanted: &GitReference, commit: &str, step: Step<'_>) -> Result<(), GitError> {
    let reference = wanted.reference.as_deref().filter(|reference| !is_commit(reference));
    let everything: [&str; 2] = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];
    let attempts: [&[&str]; 4] = [
        &["fetch", "--quiet", "--no-tags", "--depth=1", "origin", commit],
        &["fetch", "--quiet", "--no-tags", "--depth=1", "origin", reference.unwrap_or("HEAD")],
        &["fetch", "--quiet", "--no-tags", "origin", reference.unwrap_or("HEAD")],
        &["fetch", "--quiet", "--no-tags", "origin", everything[0], everything[1]],
    ];
    let mut last = Ok(String::new());
    for arguments in attempts {
        last = step("fetch from", arguments);
        if last.is_ok() && step("look into", &["cat-file", "-e", &format!("{commit}^{{commit}}")]).is_ok() {
            return Ok(());
        }
    }
    last?;
    Err(GitError::NoReference { url: wanted.shown(), reference: commit.to_owned() })
}

/// git, without hooks, filters or configuration of the machine or of the repository's making, and without a terminal.
fn git() -> Command {
    let mut command = Command::new("git");
    command
        .args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.symlinks=true"])
        .args(["-c", "advice.detachedHead=false", "-c", "init.defaultBranch=main", "-c", "core.autocrlf=false"])
        .args(["-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60"])
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "true")
        .env("GIT_ALLOW_PROTOCOL", PROTOCOLS)
        .env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    for name in
        ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_EXTERNAL_DIFF", "GIT_EDITOR"]
    {
        command.env_remove(name);
    }
    command
}

fn run(mut command: Command, action: &'static str, wanted: &GitReference) -> Result<String, GitError> {
    if let Some(agent) = &wanted.ssh_agent {
        command.env("SSH_AUTH_SOCK", agent);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(GitError::NoGit),
        Err(error) => return Err(error).at("run", "git").map_err(GitError::from),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().replace(&wanted.remote, &wanted.shown());
    Err(GitError::Failed { action, url: wanted.shown(), message })
}

/// `.git` of the repository, and the files of that name that submodules have.
fn remove_git_directories(into: &Path) -> Result<(), GitError> {
    for entry in walk(into).filter(|entry| entry.file_name() == ".git") {
        let path = entry.path();
        if entry.file_type().is_dir() {
            fs::remove_dir_all(path).at("remove", path)?;
        } else {
            fs::remove_file(path).at("remove", path)?;
        }
    }
    Ok(())
}

fn settle_modes(into: &Path) -> Result<(), GitError> {
    for entry in walk(into).filter(|entry| !entry.file_type().is_symlink()) {
        let path = entry.path();
        let mode = fs::symlink_metadata(path).at("stat", path)?.permissions().mode();
        let settled = if entry.file_type().is_dir() || mode & 0o100 != 0 { 0o755 } else { 0o644 };
        if mode & 0o7777 != settled {
            fs::set_permissions(path, fs::Permissions::from_mode(settled)).at("change the mode of", path)?;
        }
    }
    Ok(())
}

fn walk(into: &Path) -> impl Iterator<Item = walkdir::DirEntry> {
    let entries: Vec<_> = walkdir::WalkDir::new(into).follow_links(false).into_iter().filter_map(Result::ok).collect();
    entries.into_iter()
}

/// The folder asked for, which has to be a directory inside the checkout.
fn subdirectory(into: &Path, folder: Option<&Path>) -> Result<PathBuf, GitError> {
    let Some(folder) = folder else { return Ok(into.to_owned()) };
    let missing = || GitError::NoSubdirectory { path: folder.to_owned() };
    let mut directory = into.to_owned();
    for name in folder.iter() {
        directory.push(name);
        let is_directory = fs::symlink_metadata(&directory).is_ok_and(|metadata| metadata.is_dir());
        if !is_directory || name == OsStr::new("..") {
            return Err(missing());
        }
    }
    Ok(directory)
}
