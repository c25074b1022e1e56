//! Lists what a copy takes, as a digest for its cache key. The list itself is not kept: a context may have a million
//! files, and visiting them again costs less than storing them.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::base::digest::{BlobDigest, FieldHasher};
use crate::build::context::{
    IgnorePatterns, SelectError, SelectOptions, SelectedItem, SelectedRoot, SourceTree, Wanted, select,
};
use crate::build::explain::{FileList, FileListBuilder};
use crate::image::layer::FileKind;
use crate::language::plan::CopyStep;

use super::super::error::StepError;
use super::super::explain::listed;
use super::super::settings::Solver;
use super::source::{Facts, Files};

/// The content of one source of a copy.
pub(super) struct Gathered {
    pub content: Content,
    /// Of everything that is copied, without times.
    pub digest: [u8; 32],
    /// Unpack archives among the roots.
    pub unpack: bool,
    /// The source's name in errors.
    pub shown: String,
    /// The files of a step's result; those of a context can be listed again at any time.
    pub list: Option<FileList>,
}

pub(super) enum Content {
    /// Files or folders, each with everything below it.
    Tree { files: Files, roots: Vec<SelectedRoot>, options: SelectOptions },
    /// A single downloaded file.
    File { path: PathBuf, name: String, mode: u32, mtime: i64 },
    /// A single heredoc.
    Inline { name: String, content: Vec<u8>, mtime: Option<i64> },
}

/// The selection of a source. `is_parent`: the source is the copy's parent, which BuildKit's keys cover unread.
pub(super) fn options(step: &CopyStep, is_parent: bool) -> Result<SelectOptions, StepError> {
    let exclude = IgnorePatterns::new(&step.excludes).map_err(SelectError::from)?;
    Ok(SelectOptions { parents: step.parents, exclude, looks_through_links: !is_parent })
}

/// Lists what `path` selects in `files`.
pub(super) fn from_tree(
    solver: &Solver<'_>,
    options: SelectOptions,
    files: Files,
    path: &str,
    unpack: bool,
) -> Result<Gathered, StepError> {
    let selected = select(files.source_tree(), Path::new(path), &options).map_err(|error| match error {
        SelectError::NotFound { path: missing } => StepError::SourceNotFound {
            path: if path.contains(['*', '?', '[']) { missing.display().to_string() } else { path.to_owned() },
            place: files.place().to_owned(),
            ignored: matches!(files, Files::Context(_)) && solver.contexts.is_ignored(path),
            hint: hint(files.source_tree(), path),
        },
        other => other.into(),
    })?;
    let mut hasher = FieldHasher::new("copied-tree-2");
    let mut noted = Noted::default();
    for root in &selected.roots {
        // Hard links count only within what one name of the source selects.
        noted.links.clear();
        hash_path(&mut hasher, Path::new(&root.name));
        hasher.number(u64::from(root.kind.is_directory()));
        hash_root(&mut hasher, &files, root, &options, &mut noted)?;
    }
    let digest = hasher.finish();
    let is_tree = matches!(files, Files::Tree(_));
    let content = Content::Tree { files, roots: selected.roots, options };
    let list = is_tree.then(|| noted.list.finish());
    Ok(Gathered { content, digest, unpack, shown: path.to_owned(), list })
}

/// A suggestion for a path that does not exist.
fn hint(tree: &dyn SourceTree, path: &str) -> Option<String> {
    let path = Path::new(path.trim_start_matches('/'));
    if tree.lookup(path).ok()? == Some(FileKind::Symlink) {
        let target = tree.read_link(path).ok()?;
        return Some(format!("it is a link to `{}`, which is not there", target.display()));
    }
    let folder = path.parent()?;
    let names: Vec<String> =
        tree.read_dir(folder).ok()?.into_iter().filter_map(|(name, _)| name.into_string().ok()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = crate::base::nearest(path.file_name()?.to_str()?, &names)?;
    Some(format!("did you mean `{}`?", folder.join(found).display()))
}

/// A heredoc.
pub(super) fn inline(name: &str, content: &str, mtime: Option<i64>) -> Gathered {
    let digest = FieldHasher::new("copied-text-1").field(name.as_bytes()).field(content.as_bytes()).finish();
    let content = Content::Inline { name: name.to_owned(), content: content.as_bytes().to_vec(), mtime };
    Gathered { content, digest, unpack: false, shown: format!("<<{name}"), list: None }
}

/// A downloaded file.
pub(super) fn file(path: PathBuf, name: String, digest: &BlobDigest, mode: u32, mtime: i64) -> Gathered {
    let shown = name.clone();
    let digest = FieldHasher::new("copied-file-1").field(name.as_bytes()).field(digest.as_bytes()).finish();
    Gathered { content: Content::File { path, name, mode, mtime }, digest, unpack: false, shown, list: None }
}

/// A digest of all sources together.
pub(super) fn digest(gathered: &[Gathered]) -> [u8; 32] {
    let mut hasher = FieldHasher::new("copied-sources-1");
    for source in gathered {
        hasher.field(&source.digest).number(u64::from(source.unpack));
    }
    hasher.finish()
}

/// The numbers of files with several names, by device and inode.
type Links = HashMap<(u64, u64), u64>;

/// What is collected on the way.
#[derive(Default)]
struct Noted {
    links: Links,
    list: FileListBuilder,
}

/// Hashes the root and everything below it: first the attributes of all items, then the contents of a context's files,
/// which are requested together because a context reads them on several threads.
fn hash_root(
    hasher: &mut FieldHasher,
    files: &Files,
    root: &SelectedRoot,
    options: &SelectOptions,
    noted: &mut Noted,
) -> Result<(), StepError> {
    let mut wanted = Wanted::default();
    root.visit(files.source_tree(), options, &mut |item: SelectedItem| -> Result<(), StepError> {
        let facts = files.facts(&item.source)?;
        hash_item(hasher.number(1), &item, &facts, &mut noted.links);
        let is_file = item.kind == FileKind::Regular;
        match files {
            Files::Context(context) => context.want(&mut wanted, &item.source),
            Files::Tree(_) => {
                let digest = if is_file { Some(files.digest_of(&item.source, &facts)?) } else { None };
                if let Some(digest) = &digest {
                    hasher.field(digest.as_bytes());
                }
                noted.list.push(&listed(&Path::new("/").join(&item.source), &item, &facts, digest.as_ref()));
            }
        }
        Ok(())
    })?;
    hasher.number(0);
    if let Files::Context(context) = files {
        for digest in context.digests(&wanted) {
            hasher.field(digest?.as_bytes());
        }
    }
    Ok(())
}

fn hash_item(hasher: &mut FieldHasher, item: &SelectedItem, facts: &Facts, links: &mut Links) {
    hash_path(hasher, &item.destination);
    let (kind, device) = match item.kind {
        FileKind::Regular => (0, 0),
        FileKind::Directory => (1, 0),
        FileKind::Symlink => (2, 0),
        FileKind::Fifo => (3, 0),
        FileKind::Socket => (4, 0),
        FileKind::CharDevice { major, minor } => (5, u64::from(major) << 32 | u64::from(minor)),
        FileKind::BlockDevice { major, minor } => (6, u64::from(major) << 32 | u64::from(minor)),
    };
    let attributes = &facts.attributes;
    hasher.number(kind).number(device).number(u64::from(attributes.mode));
    hasher.number(u64::from(attributes.owner.uid)).number(u64::from(attributes.owner.gid));
    hasher.number(u64::from(item.is_parent));
    hasher.list(attributes.xattrs.len());
    for (name, value) in &attributes.xattrs {
        hasher.field(name.as_bytes()).field(value);
    }
    hash_path(hasher, facts.link_target.as_deref().unwrap_or(Path::new("")));
    // The first of several names counts as a plain file: whether other names exist outside does not matter.
    let next = links.len() as u64 + 1;
    let link = facts.hard_link.map_or(0, |inode| match links.entry(inode) {
        std::collections::hash_map::Entry::Occupied(first) => *first.get(),
        std::collections::hash_map::Entry::Vacant(free) => {
            free.insert(next);
            0
        }
    });
    hasher.number(link);
}

fn hash_path(hasher: &mut FieldHasher, path: &Path) {
    hasher.field(path.as_os_str().as_bytes());
}
