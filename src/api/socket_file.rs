//! A socket's file: its location is safe from other users, and it is removed with the service.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Gid, Stat, Uid};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::listen_error::ListenError;
use crate::base::foreign::Folder;
use crate::base::io_error::{AtPath, IoError};
use crate::base::{hex, outgoing};

/// The usual folder of root's socket, which also has the data of root's networks.
pub const ROOTS: &str = "/run/rbuild";

/// The permission to use known names in a folder.
const PASS: u32 = 0o011;

/// Removes the file when dropped.
pub struct SocketFile {
    /// As it was given.
    pub path: PathBuf,
    folder: Folder,
    name: OsString,
    inode: u64,
}

impl SocketFile {
    /// Makes the file under an unpredictable name, and sets its mode and its group before renaming it. Links that
    /// another user has put into a shared folder are not followed.
    pub fn bind(path: &Path, group: Option<&str>) -> Result<(UnixListener, Self), ListenError> {
        let group = group.map(group_id).transpose()?;
        let name = path.file_name().ok_or(Errno::ISDIR).at("listen at", path)?;
        let folder = folder_of(path, group.is_some())?;
        if is_answered(&folder, name)? {
            return Err(ListenError::Taken { path: path.to_owned() });
        }
        let new = OsString::from(format!(".rbuild-{}", hex::random_id()?));
        let socket = UnixListener::bind(short(&folder, &new)).at("listen at", path)?;
        let finish = || -> Result<u64, IoError> {
            let made = folder.handle(&new)?;
            if let Some(group) = group {
                made.set_owner(Uid::from_raw(made.stat()?.st_uid), Gid::from_raw(group))?;
            }
            made.set_mode(if group.is_some() { 0o660 } else { 0o600 })?;
            folder.rename(&new, &folder, name)?;
            Ok(made.stat()?.st_ino)
        };
        let inode = finish().inspect_err(|_| drop(folder.remove(&new)))?;
        Ok((socket, Self { path: path.to_owned(), folder, name: name.to_owned(), inode }))
    }
}

/// The folder of a socket. If others may use the socket too, they may pass through the folder.
fn folder_of(path: &Path, is_shared: bool) -> Result<Folder, IoError> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = outgoing::folder_with(above, if is_shared { 0o755 } else { 0o700 })?;
    let mode = folder.status()?.st_mode & 0o7777;
    // The data of rbuild's networks beside it has its own permissions.
    if is_shared && above == Path::new(ROOTS) && mode & PASS != PASS {
        folder.set_own_mode(mode | PASS)?;
    }
    Ok(folder)
}

/// A path to a name in a folder, for calls without a handle. A socket's path is limited to 108 bytes.
fn short(folder: &Folder, name: &OsStr) -> PathBuf {
    Path::new("/proc/self/fd").join(folder.as_fd().as_raw_fd().to_string()).join(name)
}

/// Whether a service listens there. One that accepts no connections counts too, and is not waited for.
fn is_answered(folder: &Folder, name: &OsStr) -> Result<bool, IoError> {
    let is_socket = |found: &Stat| FileType::from_raw_mode(found.st_mode) == FileType::Socket;
    if !folder.stat(name)?.as_ref().is_some_and(is_socket) {
        return Ok(false);
    }
    let connect = || {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        net::connect(&socket, &SocketAddrUnix::new(short(folder, name))?)
    };
    Ok(matches!(connect(), Ok(()) | Err(Errno::AGAIN)))
}

impl Drop for SocketFile {
    /// Another service may have replaced the file meanwhile.
    fn drop(&mut self) {
        if self.folder.stat(&self.name).is_ok_and(|found| found.is_some_and(|found| found.st_ino == self.inode)) {
            let _ = self.folder.remove(&self.name);
        }
    }
}

/// A group of the host, by name or number (group(5)).
fn group_id(name: &str) -> Result<u32, ListenError> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let text = std::fs::read_to_string("/etc/group").at("read", "/etc/group")?;
    let id_of = |line: &str| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    };
    text.lines().find_map(id_of).ok_or_else(|| ListenError::NoGroup { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_socket_is_its_owners_and_goes_with_the_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own/d.sock");
        let listener = SocketFile::bind(&path, None).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert!(matches!(SocketFile::bind(&path, None), Err(ListenError::Taken { .. })));
        drop(listener);
        assert!(!path.exists());
        std::fs::write(&path, "").unwrap();
        SocketFile::bind(&path, None).expect("what nobody listens at is replaced");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
    }

    #[test]
    fn a_socket_of_a_group_is_in_a_folder_that_the_group_passes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/shared/d.sock");
        let group = rustix::process::getegid().as_raw().to_string();
        let _listener = SocketFile::bind(&path, Some(&group)).unwrap();
        let found = [&*path, path.parent().unwrap(), &folder.path().join("a")].map(mode);
        assert_eq!(found, [0o660, 0o755, 0o755]);
    }

    #[test]
    fn who_accepts_nobody_keeps_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.sock");
        let socket = net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        net::bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        net::listen(&socket, 0).unwrap();
        let _waiting = std::os::unix::net::UnixStream::connect(&path).unwrap();
        assert!(matches!(SocketFile::bind(&path, None), Err(ListenError::Taken { .. })));
    }

    #[test]
    fn links_of_others_in_a_folder_that_is_everybodys_lead_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
        let (link, target) = (folder.path().join("link"), folder.path().join("target"));
        std::fs::create_dir(&target).unwrap();
        std::os::unix::fs::symlink("target", &link).unwrap();
        drop(SocketFile::bind(&link.join("d.sock"), None).expect("one's own link leads where it leads"));
        // Only root can change the owner.
        if std::os::unix::fs::lchown(&link, Some(64_322), None).is_ok() {
            assert!(SocketFile::bind(&link.join("d.sock"), None).is_err());
            assert!(SocketFile::bind(&link.join("new/d.sock"), None).is_err());
        }
        assert_eq!(std::fs::read_dir(&target).unwrap().count(), 0);
    }
}
