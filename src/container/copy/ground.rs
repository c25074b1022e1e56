//! Where paths are resolved: on the host, where they are the user's own, or in a container.

use std::path::{Component, Path, PathBuf};

use crate::base::foreign::{Folder, Handle, Tree};
use crate::base::io_error::IoError;

pub(super) enum Ground {
    Host,
    /// The container's root.
    Container(Tree),
}

impl Ground {
    /// The container with that root folder.
    pub(super) fn container(root: &Path) -> Result<Self, IoError> {
        Ok(Self::Container(Tree::in_root(Folder::open(root)?)))
    }

    /// Opens an absolute path, following links on the way; the last one only with `follow`.
    pub(super) fn handle(&self, path: &Path, follow: bool) -> Result<Handle, IoError> {
        match (self, path.parent(), path.file_name()) {
            (Self::Container(tree), ..) if follow => tree.followed(path),
            (Self::Container(tree), ..) => tree.handle(path),
            (Self::Host, Some(parent), Some(name)) if !follow => Folder::open(parent)?.handle(name),
            (Self::Host, ..) => Handle::open(path),
        }
    }

    pub(super) fn folder(&self, path: &Path) -> Result<Folder, IoError> {
        self.handle(path, true)?.folder()
    }
}

/// Makes a path absolute and removes `.`, `..` and doubled slashes lexically, as docker does. Relative paths are
/// relative to `base`. A trailing `/` (a folder is meant) or `/.` (its contents are meant) is kept.
pub(super) fn cleaned(path: &Path, base: &Path) -> PathBuf {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let mut clean = PathBuf::from("/");
    for component in base.join(path).components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    let text = path.as_os_str().as_bytes();
    let mut bytes = clean.into_os_string().into_vec();
    let trimmed = &text[..text.len() - text.iter().rev().take_while(|byte| **byte == b'/').count()];
    let end: &[u8] = match text.len() > trimmed.len() {
        _ if trimmed == b"." || trimmed.ends_with(b"/.") || text.is_empty() => b"/.",
        true => b"/",
        false => b"",
    };
    if bytes.ends_with(b"/") {
        bytes.pop();
    }
    bytes.extend_from_slice(end);
    if bytes.is_empty() {
        bytes.push(b'/');
    }
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_letters() {
        let clean = |path: &str| cleaned(Path::new(path), Path::new("/base")).display().to_string();
        for (path, expected) in [
            ("a", "/base/a"),
            ("/nosuch/../etc", "/etc"),
            ("/../../x", "/x"),
            ("a/", "/base/a/"),
            ("a//", "/base/a/"),
            ("a/.", "/base/a/."),
            ("a/./", "/base/a/."),
            (".", "/base/."),
            ("..", "/"),
            ("../.", "/."),
            ("/", "/"),
            ("/.", "/."),
            ("", "/base/."),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
    }
}
