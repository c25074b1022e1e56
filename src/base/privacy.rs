//! Permissions of what rbuild creates. Everything is private to its owner, whatever the caller's umask. Files that the
//! caller requested by name (an archive, a folder, a file with an ID) have the permissions that the caller's umask
//! gives.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::Mode;

use crate::base::io_error::{AtPath, IoError};

/// Only the owner.
const PRIVATE: u32 = 0o077;
const FILE: u32 = 0o666;
const FOLDER: u32 = 0o777;

static CALLERS: OnceLock<u32> = OnceLock::new();

/// From now on, whatever this process and its children create is private to the owner, unless they say otherwise. Call
/// this before there is a second thread.
pub fn begin() {
    let before = rustix::process::umask(Mode::from_raw_mode(PRIVATE));
    CALLERS.get_or_init(|| before.as_raw_mode());
}

/// Restores the caller's umask for a program that replaces this one.
pub fn end() {
    if let Some(umask) = CALLERS.get() {
        rustix::process::umask(Mode::from_raw_mode(*umask));
    }
}

/// What [`begin`] does, in a process whose umask was reset.
pub fn begin_again() {
    rustix::process::umask(Mode::from_raw_mode(PRIVATE));
}

/// Gives a new file that the caller requested the permissions of the caller's new files.
pub fn hand_out(file: &File) -> io::Result<()> {
    match CALLERS.get() {
        Some(umask) => file.set_permissions(Permissions::from_mode(FILE & !umask)),
        // The umask is as it was at the start.
        None => Ok(()),
    }
}

/// The mode of new files that the caller requested.
pub fn callers_file_mode() -> u32 {
    FILE & !CALLERS.get().copied().unwrap_or(0o022)
}

/// The mode of new folders that the caller requested.
pub fn callers_folder_mode() -> u32 {
    FOLDER & !CALLERS.get().copied().unwrap_or(0o022)
}

/// Creates a folder that the caller requested, and its missing parents.
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
        // Another process created it meanwhile, with permissions of its choice.
        Err(_) if path.is_dir() => Ok(()),
        made => {
            made.at("create", path)?;
            mode.map_or(Ok(()), |mode| set_mode(path, mode))
        }
    }
}

/// Whether the owner of something may control this process: root, who may do everything anyway, and this user. In a
/// user namespace that does not map all users, root looks like any other unmapped user.
pub fn is_trusted(owner: u32) -> bool {
    /// The owner of everything that belongs to nobody in the namespace (user_namespaces(7)).
    const OVERFLOW_ID: u32 = 65_534;
    owner == 0 || owner == rustix::process::geteuid().as_raw() || (owner == OVERFLOW_ID && is_in_part_of_users())
}

/// Whether this process is in a user namespace other than the machine's.
pub fn is_in_part_of_users() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let all = u32::MAX.to_string();
    !map.lines().any(|line| line.split_whitespace().eq(["0", "0", all.as_str()]))
}

/// Removes the permissions of others from a folder of rbuild's own that an older version may have created.
pub fn close(path: &Path) -> Result<(), IoError> {
    let mode = std::fs::metadata(path).at("look at", path)?.permissions().mode() & 0o7777;
    if mode & PRIVATE == 0 { Ok(()) } else { set_mode(path, mode & !PRIVATE) }
}

/// Sets the mode of something that rbuild has just made.
pub fn set_mode(path: &Path, mode: u32) -> Result<(), IoError> {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).at("change the mode of", path)
}
