//! Extended attributes by handle. The handle's own name in this process's `/proc` leads to what it is of, and to a name
//! in the folder that it is of: nothing has to be opened for it, and lgetxattr(2) would walk a path once more. Where
//! `/proc` is a container's, files and folders are opened instead.

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{FileType, Mode, OFlags, XattrFlags};
use rustix::io::{Errno, Result};

use super::folder::single;
use super::{Folder, Handle, own, recorded};
use crate::base::io_error::IoError;

/// `XATTR_LIST_MAX` and `XATTR_SIZE_MAX` of the kernel.
const MOST_BYTES: usize = 64 << 10;

/// What attributes are asked of.
pub(super) enum Place<'a> {
    Borrowed(BorrowedFd<'a>),
    Open(OwnedFd),
    /// A name of a handle.
    Named(String),
    /// A name in a folder of which there is a handle; a link there is not followed.
    In(PathBuf),
}

impl Handle {
    /// All extended attributes, in byte order of their names; none where the filesystem has no such thing.
    pub fn xattrs(&self) -> std::result::Result<Vec<(CString, Vec<u8>)>, IoError> {
        none_where_unknown(self.place().and_then(|place| all(&place))).map_err(self.failed("read the attributes of"))
    }

    /// The value of one; nothing when it is not there.
    pub fn xattr(&self, name: &CStr) -> std::result::Result<Option<Vec<u8>>, IoError> {
        let read = self.place().and_then(|place| value(&place, name));
        none_where_unknown(read).map_err(self.failed("read the attributes of"))
    }

    pub fn set_xattr(&self, name: &CStr, value: &[u8]) -> std::result::Result<(), IoError> {
        self.place().and_then(|place| set(&place, name, value)).map_err(self.failed("set an attribute of"))
    }

    fn place(&self) -> Result<Place<'_>> {
        if self.is_open() {
            return Ok(Place::Borrowed(self.as_fd()));
        }
        if let Some(name) = own::name(self)? {
            return Ok(Place::Named(name));
        }
        match self.kind_or_errno()? {
            FileType::RegularFile | FileType::Directory => {
                own::reopen(self, OFlags::RDONLY | OFlags::NONBLOCK).map(Place::Open)
            }
            // It is not opened, and there is no other way: as where the filesystem has no such thing.
            _ => Err(Errno::OPNOTSUPP),
        }
    }
}

impl Folder {
    /// The folder's own attributes, as those of a [`Handle`].
    pub fn xattrs(&self) -> std::result::Result<Vec<(CString, Vec<u8>)>, IoError> {
        self.place().and_then(|place| all(&place)).map_err(self.failed("read the attributes of", OsStr::new("")))
    }

    /// The value of one of the folder's own; nothing when it is not there.
    pub fn xattr(&self, name: &CStr) -> std::result::Result<Option<Vec<u8>>, IoError> {
        let read = self.place().and_then(|place| value(&place, name));
        read.map_err(self.failed("read the attributes of", OsStr::new("")))
    }

    /// The attributes of what has a name in it; of a link, its own.
    pub fn xattrs_of(&self, name: &OsStr) -> std::result::Result<Vec<(CString, Vec<u8>)>, IoError> {
        let place = single(name).and_then(|_| own::name(self)).map_err(self.failed("read the attributes of", name))?;
        match place {
            Some(folder) => {
                all(&Place::In(PathBuf::from(folder).join(name))).map_err(self.failed("read the attributes of", name))
            }
            None => self.handle(name)?.xattrs(),
        }
    }

    /// Sets one of its own attributes.
    pub fn set_own_xattr(&self, name: &CStr, value: &[u8]) -> std::result::Result<(), IoError> {
        let set = self.place().and_then(|place| set(&place, name, value));
        set.map_err(self.failed("set an attribute of", OsStr::new("")))
    }

    fn place(&self) -> Result<Place<'static>> {
        match own::name(self)? {
            Some(name) => Ok(Place::Named(name)),
            None => self.readable().map(Place::Open),
        }
    }
}

/// All extended attributes of an open file or folder, in byte order of their names.
pub fn xattrs_of(file: impl AsFd) -> Result<Vec<(CString, Vec<u8>)>> {
    all(&Place::Borrowed(file.as_fd()))
}

/// The value of one of them; nothing when it is not there.
pub fn xattr_of(file: impl AsFd, name: &CStr) -> Result<Option<Vec<u8>>> {
    value(&Place::Borrowed(file.as_fd()), name)
}

/// Sets one of an open file or folder.
pub fn set_xattr_of(file: impl AsFd, name: &CStr, value: &[u8]) -> Result<()> {
    set(&Place::Borrowed(file.as_fd()), name, value)
}

impl Place<'_> {
    pub(super) fn set_mode(&self, mode: Mode) -> Result<()> {
        match self {
            Place::Borrowed(file) => rustix::fs::fchmod(file, mode),
            Place::Open(file) => rustix::fs::fchmod(file, mode),
            Place::Named(path) => rustix::fs::chmod(path.as_str(), mode),
            // Whoever asks has looked: it is no link.
            Place::In(path) => rustix::fs::chmod(path, mode),
        }
    }

    pub(super) fn remove(&self, name: &CStr) -> Result<()> {
        let removed = match self {
            Place::Borrowed(file) => rustix::fs::fremovexattr(file, name),
            Place::Open(file) => rustix::fs::fremovexattr(file, name),
            Place::Named(path) => rustix::fs::removexattr(path.as_str(), name),
            Place::In(path) => rustix::fs::lremovexattr(path, name),
        };
        if removed == Err(Errno::NODATA) { Ok(()) } else { removed }
    }
}

fn all(place: &Place<'_>) -> Result<Vec<(CString, Vec<u8>)>> {
    let list = |buffer: &mut [u8]| match place {
        Place::Borrowed(file) => rustix::fs::flistxattr(file, buffer),
        Place::Open(file) => rustix::fs::flistxattr(file, buffer),
        Place::Named(path) => rustix::fs::listxattr(path.as_str(), buffer),
        Place::In(path) => rustix::fs::llistxattr(path, buffer),
    };
    let names = none_where_unknown(sized(list))?;
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let Ok(name) = CString::new(name) else { continue };
        let Some(name) = recorded::meant_name(&name).map(Cow::into_owned) else { continue };
        // One may go meanwhile.
        if let Some(value) = value(place, &name)? {
            found.push((name, value));
        }
    }
    found.sort_unstable();
    Ok(found)
}

pub(super) fn value(place: &Place<'_>, name: &CStr) -> Result<Option<Vec<u8>>> {
    let name = &*recorded::kept_name(name);
    let read = |buffer: &mut [u8]| match place {
        Place::Borrowed(file) => rustix::fs::fgetxattr(file, name, buffer),
        Place::Open(file) => rustix::fs::fgetxattr(file, name, buffer),
        Place::Named(path) => rustix::fs::getxattr(path.as_str(), name, buffer),
        Place::In(path) => rustix::fs::lgetxattr(path, name, buffer),
    };
    match sized(read) {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn set(place: &Place<'_>, name: &CStr, value: &[u8]) -> Result<()> {
    let name = &*recorded::kept_name(name);
    let flags = XattrFlags::empty();
    match place {
        Place::Borrowed(file) => rustix::fs::fsetxattr(file, name, value, flags),
        Place::Open(file) => rustix::fs::fsetxattr(file, name, value, flags),
        Place::Named(path) => rustix::fs::setxattr(path.as_str(), name, value, flags),
        Place::In(path) => rustix::fs::lsetxattr(path, name, value, flags),
    }
}

fn none_where_unknown<T: Default>(read: Result<T>) -> Result<T> {
    match read {
        Err(Errno::OPNOTSUPP) => Ok(T::default()),
        read => read,
    }
}

/// What `read` gives, for which a small buffer mostly is enough.
fn sized(read: impl Fn(&mut [u8]) -> Result<usize>) -> Result<Vec<u8>> {
    let mut small = [0; 256];
    match read(&mut small) {
        Err(Errno::RANGE) => {}
        length => return Ok(small[..length?].to_vec()),
    }
    let mut large = vec![0; MOST_BYTES];
    let length = read(&mut large)?;
    large.truncate(length);
    Ok(large)
}
