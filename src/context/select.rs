use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{IgnorePatterns, PatternError};
use crate::io_error::IoError;
use crate::layer::FileKind;

/// Where COPY and ADD take their files from: a build context, or the merged root filesystem of a stage or image. Paths
/// are relative to the root, clean, and empty for the root itself; no method follows a symlink.
pub trait SourceTree {
    fn lookup(&self, path: &Path) -> Result<Option<FileKind>, IoError>;
    /// The names in a directory, in byte order.
    fn read_dir(&self, path: &Path) -> Result<Vec<(OsString, FileKind)>, IoError>;
    fn read_link(&self, path: &Path) -> Result<PathBuf, IoError>;
}

#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    #[error(transparent)]
    Io(#[from] IoError),
    #[error("`{}`: not found", path.display())]
    NotFound { path: PathBuf },
    #[error("`{}`: too many symlinks", path.display())]
    TooManyLinks { path: PathBuf },
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

#[derive(Debug, Default)]
pub struct SelectOptions {
    /// `--parents`
    pub parents: bool,
    /// `--exclude`, relative to each source.
    pub exclude: IgnorePatterns,
}

/// What one source argument of COPY or ADD names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// In the order in which they are copied. Empty only for a pattern without a match.
    pub roots: Vec<SelectedRoot>,
    /// The source was a pattern.
    pub pattern: bool,
}

/// One file or directory that a source argument names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedRoot {
    /// In the source tree, all symlinks followed.
    pub path: PathBuf,
    /// The last component as it was named or matched, before symlinks were followed: the file's name in a destination
    /// directory. Empty for the root.
    pub name: OsString,
    pub kind: FileKind,
    /// With `--parents`: where it goes below the destination directory, and with which parents. Otherwise empty: a
    /// directory's content goes into the destination, a file to it or, as `name`, into it.
    pub below: PathBuf,
}

/// One thing to be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedItem {
    /// In the source tree.
    pub source: PathBuf,
    /// Relative to the destination of the root (without `--parents`: empty for the root itself), or, with `--parents`,
    /// relative to the destination directory.
    pub destination: PathBuf,
    pub kind: FileKind,
    /// A directory on the way to a root, copied because of `--parents`.
    pub is_parent: bool,
}

/// Follows every symlink in `path` within the tree: `..` and absolute targets stop at its root. The last component may
/// be missing; `None` then.
pub fn resolve(tree: &dyn SourceTree, path: &Path) -> Result<Option<(PathBuf, FileKind)>, SelectError> {
    let _ = (tree, path);
    todo!()
}

/// Finds what `source` names, as BuildKit does: patterns match whole components (`**` only with `--parents`), a named
/// symlink is followed, and nothing outside the tree is reached.
pub fn select(tree: &dyn SourceTree, source: &Path, options: &SelectOptions) -> Result<Selected, SelectError> {
    let _ = (tree, source, options);
    todo!()
}

impl SelectedRoot {
    /// Visits the root and all below it, parents before children, in byte order, without what `--exclude` matches.
    pub fn visit<E: From<SelectError>>(
        &self,
        tree: &dyn SourceTree,
        options: &SelectOptions,
        visit: &mut dyn FnMut(SelectedItem) -> Result<(), E>,
    ) -> Result<(), E> {
        let _ = (tree, options, visit);
        todo!()
    }
}
