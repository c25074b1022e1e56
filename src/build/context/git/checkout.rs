use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::program::{Step, git, run};
use super::resolve::Resolved;
use super::{GitError, GitReference};
use crate::base::io_error::AtPath;

/// How a repository is checked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckOut {
    pub keep_git_dir: bool,
    pub submodules: bool,
    /// Files and folders get the commit's time.
    pub commit_times: bool,
}

/// A repository that has been checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub commit: String,
    /// When it was committed, in seconds since 1970.
    pub time: i64,
    /// The directory asked for: the checkout, or the folder in it.
    pub directory: PathBuf,
}

/// Checks the repository out into the empty directory `into`, at what `resolve` said. Files are 0644 or 0755, directories
/// 0755. `.git` is kept only of a whole repository.
pub fn check_out(wanted: &GitReference, resolved: &Resolved, into: &Path, how: CheckOut) -> Result<Checked, GitError> {
    let keeps_git_dir = how.keep_git_dir && wanted.subdirectory.is_none();
    let step = |action: &'static str, arguments: &[&str]| {
        let mut command = git(wanted);
        command.arg("-C").arg(into).args(arguments);
        run(command, action, wanted)
    };
    let commit = prepare(wanted, resolved, &step)?;
    step("check out", &["checkout", "--quiet", "--detach", &commit])?;
    if how.submodules && into.join(".gitmodules").exists() {
        step("fetch the submodules of", &["submodule", "--quiet", "update", "--init", "--recursive"])?;
    }
    super::lfs::fetch(wanted, into, &step)?;
    let time = time_of(&commit, &step)?;
    if keeps_git_dir {
        settle_git_directory(wanted, resolved, &step)?;
    } else {
        remove_git_directories(into)?;
    }
    settle_modes(into)?;
    let directory = subdirectory(into, wanted.subdirectory.as_deref())?;
    if how.commit_times {
        settle_times(into, time)?;
    }
    Ok(Checked { commit, time, directory })
}

/// When what is asked for was committed. The repository is fetched into the directory `into`, which is made.
pub fn commit_time(wanted: &GitReference, into: &Path) -> Result<i64, GitError> {
    fs::create_dir_all(into).at("create", into)?;
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

/// Makes a repository and fetches into it; gives the commit, which is what the checksum says if there is one.
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

/// One commit where the server gives just that; the reference it was found by, or everything, where it does not.
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

/// Lets `.git` be the same whenever it is fetched: one pack, made by one thread, an index without times, no logs; and the
/// reference that was asked for.
fn settle_git_directory(wanted: &GitReference, resolved: &Resolved, step: Step<'_>) -> Result<(), GitError> {
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
    let directory = PathBuf::from(step("look into", &["rev-parse", "--absolute-git-dir"])?.trim_end());
    for name in ["index", "FETCH_HEAD", "ORIG_HEAD", "COMMIT_EDITMSG", "packed-refs.lock"] {
        let path = directory.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result.at("remove", path)?,
        }
    }
    for name in ["logs", "lfs"] {
        match fs::remove_dir_all(directory.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result.at("remove", directory.join(name))?,
        }
    }
    step("prepare", &["read-tree", "HEAD"])?;
    Ok(())
}

/// Gives all that is there one time, folders after what is in them.
fn settle_times(into: &Path, seconds: i64) -> Result<(), GitError> {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    for entry in walkdir::WalkDir::new(into).follow_links(false).contents_first(true).into_iter().filter_map(Result::ok)
    {
        utimensat(CWD, entry.path(), &times, AtFlags::SYMLINK_NOFOLLOW).at("set the time of", entry.path())?;
    }
    Ok(())
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
