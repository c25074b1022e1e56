//! Paths within a source tree.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{SelectError, SourceTree, rooted};
use crate::base::glob;
use crate::image::layer::FileKind;

/// Linux and Go follow at most this many links.
const MAX_LINKS: usize = 255;

/// Cleans a source path, relative to the tree's root: `..` stops there.
pub(super) fn clean(source: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in source.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            _ => names.push(name),
        }
    }
    names.join(&b'/')
}

/// The components before the first one with a wildcard, and the rest.
pub(super) fn split_at_wildcard(source: &[u8]) -> (&[u8], &[u8]) {
    let mut start = 0usize;
    for name in source.split(|&byte| byte == b'/') {
        if glob::has_wildcard(name) {
            return (&source[..start.saturating_sub(1)], &source[start..]);
        }
        start += name.len() + 1;
    }
    (source, b"")
}

/// Follows every symlink in `path` within the tree: `..` and absolute targets stop at its root. `None` if it does not
/// exist.
pub fn resolve(tree: &dyn SourceTree, path: &Path) -> Result<Option<(PathBuf, FileKind)>, SelectError> {
    let mut left: VecDeque<OsString> = names(path).map(OsStr::to_owned).collect();
    let mut resolved = PathBuf::new();
    let mut kind = FileKind::Directory;
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        if name == ".." {
            resolved.pop();
            kind = FileKind::Directory;
            continue;
        }
        let next = resolved.join(&name);
        let Some(found) = tree.lookup(&next)? else { return Ok(None) };
        if found != FileKind::Symlink {
            (resolved, kind) = (next, found);
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(SelectError::TooManyLinks { path: rooted(path) });
        }
        let target = tree.read_link(&next)?;
        if target.is_absolute() {
            resolved = PathBuf::new();
        }
        kind = FileKind::Directory;
        for name in names(&target).rev() {
            left.push_front(name.to_owned());
        }
    }
    Ok(Some((resolved, kind)))
}

fn names(path: &Path) -> impl DoubleEndedIterator<Item = &OsStr> {
    let names = path.as_os_str().as_bytes().split(|&byte| byte == b'/');
    names.filter(|name| !matches!(*name, b"" | b".")).map(OsStr::from_bytes)
}
