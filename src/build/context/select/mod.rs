//! Selects the sources of COPY and ADD by BuildKit's rules, in any tree: a build context or a stage's files.

mod path;
mod visit;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{IgnorePatterns, PatternError};
use crate::base::glob;
use crate::base::io_error::IoError;
use crate::image::layer::FileKind;

pub use path::resolve;
pub use visit::SelectedItem;

/// The source tree of COPY and ADD: a build context, or the merged root filesystem of a stage or image. Paths are
/// relative to the root, clean, and empty for the root itself; no method follows a symlink in any component.
pub trait SourceTree {
    /// The kind of `path`; `None` if it does not exist.
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
    /// `--exclude`, relative to each root; a root itself is never excluded.
    pub exclude: IgnorePatterns,
    /// With `--parents`, selected links in the tree's root must have a target if only a part of the tree is copied:
    /// BuildKit follows them to compute a key.
    pub looks_through_links: bool,
}

/// What one source argument of COPY or ADD selects.
#[derive(Debug, Clone)]
pub struct Selected {
    /// In the order of copying. Empty only for a pattern without a match.
    pub roots: Vec<SelectedRoot>,
    /// The source is a pattern.
    pub pattern: bool,
}

/// One file or directory of a source argument.
#[derive(Debug, Clone)]
pub struct SelectedRoot {
    /// In the source tree, with all symlinks resolved.
    pub path: PathBuf,
    /// The last component as it was named or matched, before symlinks were followed: the file name in a destination
    /// directory. Empty for the tree's root.
    pub name: OsString,
    pub kind: FileKind,
    /// With `--parents`: the selected part of the directory.
    include: Option<Arc<IgnorePatterns>>,
}

/// Selects what `source` names: patterns match component by component (`**` only with `--parents`), a named symlink is
/// followed, and nothing outside the tree is reached. With `--parents` the root is the directory before `/./`, or the
/// tree's root, and its destination is always a directory.
pub fn select(tree: &dyn SourceTree, source: &Path, options: &SelectOptions) -> Result<Selected, SelectError> {
    if options.parents {
        return select_with_parents(tree, source.as_os_str().as_bytes(), options);
    }
    let source = path::clean(source.as_os_str().as_bytes());
    if source.is_empty() && !options.exclude.is_empty() && options.looks_through_links {
        check_links(tree, None, options)?;
    }
    select_roots(tree, &source)
}

/// The folder, or file, in which a pattern is matched, with links resolved; `None` without a pattern, for a pattern in
/// the tree's root, and if it does not exist.
pub fn pattern_folder(tree: &dyn SourceTree, source: &Path) -> Result<Option<PathBuf>, SelectError> {
    let source = path::clean(source.as_os_str().as_bytes());
    let (plain, pattern) = path::split_at_wildcard(&source);
    if pattern.is_empty() {
        return Ok(None);
    }
    let found = resolve(tree, to_path(plain))?.map(|(folder, _)| folder);
    Ok(found.filter(|folder| !folder.as_os_str().is_empty()))
}

/// `source` is clean.
fn select_roots(tree: &dyn SourceTree, source: &[u8]) -> Result<Selected, SelectError> {
    let (plain, pattern) = path::split_at_wildcard(source);
    if pattern.is_empty() {
        let named = to_path(plain);
        let (path, kind) = resolve(tree, named)?.ok_or_else(|| SelectError::NotFound { path: rooted(named) })?;
        let root = SelectedRoot { path, name: last_name(named), kind, include: None };
        return Ok(Selected { roots: vec![root], pattern: false });
    }
    if glob::check(pattern).is_err() {
        return Err(PatternError::Syntax { pattern: String::from_utf8_lossy(source).into_owned() }.into());
    }
    let folder = to_path(plain);
    let base = resolve(tree, folder)?.ok_or_else(|| SelectError::NotFound { path: rooted(folder) })?;
    let mut roots = Vec::new();
    if let (base, FileKind::Directory) = base {
        let components: Vec<&[u8]> = pattern.split(|&byte| byte == b'/').collect();
        match_below(tree, &base, &components, &mut roots)?;
    }
    Ok(Selected { roots, pattern: true })
}

/// Adds what matches the pattern's components; symlinks in the middle are not followed, a matching one is.
fn match_below(
    tree: &dyn SourceTree,
    directory: &Path,
    components: &[&[u8]],
    roots: &mut Vec<SelectedRoot>,
) -> Result<(), SelectError> {
    let Some((first, rest)) = components.split_first() else { return Ok(()) };
    for (name, kind) in tree.read_dir(directory)? {
        if glob::matches(first, name.as_bytes()) != Ok(true) {
            continue;
        }
        let matched = directory.join(&name);
        if !rest.is_empty() {
            if kind.is_directory() {
                match_below(tree, &matched, rest, roots)?;
            }
            continue;
        }
        let (path, kind) = resolve(tree, &matched)?.ok_or_else(|| SelectError::NotFound { path: rooted(&matched) })?;
        roots.push(SelectedRoot { path, name, kind, include: None });
    }
    Ok(())
}

/// A named source must exist, and `--exclude` must leave something of it. A selected link in the tree's root must have
/// a target, though it stays a link: BuildKit follows it for its cache key.
fn select_with_parents(tree: &dyn SourceTree, source: &[u8], options: &SelectOptions) -> Result<Selected, SelectError> {
    let pivot = source.windows(3).position(|bytes| bytes == b"/./");
    let (root, wanted) = pivot.map_or((&b""[..], source), |at| (&source[..at], &source[at + 3..]));
    // An absolute path is used as written, without its first slash.
    let wanted = wanted.strip_prefix(b"/").map_or_else(|| path::clean(wanted), <[u8]>::to_vec);
    let is_pattern = glob::has_wildcard(root) || glob::has_wildcard(&wanted);
    let mut selected = select_roots(tree, &path::clean(root))?;
    selected.pattern = is_pattern;
    let include = Arc::new(IgnorePatterns::new(&[&wanted])?);
    for root in &mut selected.roots {
        root.include = Some(Arc::clone(&include));
        if root.path.as_os_str().is_empty() && options.looks_through_links {
            check_links(tree, Some(&include), options)?;
        }
        if !is_pattern && !root.takes_something(tree, options)? {
            let named = path::clean(&[root.path.as_os_str().as_bytes(), b"/", &wanted].concat());
            return Err(SelectError::NotFound { path: rooted(to_path(&named)) });
        }
    }
    Ok(selected)
}

/// Checks that the selected links in the tree's root have a target, if not the whole tree is selected.
fn check_links(
    tree: &dyn SourceTree,
    include: Option<&IgnorePatterns>,
    options: &SelectOptions,
) -> Result<(), SelectError> {
    for (name, kind) in tree.read_dir(Path::new(""))? {
        let is_included = |name: &[u8]| include.is_none_or(|include| include.matches(name));
        let is_taken = |name: &[u8]| kind == FileKind::Symlink && is_included(name) && !options.exclude.matches(name);
        let link = Path::new(&name);
        if is_taken(name.as_bytes()) && resolve(tree, link)?.is_none() {
            return Err(SelectError::NotFound { path: rooted(link) });
        }
    }
    Ok(())
}

fn to_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn rooted(path: &Path) -> PathBuf {
    Path::new("/").join(path)
}

fn last_name(path: &Path) -> OsString {
    path.file_name().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
