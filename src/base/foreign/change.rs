//! What is made, moved and removed in a folder, by its handle and one name.

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
    /// Makes a folder; something of that name is an error.
    pub fn make_folder(&self, name: &OsStr, mode: u32) -> Result<(), IoError> {
        let made = single(name).and_then(|name| rustix::fs::mkdirat(self, name, Mode::from_raw_mode(mode)));
        made.map_err(self.failed("create", name))
    }

    /// Makes an empty file, to be written and read; something of that name is an error.
    pub fn make_file(&self, name: &OsStr, mode: u32) -> Result<File, IoError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = single(name).and_then(|name| rustix::fs::openat(self, name, flags, Mode::from_raw_mode(mode)));
        Ok(made.map_err(self.failed("create", name))?.into())
    }

    /// Makes a FIFO, a socket's name or a device.
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

    /// Makes a symbolic link.
    pub fn make_link(&self, name: &OsStr, target: &Path) -> Result<(), IoError> {
        let made = single(name).and_then(|name| rustix::fs::symlinkat(target, self, name));
        made.map_err(self.failed("create", name))
    }

    /// Gives the file `other` of the folder `from` another name here; a link itself, not where it leads.
    pub fn hard_link(&self, name: &OsStr, from: &Self, other: &OsStr) -> Result<(), IoError> {
        let link = || rustix::fs::linkat(from, single(other)?, self, single(name)?, AtFlags::empty());
        link().map_err(self.failed("link", name))
    }

    /// Gives what a handle is of another name here.
    pub fn hard_link_to(&self, name: &OsStr, file: &Handle) -> Result<(), IoError> {
        single(name).and_then(|name| own::link(file, self, name)).map_err(self.failed("link", name))
    }

    /// Gives what is called `old` the name `new` in the folder `to`, instead of what is there.
    pub fn rename(&self, old: &OsStr, to: &Self, new: &OsStr) -> Result<(), IoError> {
        let rename = || rustix::fs::renameat(self, single(old)?, to, single(new)?);
        rename().map_err(self.failed("rename", old))
    }

    /// Removes a name that is no folder's.
    pub fn remove(&self, name: &OsStr) -> Result<(), IoError> {
        let removed = single(name).and_then(|name| rustix::fs::unlinkat(self, name, AtFlags::empty()));
        removed.map_err(self.failed("remove", name))
    }

    /// Removes an empty folder.
    pub fn remove_folder(&self, name: &OsStr) -> Result<(), IoError> {
        let removed = single(name).and_then(|name| rustix::fs::unlinkat(self, name, AtFlags::REMOVEDIR));
        removed.map_err(self.failed("remove", name))
    }

    /// Gives a name's file away; of a link, the link itself.
    pub fn set_owner(&self, name: &OsStr, uid: Uid, gid: Gid) -> Result<(), IoError> {
        let set = single(name).and_then(|name| recorded::set_owner_in(self, name, uid, gid));
        set.map_err(self.failed("change the owner of", name))
    }

    /// Sets the mode of what has the name; of a link, which has none, it is an error.
    pub fn set_mode(&self, name: &OsStr, mode: u32) -> Result<(), IoError> {
        self.handle(name)?.set_mode(mode)
    }

    /// Sets the times of what has the name; of a link, its own.
    pub fn set_times(&self, name: &OsStr, times: &Timestamps) -> Result<(), IoError> {
        let set = single(name).and_then(|name| rustix::fs::utimensat(self, name, times, AtFlags::SYMLINK_NOFOLLOW));
        set.map_err(self.failed("set the time of", name))
    }

    /// Its own owner.
    pub fn set_own_owner(&self, uid: Uid, gid: Gid) -> Result<(), IoError> {
        recorded::set_owner_of(self, uid, gid).map_err(self.failed("change the owner of", OsStr::new("")))
    }

    /// Its own mode.
    pub fn set_own_mode(&self, mode: u32) -> Result<(), IoError> {
        let mode = Mode::from_raw_mode(mode);
        let set = match recorded::are_owners_recorded() {
            true => recorded::record_mode_of(self, mode),
            false => own::set_mode(self.as_fd(), mode),
        };
        set.map_err(self.failed("change the mode of", OsStr::new("")))
    }

    /// Its own times.
    pub fn set_own_times(&self, times: &Timestamps) -> Result<(), IoError> {
        rustix::fs::utimensat(self, ".", times, AtFlags::empty())
            .map_err(self.failed("set the time of", OsStr::new("")))
    }
}
