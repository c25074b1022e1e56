//! Output files and folders that the user names.
//!
//! The user chose the name, but somebody else may control what is there. In a world-writable folder, such as `/tmp`,
//! another user's link is not followed, and another user's FIFO is not written to: the kernel's own rules for that
//! (`fs.protected_symlinks`, sysctl/fs.rst) are not enabled everywhere. A file replaces a link, because the link may
//! come from a context that is not the user's; only links in the kernel's folders, such as `/dev/stdout`, are written
//! through.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Error, ErrorKind, Result, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, fstatfs, openat};
use rustix::io::Errno;

use super::foreign::Folder;
use super::io_error::{AtPath as _, IoError};
use super::privacy;

/// The kernel's limit, path_resolution(7).
const MOST_LINKS: usize = 40;
/// `PROC_SUPER_MAGIC` (linux/magic.h).
const PROC: u64 = 0x9fa0;
/// The owner of everything that belongs to nobody in a user namespace (user_namespaces(7)).
const OVERFLOW_ID: u32 = 65_534;
const WORLD_WRITABLE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// The destination of a file.
#[derive(Debug)]
pub enum Place {
    /// A name in a folder, whose file is replaced.
    Name(Folder, OsString),
    /// A pipe or a device, which is written to directly.
    Stream(File),
}

/// The folder at `path`; it and its parents are created if they are missing.
pub fn folder(path: &Path) -> std::result::Result<Folder, IoError> {
    folder_with(path, privacy::callers_folder_mode())
}

/// The same; missing folders are created with this mode, whatever the caller's umask.
pub fn folder_with(path: &Path, mode: u32) -> std::result::Result<Folder, IoError> {
    let found = walk(path, Some(mode)).and_then(|handle| match kind(fstat(&handle)?) {
        FileType::Directory => Ok(handle),
        _ => Err(Errno::NOTDIR.into()),
    });
    Ok(Folder::new(found.at("open", path)?, path.to_owned()))
}

/// The same as a path without links, for callers that can't use a handle.
pub fn folder_path(path: &Path) -> std::result::Result<PathBuf, IoError> {
    folder(path)?.itself()?.path()
}

/// The destination of a file called `path`; its folder must exist.
pub fn place(path: &Path) -> std::result::Result<Place, IoError> {
    let find = || -> Result<Place> {
        let name = path.file_name().ok_or(Errno::ISDIR)?;
        let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let handle = walk(above, None)?;
        Ok(match stream(&handle, name)? {
            Some(stream) => Place::Stream(stream),
            None => Place::Name(Folder::new(handle, above.to_owned()), name.to_owned()),
        })
    };
    find().at("create", path)
}

/// Writes a file that the user requested.
pub fn write(path: &Path, bytes: &[u8]) -> std::result::Result<(), IoError> {
    match place(path)? {
        Place::Stream(mut stream) => stream.write_all(bytes).at("write", path),
        Place::Name(folder, name) => {
            folder.replace(&name, privacy::callers_file_mode(), |file| file.write_all(bytes).at("write", path))
        }
    }
}

/// What has the name, if it is something that can be written to.
fn stream(folder: &OwnedFd, name: &OsStr) -> Result<Option<File>> {
    let write = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
    let Some(found) = missing_is_nothing(openat(folder, name, PATH, Mode::empty()))? else { return Ok(None) };
    let stat = fstat(&found)?;
    match kind(stat) {
        FileType::RegularFile => Ok(None),
        // The error of `rename`.
        FileType::Directory => Err(Errno::ISDIR.into()),
        FileType::Symlink if is_kernels(folder)? => {
            // A file that a shell passes as output may already have content.
            Ok(Some(openat(folder, name, write | OFlags::APPEND, Mode::empty())?.into()))
        }
        FileType::Symlink => Ok(None),
        _ if !may_use(&fstat(folder)?, &stat) => Err(strangers()),
        // Not the handle that was checked: a socket can't be opened at all, and for the others only their owner can
        // replace them.
        _ => Ok(Some(openat(folder, name, write | OFlags::NOFOLLOW, Mode::empty())?.into())),
    }
}

/// A folder whose links belong to the kernel or the system: `/dev`, and every proc filesystem.
fn is_kernels(folder: &OwnedFd) -> Result<bool> {
    if is_proc(folder)? {
        return Ok(true);
    }
    let (own, devices) = (fstat(folder)?, rustix::fs::stat("/dev")?);
    Ok((own.st_dev, own.st_ino) == (devices.st_dev, devices.st_ino))
}

fn is_proc(handle: &OwnedFd) -> Result<bool> {
    Ok(fstatfs(handle)?.f_type as u64 == PROC)
}

const PATH: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A handle of what is at `path`, whose links are followed one by one. Missing folders are created if a mode for them
/// is given.
fn walk(path: &Path, makes: Option<u32>) -> Result<OwnedFd> {
    let start = |path: &str| rustix::fs::open(path, PATH | OFlags::DIRECTORY, Mode::empty());
    let (mut rest, mut links) = (Vec::new(), 0);
    push_reversed(&mut rest, path);
    let mut at = start(".")?;
    while let Some(name) = rest.pop() {
        if name == "/" {
            at = start("/")?;
            continue;
        }
        let next = match (missing_is_nothing(openat(&at, &name, PATH, Mode::empty()))?, makes) {
            (Some(next), _) => next,
            (None, Some(mode)) => make(&at, &name, mode)?,
            (None, None) => return Err(Errno::NOENT.into()),
        };
        let stat = fstat(&next)?;
        if kind(stat) != FileType::Symlink {
            at = next;
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(Errno::LOOP.into());
        }
        if !may_use(&fstat(&at)?, &stat) {
            return Err(strangers());
        }
        if is_proc(&next)? {
            // A magic link: it leads elsewhere than its text.
            at = openat(&at, &name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
            continue;
        }
        let target = rustix::fs::readlinkat(&next, "", Vec::new())?;
        push_reversed(&mut rest, Path::new(&OsString::from_vec(target.into_bytes())));
    }
    Ok(at)
}

/// The names of a path, in reverse order.
fn push_reversed(rest: &mut Vec<OsString>, path: &Path) {
    let names = path.components().filter(|component| *component != Component::CurDir);
    let names: Vec<OsString> = names.map(|component| component.as_os_str().to_owned()).collect();
    rest.extend(names.into_iter().rev());
}

fn make(above: &OwnedFd, name: &OsStr, mode: u32) -> Result<OwnedFd> {
    let folder = Folder::new(above.try_clone()?, PathBuf::new());
    let made = folder.made_folder(name, mode).and_then(|made| made.itself());
    Ok(made.map_err(|error| error.source)?.into_fd())
}

/// Whether to follow a link, or write to something else, in this folder: not if the folder is world-writable and
/// somebody else created the entry.
fn may_use(folder: &Stat, found: &Stat) -> bool {
    let is_open = folder.st_mode & (STICKY | WORLD_WRITABLE) == STICKY | WORLD_WRITABLE;
    let is_folders = found.st_uid == folder.st_uid && found.st_uid != OVERFLOW_ID;
    !is_open || is_folders || found.st_uid == rustix::process::geteuid().as_raw()
}

fn strangers() -> Error {
    Error::new(ErrorKind::PermissionDenied, "another user has put it there, in a folder that is everybody's")
}

fn missing_is_nothing<T>(found: rustix::io::Result<T>) -> Result<Option<T>> {
    match found {
        Err(Errno::NOENT) => Ok(None),
        found => Ok(Some(found?)),
    }
}

fn kind(stat: Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn inode(path: &Path) -> u64 {
        path.metadata().unwrap().ino()
    }

    #[test]
    fn folders_are_found_by_links_and_made() {
        let work = tempfile::tempdir().unwrap();
        let at = |name: &str| work.path().join(name);
        std::fs::create_dir_all(at("a/b")).unwrap();
        symlink("a/../a/./b", at("near")).unwrap();
        symlink(at("near"), at("far")).unwrap();
        symlink("loop", at("loop")).unwrap();
        for name in ["a/b", "near", "far", "near/../b", "./a//b/"] {
            let found = folder(&at(name)).unwrap();
            assert_eq!(found.status().unwrap().st_ino, inode(&at("a/b")), "{name}");
        }
        folder(&at("far/new/er")).unwrap();
        assert!(at("a/b/new/er").is_dir());
        assert_eq!(folder(&at("loop")).unwrap_err().errno(), Some(Errno::LOOP));
        std::fs::write(at("file"), "").unwrap();
        assert_eq!(folder(&at("file")).unwrap_err().errno(), Some(Errno::NOTDIR));
        assert_eq!(folder_path(&at("far")).unwrap(), std::fs::canonicalize(at("a/b")).unwrap());
    }

    #[test]
    fn a_file_takes_the_place_of_a_link_and_streams_are_written_to() {
        let work = tempfile::tempdir().unwrap();
        let at = |name: &str| work.path().join(name);
        std::fs::write(at("file"), "").unwrap();
        symlink("file", at("link")).unwrap();
        symlink("/dev/null", at("device")).unwrap();
        for name in ["file", "link", "device", "new"] {
            assert!(matches!(place(&at(name)).unwrap(), Place::Name(_, found) if found == name), "{name}");
        }
        for name in ["/dev/null", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
            assert!(matches!(place(Path::new(name)).unwrap(), Place::Stream(_)), "{name}");
        }
        assert_eq!(place(work.path()).unwrap_err().errno(), Some(Errno::ISDIR));
        assert_eq!(place(&at("none/file")).unwrap_err().errno(), Some(Errno::NOENT));
    }

    #[test]
    fn what_others_have_put_where_everybody_may_is_not_used() {
        let work = tempfile::tempdir().unwrap();
        std::fs::set_permissions(work.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
        let at = |name: &str| work.path().join(name);
        std::fs::create_dir(at("real")).unwrap();
        symlink("real", at("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        folder(&at("link")).unwrap();
        for name in ["link", "fifo"] {
            if std::os::unix::fs::lchown(at(name), Some(64_322), None).is_err() {
                return;
            }
        }
        assert_eq!(folder(&at("link/new")).unwrap_err().source.kind(), ErrorKind::PermissionDenied);
        for name in ["link/file", "fifo"] {
            assert_eq!(place(&at(name)).unwrap_err().source.kind(), ErrorKind::PermissionDenied, "{name}");
        }
        assert!(matches!(place(&at("link")).unwrap(), Place::Name(..)));
        assert!(!at("real/new").exists());
    }
}
