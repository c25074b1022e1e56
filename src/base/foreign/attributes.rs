//! Extended attributes, read and set through a handle or a path, under the filesystem's own names for them.

use std::ffi::{CStr, CString};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{Mode, XattrFlags};
use rustix::io::{Errno, Result};

/// `XATTR_LIST_MAX` and `XATTR_SIZE_MAX` of the kernel.
const MOST_BYTES: usize = 64 << 10;

/// What attributes are read from or set on.
pub(super) enum Place<'a> {
    Borrowed(BorrowedFd<'a>),
    Open(OwnedFd),
    /// A path of a handle.
    Named(String),
    /// A name in a folder that is open; a link there is not followed.
    In(PathBuf),
}

impl Place<'_> {
    pub(super) fn set_mode(&self, mode: Mode) -> Result<()> {
        match self {
            Place::Borrowed(file) => rustix::fs::fchmod(file, mode),
            Place::Open(file) => rustix::fs::fchmod(file, mode),
            Place::Named(path) => rustix::fs::chmod(path.as_str(), mode),
            // The caller has checked that it is not a link.
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

pub(super) fn all(place: &Place<'_>) -> Result<Vec<(CString, Vec<u8>)>> {
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
        // One may be removed meanwhile.
        if let Some(value) = value(place, &name)? {
            found.push((name, value));
        }
    }
    found.sort_unstable();
    Ok(found)
}

pub(super) fn value(place: &Place<'_>, name: &CStr) -> Result<Option<Vec<u8>>> {
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
    let flags = XattrFlags::empty();
    match place {
        Place::Borrowed(file) => rustix::fs::fsetxattr(file, name, value, flags),
        Place::Open(file) => rustix::fs::fsetxattr(file, name, value, flags),
        Place::Named(path) => rustix::fs::setxattr(path.as_str(), name, value, flags),
        Place::In(path) => rustix::fs::lsetxattr(path, name, value, flags),
    }
}

pub(super) fn none_where_unknown<T: Default>(read: Result<T>) -> Result<T> {
    match read {
        Err(Errno::OPNOTSUPP) => Ok(T::default()),
        read => read,
    }
}

/// The result of `read`, for which a small buffer is usually enough.
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
