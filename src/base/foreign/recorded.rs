//! Records what a filesystem can't represent in extended attributes of files and folders.
//!
//! overlayfs can't create the device 0:0, which hides a name of the layers below, when it is the disk itself, as in a
//! container. Such a whiteout is an empty file with overlayfs' own mark (Linux 6.8,
//! `Documentation/filesystems/overlayfs.rst`). And a process without rights over other users' files ([`record_owners`])
//! keeps owners, modes and kinds that it can't set in [`STAT`]; a link, a device or a FIFO is a regular file then.
//! Access through a [`Folder`](super::Folder) or a [`Handle`](super::Handle) returns the intended values.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::{Errno, Result};

use super::attributes::{self, Place};
use super::own;

/// overlayfs' own marks: of an empty file that hides a name, and of a folder that contains such files.
const WHITEOUT: &CStr = c"user.overlay.whiteout";
const OPAQUE: &CStr = c"user.overlay.opaque";
const HAS_WHITEOUTS: &[u8] = b"x";

/// Kind and mode (octal), owner, group and device number, separated by spaces.
const STAT: &CStr = c"user.rbuild.stat";
/// Attributes with this prefix are rbuild's, and not part of an image.
const OWN_PREFIX: &str = "user.rbuild.";

static IS_RECORDING: AtomicBool = AtomicBool::new(false);

/// From now on, this process records owners, modes and kinds, and sees what was recorded. Its own files count as
/// root's.
pub fn record_owners() {
    IS_RECORDING.store(true, Ordering::Relaxed);
}

/// Whether this process records owners that it can't set.
pub fn are_owners_recorded() -> bool {
    IS_RECORDING.load(Ordering::Relaxed)
}

/// Whether an extended attribute is one of these marks.
pub fn is_record(name: &[u8]) -> bool {
    name.starts_with(OWN_PREFIX.as_bytes())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    /// The mode, including the kind.
    mode: u32,
    uid: u32,
    gid: u32,
    device: u64,
}

impl Record {
    fn of(stat: &Stat) -> Self {
        Self { mode: stat.st_mode, uid: stat.st_uid, gid: stat.st_gid, device: stat.st_rdev }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut words = text.split(' ');
        let mode = u32::from_str_radix(words.next()?, 8).ok()?;
        let mut number = || words.next()?.parse::<u64>().ok();
        let (uid, gid, device) = (number()?, number()?, number()?);
        Some(Self { mode, uid: u32::try_from(uid).ok()?, gid: u32::try_from(gid).ok()?, device })
    }

    fn text(self) -> String {
        let Self { mode, uid, gid, device } = self;
        format!("{mode:o} {uid} {gid} {device}")
    }

    /// The permissions that this process itself needs, whatever the recorded mode.
    fn own_mode(self, is_folder: bool) -> u32 {
        self.mode & 0o777 | if is_folder { 0o700 } else { 0o600 }
    }

    /// Whether the file itself represents all of it.
    fn is_plain(self, kind: FileType) -> bool {
        let own_mode = self.own_mode(kind == FileType::Directory);
        (self.uid, self.gid) == (0, 0) && FileType::from_raw_mode(self.mode) == kind && self.mode & 0o7777 == own_mode
    }
}

/// The status of a name in a folder.
pub fn seen_in(folder: impl AsFd, name: &OsStr, stat: Stat) -> Result<Stat> {
    seen(stat, || place_in(&folder, name))
}

/// The same of an open file or folder, or of an `O_PATH` handle.
pub fn seen_of(handle: impl AsFd, stat: Stat) -> Result<Stat> {
    seen(stat, || Ok(own::name(&handle)?.map(Place::Named)))
}

fn place_in(folder: impl AsFd, name: &OsStr) -> Result<Option<Place<'static>>> {
    Ok(own::name(folder)?.map(|folder| Place::In(PathBuf::from(folder).join(name))))
}

fn seen(mut stat: Stat, place: impl Fn() -> Result<Option<Place<'static>>>) -> Result<Stat> {
    let kind = FileType::from_raw_mode(stat.st_mode);
    let may_hide = kind == FileType::RegularFile && stat.st_size == 0 && stat.st_mode & 0o7777 == 0;
    let is_recording = are_owners_recorded();
    if !may_hide && !is_recording {
        return Ok(stat);
    }
    let has_attributes = matches!(kind, FileType::RegularFile | FileType::Directory);
    let place = if has_attributes { place()? } else { None };
    let value = |name: &CStr| place.as_ref().map_or(Ok(None), |place| attributes::value(place, name));
    if may_hide && value(WHITEOUT)?.is_some() {
        stat.st_mode = libc_kind(FileType::CharacterDevice);
        stat.st_rdev = 0;
        return Ok(stat);
    }
    if !is_recording {
        return Ok(stat);
    }
    let Some(Record { mode, uid, gid, device }) = value(STAT)?.as_deref().and_then(Record::parse) else {
        return Ok(as_root(stat));
    };
    (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev) = (mode, uid, gid, device);
    Ok(stat)
}

/// This process's own user is the one that an image calls root.
fn as_root(mut stat: Stat) -> Stat {
    if stat.st_uid == rustix::process::geteuid().as_raw() {
        stat.st_uid = 0;
    }
    if stat.st_gid == rustix::process::getegid().as_raw() {
        stat.st_gid = 0;
    }
    stat
}

fn libc_kind(kind: FileType) -> u32 {
    kind.as_raw_mode()
}

/// Hides a name of the layers below. `refused` is the error that forbids a device.
pub(super) fn make_whiteout(folder: impl AsFd, name: &OsStr, refused: Errno) -> Result<()> {
    if are_owners_recorded() {
        // Without rights nobody reads the mark of a file that has no mode, and overlayfs never sees it.
        return make_node(folder, name, FileType::CharacterDevice, Mode::empty(), 0);
    }
    let Some(own) = own::name(&folder)?.map(Place::Named) else { return Err(refused) };
    match attributes::value(&own, OPAQUE)? {
        // The layers below are not visible here, and overlayfs does not look for such files then.
        Some(mark) if mark == b"y" => return Ok(()),
        _ => attributes::set(&own, OPAQUE, HAS_WHITEOUTS).map_err(|_| refused)?,
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(&folder, name, flags, Mode::empty())?;
    attributes::set(&Place::Borrowed(made.as_fd()), WHITEOUT, b"y")
}

/// Changes the owner of a name, or of the link itself.
pub(super) fn set_owner_in(folder: impl AsFd, name: &OsStr, uid: Uid, gid: Gid) -> Result<()> {
    let stat = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let owners = (uid.as_raw(), gid.as_raw());
    if !are_owners_recorded() {
        return rustix::fs::chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW);
    }
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink if owners == (0, 0) => Ok(()),
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(&folder, name, Vec::new())?;
            rustix::fs::unlinkat(&folder, name, AtFlags::empty())?;
            let record = Record { mode: stat.st_mode, uid: owners.0, gid: owners.1, device: 0 };
            make_recorded(folder, name, record, target.to_bytes())
        }
        kind => {
            let place = place_in(&folder, name)?.ok_or(Errno::NOSYS)?;
            change(&place, kind, &stat, |record| (record.uid, record.gid) = owners)
        }
    }
}

/// The same of an open file or folder, or of an `O_PATH` handle.
pub fn set_owner_of(handle: impl AsFd, uid: Uid, gid: Gid) -> Result<()> {
    if !are_owners_recorded() {
        return rustix::fs::chownat(handle, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH);
    }
    change_of(handle, |record| (record.uid, record.gid) = (uid.as_raw(), gid.as_raw()))
}

/// Sets the mode of an open file or folder.
pub fn set_mode_of(handle: impl AsFd, mode: Mode) -> Result<()> {
    if !are_owners_recorded() {
        return rustix::fs::fchmod(handle, mode);
    }
    record_mode_of(handle, mode)
}

/// Records the mode of the file behind a handle, and sets as much of it as this process can work with.
pub(super) fn record_mode_of(handle: impl AsFd, mode: Mode) -> Result<()> {
    const PERMISSIONS: u32 = 0o7777;
    change_of(handle, |record| record.mode = record.mode & !PERMISSIONS | mode.as_raw_mode() & PERMISSIONS)
}

fn change_of(handle: impl AsFd, edit: impl FnOnce(&mut Record)) -> Result<()> {
    let stat = rustix::fs::fstat(&handle)?;
    let place = own::name(&handle)?.map(Place::Named).ok_or(Errno::NOSYS)?;
    match FileType::from_raw_mode(stat.st_mode) {
        // A handle alone can't turn a link into a regular file. It stays root's, which is the usual case.
        FileType::Symlink => Ok(()),
        kind => change(&place, kind, &stat, edit),
    }
}

fn change(place: &Place<'_>, kind: FileType, stat: &Stat, edit: impl FnOnce(&mut Record)) -> Result<()> {
    let kept = attributes::value(place, STAT)?.as_deref().and_then(Record::parse);
    let mut record = kept.unwrap_or_else(|| Record::of(&as_root(*stat)));
    edit(&mut record);
    let own_mode = Mode::from_raw_mode(record.own_mode(kind == FileType::Directory));
    place.set_mode(own_mode)?;
    match record.is_plain(kind) {
        true if kept.is_none() => Ok(()),
        true => place.remove(STAT),
        false => attributes::set(place, STAT, record.text().as_bytes()),
    }
}

/// Makes a FIFO or a device that exists only as a record.
pub(super) fn make_node(folder: impl AsFd, name: &OsStr, kind: FileType, mode: Mode, device: u64) -> Result<()> {
    let record = Record { mode: libc_kind(kind) | mode.as_raw_mode(), uid: 0, gid: 0, device };
    make_recorded(folder, name, record, b"")
}

fn make_recorded(folder: impl AsFd, name: &OsStr, record: Record, content: &[u8]) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?;
    if rustix::io::write(&made, content)? != content.len() {
        return Err(Errno::NOSPC);
    }
    attributes::set(&Place::Borrowed(made.as_fd()), STAT, record.text().as_bytes())
}

/// The target of a link in a folder, however it is stored.
pub fn read_link_in(folder: impl AsFd, name: &OsStr) -> Result<CString> {
    match rustix::fs::readlinkat(&folder, name, Vec::new()) {
        Err(Errno::INVAL) if are_owners_recorded() => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            read_recorded_link(rustix::fs::openat(&folder, name, flags, Mode::empty())?)
        }
        read => read,
    }
}

/// The same of a file's `O_PATH` handle.
pub(super) fn read_link_of(handle: impl AsFd) -> Result<CString> {
    read_recorded_link(own::reopen(handle, OFlags::RDONLY | OFlags::NONBLOCK)?)
}

fn read_recorded_link(file: OwnedFd) -> Result<CString> {
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(seen_of(&file, stat)?.st_mode) != FileType::Symlink {
        return Err(Errno::INVAL);
    }
    let mut target = vec![0; usize::try_from(stat.st_size).unwrap_or_default()];
    let length = rustix::io::read(&file, &mut target)?;
    target.truncate(length);
    CString::new(target).map_err(|_| Errno::INVAL)
}

/// The name under which this process can store an attribute: file capabilities need a right that it lacks.
pub fn kept_name(name: &CStr) -> std::borrow::Cow<'_, CStr> {
    let is_kept = are_owners_recorded() && name.to_bytes().starts_with(b"security.");
    let own = is_kept.then(|| CString::new([OWN_PREFIX.as_bytes(), name.to_bytes()].concat()).ok()).flatten();
    own.map_or(name.into(), Into::into)
}

/// The attribute's name for callers that list them; `None` for one that only records something.
pub fn meant_name(name: &CStr) -> Option<std::borrow::Cow<'_, CStr>> {
    let Some(inner) = name.to_bytes().strip_prefix(OWN_PREFIX.as_bytes()) else { return Some(name.into()) };
    let is_kept = are_owners_recorded() && inner.starts_with(b"security.");
    is_kept.then(|| CString::new(inner).ok()).flatten().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_what_was_recorded() {
        let record = Record { mode: 0o104_755, uid: 5, gid: 70_000, device: 0 };
        assert_eq!(record.text(), "104755 5 70000 0");
        assert_eq!(Record::parse(record.text().as_bytes()), Some(record));
        assert_eq!(Record::parse(b"104755 5"), None);
        assert_eq!(Record::parse(b"8 0 0 0"), None);
    }

    #[test]
    fn what_the_file_says_is_not_recorded() {
        let plain = |mode| Record { mode, uid: 0, gid: 0, device: 0 };
        assert!(plain(0o100_644).is_plain(FileType::RegularFile) && plain(0o040_755).is_plain(FileType::Directory));
        assert!(!plain(0o100_444).is_plain(FileType::RegularFile), "the owner could not write it");
        assert!(!plain(0o104_755).is_plain(FileType::RegularFile), "nothing is setuid for anybody else");
        assert!(!plain(0o120_777).is_plain(FileType::RegularFile), "a link is not a file");
        assert!(!Record { uid: 7, ..plain(0o100_644) }.is_plain(FileType::RegularFile));
    }

    #[test]
    fn an_empty_file_with_overlayfs_mark_hides_a_name() {
        let place = tempfile::tempdir().unwrap();
        let folder = super::super::Folder::open(place.path()).unwrap();
        let name = OsStr::new("gone");
        match make_whiteout(&folder, name, Errno::PERM) {
            Err(Errno::PERM) => return eprintln!("skipped: this filesystem has no attributes for users"),
            made => made.unwrap(),
        }
        let stat = folder.stat(name).unwrap().unwrap();
        assert_eq!((FileType::from_raw_mode(stat.st_mode), stat.st_rdev), (FileType::CharacterDevice, 0));
        assert_eq!(folder.xattr(OPAQUE).unwrap().as_deref(), Some(HAS_WHITEOUTS));
        std::fs::write(place.path().join("file"), "").unwrap();
        let stat = folder.stat(OsStr::new("file")).unwrap().unwrap();
        assert_eq!(FileType::from_raw_mode(stat.st_mode), FileType::RegularFile);
    }
}
