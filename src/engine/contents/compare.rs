//! Compares the files of two images.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::files::Change;
use super::layer::{File, FileKind};
use super::{Cause, Contents};

/// A path at which two images differ.
#[derive(Debug)]
pub struct Difference<'a> {
    /// Without a leading slash.
    pub path: &'a Path,
    /// From the first to the second.
    pub change: Change,
    /// The file in the first image.
    pub before: Option<&'a File>,
    /// The file in the second image.
    pub after: Option<&'a File>,
    /// The instruction that caused it; for a removed file, the one that created it in the first image.
    pub cause: &'a Cause,
}

impl Difference<'_> {
    /// By how many bytes it is larger in the second image.
    pub fn bytes(&self) -> i64 {
        let of = |file: Option<&File>| i64::try_from(file.map_or(0, |file| file.bytes)).unwrap_or(i64::MAX);
        of(self.after) - of(self.before)
    }
}

/// The changes that turn the files of `old` into those of `new`, ordered by path.
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
        // Only the existence of folders matters.
        false if before.kind == FileKind::Folder && after.kind == FileKind::Folder => None,
        false => Some(Change::Changed),
    }
}
