//! Lists of the files that a copy takes.

use std::path::Path;

use crate::context::SelectedItem;
use crate::digest::ContentDigest;
use crate::explain::ListedFile;
use crate::layer::FileKind;

use super::super::copy::Facts;

/// The file as a list has it; `content` is of regular files only.
pub(in crate::solve) fn listed<'a>(
    path: &'a Path,
    item: &SelectedItem,
    facts: &Facts,
    content: Option<&ContentDigest>,
) -> ListedFile<'a> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{:?}", item.kind).as_bytes());
    if let Some(digest) = content {
        hasher.update(digest.as_bytes());
    }
    if let Some(target) = &facts.link_target {
        hasher.update(target.as_os_str().as_encoded_bytes());
    }
    for (name, value) in &facts.attributes.xattrs {
        hasher.update(name.as_bytes()).update(value);
    }
    let mut fingerprint = [0; 8];
    fingerprint.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    // The modes of links and of what only leads to a file are nobody's.
    let has_mode = item.kind != FileKind::Symlink && !item.is_parent;
    let owner = facts.attributes.owner;
    ListedFile {
        path,
        mode: if has_mode { facts.attributes.mode } else { 0 },
        owner: (owner.uid, owner.gid),
        fingerprint: u64::from_le_bytes(fingerprint),
    }
}
