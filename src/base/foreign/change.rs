//! Creates, moves and removes names in a folder, by the folder's handle and a single name.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timestamps, Uid};
use rustix::io::Errno;

use super::folder::single;
use super::{Folder, Handle, own, recorded};
use crate::base::io_error::IoError;

impl Folder {
    /// Makes a folder. It is an error if the name exists.
    pub fn make_folder(&self, name: &OsStr, mode: u32) -> Result<(), IoError> {
        let made = single(name).and_then(|name| rustix::fs::mkdirat(self, name, Mode::from_raw_mode(mode)));
        made.map_err(self.failed("create", name))
    }

    /// Makes an empty file for writing and reading. It is an error if the name exists.
    pub fn make_file(&self, name: &OsStr, mode: u32) -> Result<File, IoError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = single(name).and_then(|name| rustix::fs::openat(self, name, flags, Mode::from_raw_mode(mode)));
        Ok(made.map_err(self.failed("create", name))?.into())
    }

    /// Makes a FIFO, a socket file or a device.
    pub fn make_node(&self, name: &OsStr, kind: FileType, mode: u32, device: u64) -> Result<(), IoError> {
        let mode = Mode::from_raw_mode(mode);
        let is_whiteout = kind == FileType::CharacterDevice && device == 0;
        let made = single(name).and_then(|name| match is_whiteout || !recorded::are_owners_recorded() {
            true => rustix::fs::mknodat(self, name, kind, mode, device),
            false => recorded::make_node(self, name, kind, mode, device),
        });
        let made = match made {
            Err(refused @ Errno::PERM) if is_whiteout => recorded::make_whiteout(self, name, refused),
            made => made,
        };
        made.map_err(self.failed("create", name))
    }

    /// Makes a FIFO that is one, whatever is recorded.
    pub fn make_fifo(&self, name: &OsStr, mode: u32) -> Result<(), IoError> {
        let mode = Mode::from_raw_mode(mode);
        let made = single(name).and_then(|name| {
            rustix::fs::mknodat(self, name, FileType::Fifo, mode, 0)?;
            // No link is there: it has just been made.
            rustix::fs::chmodat(self, name, mode, AtFlags::empty())
        });
        made.map_err(self.failed("create", name))
    }

    /// Makes a symbolic link.
    pub fn make_link(&self, name: &OsStr, target: &Path) -> Result<(), IoError> {
        let made = single(name).and_then(|name| rustix::fs::symlinkat(target, self, name));
        made.map_err(self.failed("create", name))
    }

    /// Hard-links the file `other` of the folder `from` here; links a symbolic link itself, not its target.
    pub fn hard_link(&self, name: &OsStr, from: &Self, other: &OsStr) -> Result<(), IoError> {
        let link = || rustix::fs::linkat(from, single(other)?, self, single(name)?, AtFlags::empty());
        link().map_err(self.failed("link", name))
    }

    /// Hard-links the file behind a handle here.
    pub fn hard_link_to(&self, name: &OsStr, file: &Handle) -> Result<(), IoError> {
        single(name).and_then(|name| own::link(file, self, name)).map_err(self.failed("link", name))
    }

    /// Renames `old` to `new` in the folder `to`, replacing what is there.
    pub fn rename(&self, old: &OsStr, to: &Self, new: &OsStr) -> Result<(), IoError> {
        let rename = || rustix::fs::renameat(self, single(old)?, to, single(new)?);
        rename().map_err(self.failed("rename", old))
    }

    /// Removes a name that is not a folder.
    pub fn remove(&self, name: &OsStr) -> Result<(), IoError> {
        let removed = single(name).and_then(|name| rustix::fs::unlinkat(self, name, AtFlags::empty()));
        removed.map_err(self.failed("remove", name))
    }

    /// Removes an empty folder.
    pub fn remove_folder(&self, name: &OsStr) -> Result<(), IoError> {
        let removed = single(name).and_then(|name| rustix::fs::unlinkat(self, name, AtFlags::REMOVEDIR));
        removed.map_err(self.failed("remove", name))
    }

    /// Changes the owner of a file; of a symbolic link, that of the link itself.
    pub fn set_owner(&self, name: &OsStr, uid: Uid, gid: Gid) -> Result<(), IoError> {
        let set = single(name).and_then(|name| recorded::set_owner_in(self, name, uid, gid));
        set.map_err(self.failed("change the owner of", name))
    }

    /// Sets the mode of a file; an error for a symbolic link, which has none.
    pub fn set_mode(&self, name: &OsStr, mode: u32) -> Result<(), IoError> {
        self.handle(name)?.set_mode(mode)
    }

    /// Sets the times of a file; of a symbolic link, those of the link itself.
    pub fn set_times(&self, name: &OsStr, times: &Timestamps) -> Result<(), IoError> {
        let set = single(name).and_then(|name| rustix::fs::utimensat(self, name, times, AtFlags::SYMLINK_NOFOLLOW));
        set.map_err(self.failed("set the time of", name))
    }

    /// Sets the folder's own owner.
    pub fn set_own_owner(&self, uid: Uid, gid: Gid) -> Result<(), IoError> {
        recorded::set_owner_of(self, uid, gid).map_err(self.failed("change the owner of", OsStr::new("")))
    }

    /// Sets the folder's own mode.
    pub fn set_own_mode(&self, mode: u32) -> Result<(), IoError> {
        let mode = Mode::from_raw_mode(mode);
        let set = match recorded::are_owners_recorded() {
            true => recorded::record_mode_of(self, mode),
            false => own::set_mode(self.as_fd(), mode),
        };
        set.map_err(self.failed("change the mode of", OsStr::new("")))
    }

    /// Sets the folder's own times.
    pub fn set_own_times(&self, times: &Timestamps) -> Result<(), IoError> {
        rustix::fs::utimensat(self, ".", times, AtFlags::empty())
            .map_err(self.failed("set the time of", OsStr::new("")))
    }
}
