//! Extended attributes by handle. The handle's path in this process's `/proc` leads to its file, or to a name in its
//! folder, so nothing has to be opened, and lgetxattr(2) does not walk the original path again. Where `/proc` belongs
//! to a container, files and folders are opened instead.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::AsFd;
use std::path::PathBuf;

use rustix::fs::{FileType, OFlags};
use rustix::io::{Errno, Result};

use super::attributes::{self, Place, none_where_unknown};
use super::folder::single;
use super::{Folder, Handle, own, recorded};
use crate::base::io_error::IoError;

impl Handle {
    /// All extended attributes, in byte order of their names; none if the filesystem does not support them.
    pub fn xattrs(&self) -> std::result::Result<Vec<(CString, Vec<u8>)>, IoError> {
        none_where_unknown(self.place().and_then(|place| all(&place))).map_err(self.failed("read the attributes of"))
    }

    /// The value of an attribute; `None` if it is not set.
    pub fn xattr(&self, name: &CStr) -> std::result::Result<Option<Vec<u8>>, IoError> {
        let read = self.place().and_then(|place| value(&place, name));
        none_where_unknown(read).map_err(self.failed("read the attributes of"))
    }

    /// Sets an extended attribute.
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
            // It must not be opened, and there is no other way: treated as a filesystem without attributes.
            _ => Err(Errno::OPNOTSUPP),
        }
    }
}

impl Folder {
    /// The folder's own attributes, as those of a [`Handle`].
    pub fn xattrs(&self) -> std::result::Result<Vec<(CString, Vec<u8>)>, IoError> {
        self.place().and_then(|place| all(&place)).map_err(self.failed("read the attributes of", OsStr::new("")))
    }

    /// The value of an attribute of the folder itself; `None` if it is not set.
    pub fn xattr(&self, name: &CStr) -> std::result::Result<Option<Vec<u8>>, IoError> {
        let read = self.place().and_then(|place| value(&place, name));
        read.map_err(self.failed("read the attributes of", OsStr::new("")))
    }

    /// The attributes of a name in the folder; of a symbolic link, those of the link itself.
    pub fn xattrs_of(&self, name: &OsStr) -> std::result::Result<Vec<(CString, Vec<u8>)>, IoError> {
        let place = single(name).and_then(|_| own::name(self)).map_err(self.failed("read the attributes of", name))?;
        match place {
            Some(folder) => {
                all(&Place::In(PathBuf::from(folder).join(name))).map_err(self.failed("read the attributes of", name))
            }
            None => self.handle(name)?.xattrs(),
        }
    }

    /// Sets an attribute of the folder itself.
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

/// The value of one of them; `None` if it is not set.
pub fn xattr_of(file: impl AsFd, name: &CStr) -> Result<Option<Vec<u8>>> {
    value(&Place::Borrowed(file.as_fd()), name)
}

/// Sets an attribute of an open file or folder.
pub fn set_xattr_of(file: impl AsFd, name: &CStr, value: &[u8]) -> Result<()> {
    set(&Place::Borrowed(file.as_fd()), name, value)
}

/// All attributes, under the names that images use for them.
fn all(place: &Place<'_>) -> Result<Vec<(CString, Vec<u8>)>> {
    let meant = |(name, value): (CString, Vec<u8>)| Some((recorded::meant_name(&name)?.into_owned(), value));
    let mut found: Vec<_> = attributes::all(place)?.into_iter().filter_map(meant).collect();
    found.sort_unstable();
    Ok(found)
}

fn value(place: &Place<'_>, name: &CStr) -> Result<Option<Vec<u8>>> {
    attributes::value(place, &recorded::kept_name(name))
}

fn set(place: &Place<'_>, name: &CStr, value: &[u8]) -> Result<()> {
    attributes::set(place, &recorded::kept_name(name), value)
}
