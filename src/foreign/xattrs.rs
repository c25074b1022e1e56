//! Extended attributes by handle. Files and folders are opened for that; of what can't be, the handle's own name in this
//! process's `/proc` leads to it, as lgetxattr(2) walks a path once more.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, OFlags, XattrFlags};
use rustix::io::{Errno, Result};

use super::{Folder, Handle, own};
use crate::io_error::IoError;

/// `XATTR_LIST_MAX` and `XATTR_SIZE_MAX` of the kernel.
const MOST_BYTES: usize = 64 << 10;

/// What attributes are asked of.
enum Place<'a> {
    Borrowed(BorrowedFd<'a>),
    Open(OwnedFd),
    /// A name of a handle.
    Named(String),
}

impl Handle {
    /// All extended attributes, in byte order of their names; none where the filesystem has no such thing.
    pub fn xattrs(&self) -> std::result::Result<Vec<(CString, Vec<u8>)>, IoError> {
        self.place().and_then(|place| all(&place)).map_err(self.failed("read the attributes of"))
    }

    /// The value of one; nothing when it is not there.
    pub fn xattr(&self, name: &CStr) -> std::result::Result<Option<Vec<u8>>, IoError> {
        self.place().and_then(|place| value(&place, name)).map_err(self.failed("read the attributes of"))
    }

    pub fn set_xattr(&self, name: &CStr, value: &[u8]) -> std::result::Result<(), IoError> {
        let set = || match self.place()? {
            Place::Borrowed(file) => rustix::fs::fsetxattr(file, name, value, XattrFlags::empty()),
            Place::Open(file) => rustix::fs::fsetxattr(file, name, value, XattrFlags::empty()),
            Place::Named(path) => rustix::fs::setxattr(path, name, value, XattrFlags::empty()),
        };
        set().map_err(self.failed("set an attribute of"))
    }

    fn place(&self) -> Result<Place<'static>> {
        match FileType::from_raw_mode(rustix::fs::fstat(self)?.st_mode) {
            FileType::RegularFile | FileType::Directory => {
                // Whoever may not read it may still read its attributes.
                match own::reopen(self, OFlags::RDONLY | OFlags::NONBLOCK) {
                    Err(Errno::ACCESS | Errno::PERM) => own::name(self).map(Place::Named),
                    opened => opened.map(Place::Open),
                }
            }
            _ => own::name(self).map(Place::Named),
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

    fn place(&self) -> Result<Place<'static>> {
        self.readable().map(Place::Open)
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

fn all(place: &Place<'_>) -> Result<Vec<(CString, Vec<u8>)>> {
    let list = |buffer: &mut [u8]| match place {
        Place::Borrowed(file) => rustix::fs::flistxattr(file, buffer),
        Place::Open(file) => rustix::fs::flistxattr(file, buffer),
        Place::Named(path) => rustix::fs::listxattr(path.as_str(), buffer),
    };
    let names = match sized(list) {
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        names => names?,
    };
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let Ok(name) = CString::new(name) else { continue };
        // One may go meanwhile.
        if let Some(value) = value(place, &name)? {
            found.push((name, value));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn value(place: &Place<'_>, name: &CStr) -> Result<Option<Vec<u8>>> {
    let read = |buffer: &mut [u8]| match place {
        Place::Borrowed(file) => rustix::fs::fgetxattr(file, name, buffer),
        Place::Open(file) => rustix::fs::fgetxattr(file, name, buffer),
        Place::Named(path) => rustix::fs::getxattr(path.as_str(), name, buffer),
    };
    match sized(read) {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error),
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
