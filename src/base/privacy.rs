//! Who may use what rbuild makes. All of it is its owner's alone, whatever the caller's umask; what the caller asked for
//! by name (an archive, a folder, a file with an ID) has the rights that the caller's umask gives to new files.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::Mode;

use crate::base::io_error::{AtPath, IoError};

/// Nobody but the owner.
const PRIVATE: u32 = 0o077;
const FILE: u32 = 0o666;
const FOLDER: u32 = 0o777;

static CALLERS: OnceLock<u32> = OnceLock::new();

/// From now on what this process and its children make is the owner's alone, unless they say otherwise. To be called
/// before there is a second thread.
pub fn begin() {
    let before = rustix::process::umask(Mode::from_raw_mode(PRIVATE));
    CALLERS.get_or_init(|| before.as_raw_mode());
}

/// Gives the caller's umask back, to a program that begins in the place of this one.
pub fn end() {
    if let Some(umask) = CALLERS.get() {
        rustix::process::umask(Mode::from_raw_mode(*umask));
    }
}

/// What [`begin`] does, in a process that was made looser.
pub fn begin_again() {
    rustix::process::umask(Mode::from_raw_mode(PRIVATE));
}

/// Gives a new file that the caller asked for the rights that the caller's new files have.
pub fn hand_out(file: &File) -> io::Result<()> {
    match CALLERS.get() {
        Some(umask) => file.set_permissions(Permissions::from_mode(FILE & !umask)),
        // The process is as it was started.
        None => Ok(()),
    }
}

/// The mode of new files that the caller asked for.
pub fn callers_file_mode() -> u32 {
    FILE & !CALLERS.get().copied().unwrap_or(0o022)
}

/// The mode of new folders that the caller asked for.
pub fn callers_folder_mode() -> u32 {
    FOLDER & !CALLERS.get().copied().unwrap_or(0o022)
}

/// Makes a folder that the caller asked for, and those above it that are missing.
pub fn make_folders_for_caller(path: &Path) -> Result<(), IoError> {
    make_folders(path, CALLERS.get().map(|umask| FOLDER & !umask))
}

/// The same with this mode, whatever the caller's umask.
pub fn make_folders_with(path: &Path, mode: u32) -> Result<(), IoError> {
    make_folders(path, Some(mode))
}

fn make_folders(path: &Path, mode: Option<u32>) -> Result<(), IoError> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_folders(parent, mode)?;
    }
    match std::fs::create_dir(path) {
        // Somebody else made it meanwhile, and has given it what rights they like.
        Err(_) if path.is_dir() => Ok(()),
        made => {
            made.at("create", path)?;
            mode.map_or(Ok(()), |mode| set_mode(path, mode))
        }
    }
}

/// Whether whoever owns something may say what this process does: root, who may do everything anyway, and this user. Where
/// this process is in a user namespace that has not all users, root looks like any other who is not in it.
pub fn is_trusted(owner: u32) -> bool {
    /// Whose everything is that belongs to nobody of the namespace (user_namespaces(7)).
    const OVERFLOW_ID: u32 = 65_534;
    owner == 0 || owner == rustix::process::geteuid().as_raw() || (owner == OVERFLOW_ID && is_in_part_of_users())
}

fn is_in_part_of_users() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let all = u32::MAX.to_string();
    !map.lines().any(|line| line.split_whitespace().eq(["0", "0", all.as_str()]))
}

/// Takes away what others may do with a folder of rbuild's own that may be older than this program.
pub fn close(path: &Path) -> Result<(), IoError> {
    let mode = std::fs::metadata(path).at("look at", path)?.permissions().mode() & 0o7777;
    if mode & PRIVATE == 0 { Ok(()) } else { set_mode(path, mode & !PRIVATE) }
}

/// Sets the mode of something that rbuild has just made.
pub fn set_mode(path: &Path, mode: u32) -> Result<(), IoError> {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).at("change the mode of", path)
}
