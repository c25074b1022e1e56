//! Two images: what one has and the other has not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::files::Change;
use super::layer::{File, FileKind};
use super::{Cause, Contents};

/// A path at which two images differ.
#[derive(Debug)]
pub struct Difference<'a> {
    /// Without a slash before it.
    pub path: &'a Path,
    /// From the first to the second.
    pub change: Change,
    /// What the first image has there.
    pub before: Option<&'a File>,
    /// What the second has.
    pub after: Option<&'a File>,
    /// What made it so: of what is gone, what made it in the first image.
    pub cause: &'a Cause,
}

impl Difference<'_> {
    /// By how much the second image has more.
    pub fn bytes(&self) -> i64 {
        let of = |file: Option<&File>| i64::try_from(file.map_or(0, |file| file.bytes)).unwrap_or(i64::MAX);
        of(self.after) - of(self.before)
    }
}

/// What is to be done to the files of `old` to come to those of `new`, in the order of the paths.
pub fn diff<'a>(old: &'a Contents, new: &'a Contents) -> Vec<Difference<'a>> {
    let paths: BTreeSet<&'a PathBuf> = old.visible.keys().chain(new.visible.keys()).collect();
    paths.into_iter().filter_map(|path| difference(path, old, new)).collect()
}

fn difference<'a>(path: &'a Path, old: &'a Contents, new: &'a Contents) -> Option<Difference<'a>> {
    let (before, after) = (old.visible.get(path), new.visible.get(path));
    let (contents, layer, change) = match (before, after) {
        (None, Some((layer, _))) => (new, layer, Change::Added),
        (Some((layer, _)), None) => (old, layer, Change::Removed),
        (Some((_, before)), Some((layer, after))) => (new, layer, changed(before, after)?),
        (None, None) => return None,
    };
    let cause = &contents.layers[*layer].cause;
    Some(Difference { path, change, before: before.map(|(_, file)| file), after: after.map(|(_, file)| file), cause })
}

fn changed(before: &File, after: &File) -> Option<Change> {
    let is_same = (before.mode, before.owner) == (after.mode, after.owner);
    match before.has_same_content(after) {
        true if is_same => None,
        true => Some(Change::Attributes),
        // Folders say nothing but that they are there.
        false if before.kind == FileKind::Folder && after.kind == FileKind::Folder => None,
        false => Some(Change::Changed),
    }
}
