//! The extended attributes that belong to a layer, and overlayfs' own ones.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{fgetxattr, flistxattr};
use rustix::io::Errno;

use crate::base::foreign::{is_record, meant_name};

pub(super) const CAPABILITY: &str = "security.capability";
pub(super) const OPAQUE: &CStr = c"user.overlay.opaque";
const OVERLAY: &[u8] = b"user.overlay.";

/// `XATTR_LIST_MAX` and `XATTR_SIZE_MAX` of the kernel.
const MAX_LEN: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct Attributes {
    /// The layer's attributes, in byte order of their names.
    pub(super) kept: Vec<(Vec<u8>, Vec<u8>)>,
    /// The directory hides those below.
    pub(super) opaque: bool,
}

/// True for attributes that a layer carries: file capabilities and `user.*`.
pub(super) fn belongs_to_layer(name: &[u8]) -> bool {
    name == CAPABILITY.as_bytes() || (name.starts_with(b"user.") && !name.starts_with(OVERLAY) && !is_record(name))
}

/// The attributes of an open file or directory.
pub(super) fn read(file: impl AsFd) -> io::Result<Attributes> {
    let mut attributes = Attributes::default();
    for kept in names(&file)? {
        let Some(name) = meant_name(&kept) else { continue };
        let bytes = name.to_bytes();
        if bytes == OPAQUE.to_bytes() {
            attributes.opaque = value(&file, &kept)? == b"y";
        } else if belongs_to_layer(bytes) {
            let value = normalised(bytes, value(&file, &kept)?);
            attributes.kept.push((bytes.to_vec(), value));
        }
    }
    attributes.kept.sort_unstable();
    Ok(attributes)
}

/// The names of overlayfs' attributes on an open file or directory, except the opaque mark.
pub(super) fn bookkeeping(file: impl AsFd) -> io::Result<(Vec<CString>, bool)> {
    let mut names = names(&file)?;
    let has_mark = names.iter().any(|name| name.as_bytes() == OPAQUE.to_bytes());
    let opaque = has_mark && value(&file, &OPAQUE.to_owned())? == b"y";
    names.retain(|name| name.as_bytes().starts_with(OVERLAY) && name.as_bytes() != OPAQUE.to_bytes());
    Ok((names, opaque))
}

fn names(file: impl AsFd) -> io::Result<Vec<CString>> {
    let mut small = [0; 256];
    match flistxattr(&file, &mut small) {
        Ok(length) => return Ok(split_names(&small[..length])),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(Errno::RANGE) => {}
        Err(error) => return Err(error.into()),
    }
    let mut large = vec![0; MAX_LEN];
    let length = flistxattr(&file, &mut large)?;
    Ok(split_names(&large[..length]))
}

fn split_names(list: &[u8]) -> Vec<CString> {
    list.split(|&byte| byte == 0).filter(|name| !name.is_empty()).filter_map(|name| CString::new(name).ok()).collect()
}

fn value(file: impl AsFd, name: &CString) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; 256];
    let length = match fgetxattr(&file, name, &mut buffer) {
        Err(Errno::RANGE) => {
            buffer.resize(MAX_LEN, 0);
            fgetxattr(&file, name, &mut buffer)?
        }
        other => other?,
    };
    buffer.truncate(length);
    Ok(buffer)
}

/// The value of the attribute `name` as a layer has it.
pub(super) fn normalised(name: &[u8], value: Vec<u8>) -> Vec<u8> {
    if name == CAPABILITY.as_bytes() { without_root_id(value) } else { value }
}

/// Capabilities that were set in a user namespace are stored with the namespace's root (revision 3), and shown that way
/// outside of it. A layer has revision 2, which is what the namespace itself sees (capabilities(7), "File capability
/// extended attribute versioning").
fn without_root_id(mut value: Vec<u8>) -> Vec<u8> {
    const REVISION_BYTE: usize = 3;
    const REVISION_2_LEN: usize = 20;
    if value.len() == REVISION_2_LEN + 4 && value[REVISION_BYTE] == 3 {
        value[REVISION_BYTE] = 2;
        value.truncate(REVISION_2_LEN);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_lose_the_namespace_they_were_set_in() {
        let second = [&[1, 0, 0, 2][..], &[7; 16]].concat();
        let third = [&[1, 0, 0, 3][..], &[7; 16], &[0xa0, 0x86, 1, 0]].concat();
        assert_eq!(without_root_id(third), second);
        assert_eq!(without_root_id(second.clone()), second);
    }

    #[test]
    fn overlayfs_keeps_its_attributes_to_itself() {
        for name in ["user.overlay.opaque", "user.overlay.origin", "trusted.overlay.opaque", "security.selinux"] {
            assert!(!belongs_to_layer(name.as_bytes()), "{name}");
        }
        for name in ["user.note", "user.overlays", "security.capability"] {
            assert!(belongs_to_layer(name.as_bytes()), "{name}");
        }
    }
}
