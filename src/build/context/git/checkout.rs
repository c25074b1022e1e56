use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use super::program::{Step, git, run};
use super::resolve::Resolved;
use super::tidy::Tidy;
use super::{GitError, GitReference};
use crate::base::foreign::{Folder, Tree};

/// How a repository is checked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckOut {
    pub keep_git_dir: bool,
    pub submodules: bool,
    /// Sets the times of files and folders to the commit's.
    pub commit_times: bool,
}

/// A checked-out repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub commit: String,
    /// The commit time, in seconds since 1970.
    pub time: i64,
    /// The requested directory: the checkout, or a subfolder.
    pub directory: PathBuf,
}

/// Checks the repository out into the empty directory `into`, at what `resolve` found. Files are 0644 or 0755,
/// directories 0755. `.git` is kept only for a whole repository.
pub fn check_out(wanted: &GitReference, resolved: &Resolved, into: &Path, how: CheckOut) -> Result<Checked, GitError> {
    let keeps_git_dir = how.keep_git_dir && wanted.subdirectory.is_none();
    let step = |action: &'static str, arguments: &[&str]| {
        let mut command = git(wanted);
        command.arg("-C").arg(into).args(arguments);
        run(command, action, wanted)
    };
    let commit = prepare(wanted, resolved, &step)?;
    step("check out", &["checkout", "--quiet", "--detach", &commit])?;
    let folder = Folder::open(into)?;
    if how.submodules && folder.stat(OsStr::new(".gitmodules"))?.is_some() {
        step("fetch the submodules of", &["submodule", "--quiet", "update", "--init", "--recursive"])?;
    }
    let tree = Tree::beneath(folder);
    super::lfs::fetch(wanted, &tree, &step)?;
    let time = time_of(&commit, &step)?;
    if keeps_git_dir {
        settle_git_directory(wanted, resolved, &tree, &step)?;
    }
    Tidy { keeps_git_dir, time: how.commit_times.then_some(time) }.all(tree.root())?;
    let directory = subdirectory(into, &tree, wanted.subdirectory.as_deref())?;
    Ok(Checked { commit, time, directory })
}

/// The time of the requested commit. Fetches the repository into the empty directory `into`.
pub fn commit_time(wanted: &GitReference, into: &Path) -> Result<i64, GitError> {
    let step = |action: &'static str, arguments: &[&str]| {
        let mut command = git(wanted);
        command.arg("-C").arg(into).args(arguments);
        run(command, action, wanted)
    };
    let commit = prepare(wanted, &super::resolve(wanted)?, &step)?;
    time_of(&commit, &step)
}

fn time_of(commit: &str, step: Step<'_>) -> Result<i64, GitError> {
    let said = step("look into", &["log", "-1", "--no-show-signature", "--format=%ct", commit])?;
    said.trim().parse().map_err(|_| GitError::NoTime { commit: commit.to_owned() })
}

/// Makes a repository and fetches into it; returns the commit, which is that of the checksum if there is one.
fn prepare(wanted: &GitReference, resolved: &Resolved, step: Step<'_>) -> Result<String, GitError> {
    let mut init = vec!["init", "--quiet", "--template="];
    if resolved.object.len() == 64 {
        init.push("--object-format=sha256");
    }
    step("prepare", &init)?;
    step("prepare", &["remote", "add", "origin", &wanted.remote])?;
    fetch(wanted, resolved, step)?;
    let commit = step("look into", &["rev-parse", "--verify", "--quiet", &format!("{}^{{commit}}", resolved.object)])?;
    let commit = commit.trim().to_owned();
    resolved.check(wanted, &commit)?;
    Ok(commit)
}

/// Fetches a single commit if the server allows that; otherwise the reference it was found by, or everything.
fn fetch(wanted: &GitReference, resolved: &Resolved, step: Step<'_>) -> Result<(), GitError> {
    let (object, reference) = (resolved.object.as_str(), resolved.name.as_deref().unwrap_or("HEAD"));
    let everything: [&str; 2] = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];
    let attempts: [&[&str]; 4] = [
        &["fetch", "--quiet", "--no-tags", "--depth=1", "origin", object],
        &["fetch", "--quiet", "--no-tags", "--depth=1", "origin", reference],
        &["fetch", "--quiet", "--no-tags", "origin", reference],
        &["fetch", "--quiet", "--no-tags", "origin", everything[0], everything[1]],
    ];
    let mut last = Ok(String::new());
    for arguments in attempts {
        last = step("fetch from", arguments);
        if last.is_ok() && step("look into", &["cat-file", "-e", &format!("{object}^{{commit}}")]).is_ok() {
            return Ok(());
        }
    }
    last?;
    Err(GitError::NoReference { url: wanted.shown(), reference: object.to_owned() })
}

/// Makes `.git` reproducible: one pack, made by one thread, an index without times, no logs. Adds the requested
/// reference.
fn settle_git_directory(
    wanted: &GitReference,
    resolved: &Resolved,
    tree: &Tree,
    step: Step<'_>,
) -> Result<(), GitError> {
    let url = wanted.shown();
    step("prepare", &["remote", "set-url", "origin", &url])?;
    if let Some(name) = resolved.name.as_deref().filter(|name| name.starts_with("refs/")) {
        step("prepare", &["update-ref", "--no-deref", name, &resolved.object])?;
    }
    step("prepare", &["reflog", "expire", "--all", "--expire=now"])?;
    step(
        "pack",
        &["-c", "pack.threads=1", "-c", "pack.writeReverseIndex=false", "repack", "-a", "-d", "-f", "--quiet"],
    )?;
    let directory = tree.root().folder(OsStr::new(".git"))?;
    for name in ["index", "FETCH_HEAD", "ORIG_HEAD", "COMMIT_EDITMSG", "packed-refs.lock", "logs", "lfs"] {
        directory.remove_all(OsStr::new(name))?;
    }
    step("prepare", &["read-tree", "HEAD"])?;
    Ok(())
}

/// The requested subfolder, which must be a directory inside the checkout.
fn subdirectory(into: &Path, tree: &Tree, folder: Option<&Path>) -> Result<PathBuf, GitError> {
    let Some(folder) = folder else { return Ok(into.to_owned()) };
    let goes_up = folder.components().any(|component| component == Component::ParentDir);
    if goes_up || tree.find_folder(folder)?.is_none() {
        return Err(GitError::NoSubdirectory { path: folder.to_owned() });
    }
    Ok(into.join(folder))
}
