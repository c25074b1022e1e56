//! Lists the files that a copy takes.

use std::path::Path;

use crate::base::digest::{ContentDigest, FieldHasher};
use crate::build::context::SelectedItem;
use crate::build::explain::{FOLDER, ListedFile};
use crate::image::layer::FileKind;

use super::super::copy::Facts;

/// The file's entry in a list; `content` is only for regular files.
pub(in crate::build::solve) fn listed<'a>(
    path: &'a Path,
    item: &SelectedItem,
    facts: &Facts,
    content: Option<&ContentDigest>,
) -> ListedFile<'a> {
    let mut hasher = FieldHasher::new("listed-file-1");
    hasher.field(&item.kind.encoded());
    hasher.optional(content.map(|digest| digest.as_bytes().as_slice()));
    hasher.optional(facts.link_target.as_ref().map(|target| target.as_os_str().as_encoded_bytes()));
    hasher.list(facts.attributes.xattrs.len());
    for (name, value) in &facts.attributes.xattrs {
        hasher.field(name.as_bytes()).field(value);
    }
    let mut fingerprint = [0; 8];
    fingerprint.copy_from_slice(&hasher.finish()[..8]);
    // The modes of links and of parent folders do not matter.
    let has_mode = item.kind != FileKind::Symlink && !item.is_parent;
    let kind = if item.kind == FileKind::Directory { FOLDER } else { 0 };
    let owner = facts.attributes.owner;
    ListedFile {
        path,
        mode: kind | if has_mode { facts.attributes.mode } else { 0 },
        owner: (owner.uid, owner.gid),
        fingerprint: u64::from_le_bytes(fingerprint),
    }
}
