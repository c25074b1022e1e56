//! Lists what a copy takes, with the digests that make its cache key.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::context::{
    IgnorePatterns, SelectError, SelectOptions, Selected, SelectedItem, SelectedRoot, SourceTree, select,
};
use crate::digest::{BlobDigest, ContentDigest, FieldHasher};
use crate::dockerfile;
use crate::layer::FileKind;
use crate::plan::CopyStep;

use super::super::error::StepError;
use super::super::settings::Solver;
use super::source::{Facts, Files};

/// What one source of a copy comes to.
pub(super) struct Gathered {
    pub content: Content,
    /// Archives among the roots are unpacked.
    pub unpack: bool,
    /// How errors call the source.
    pub shown: String,
}

pub(super) enum Content {
    Tree {
        files: Files,
        roots: Vec<Root>,
    },
    /// A single file that was downloaded.
    File {
        path: PathBuf,
        name: String,
        digest: BlobDigest,
        mode: u32,
        mtime: i64,
    },
    /// A single file from nowhere: a heredoc.
    Inline {
        name: String,
        content: Vec<u8>,
        mtime: Option<i64>,
    },
}

/// A file or folder that the source names, with all below it.
pub(super) struct Root {
    pub selected: SelectedRoot,
    pub items: Vec<Item>,
}

pub(super) struct Item {
    pub item: SelectedItem,
    pub facts: Facts,
    /// Of regular files.
    pub digest: Option<ContentDigest>,
}

/// Lists what `path` names in `files`.
pub(super) fn from_tree(
    solver: &Solver<'_>,
    step: &CopyStep,
    files: Files,
    path: &str,
    unpack: bool,
) -> Result<Gathered, StepError> {
    let options = SelectOptions {
        parents: step.parents,
        exclude: IgnorePatterns::new(&step.excludes).map_err(SelectError::from)?,
    };
    let selected = select(files.source_tree(), Path::new(path), &options).map_err(|error| match error {
        SelectError::NotFound { .. } => StepError::SourceNotFound {
            path: path.to_owned(),
            place: files.place().to_owned(),
            ignored: matches!(files, Files::Context(_)) && solver.contexts.is_ignored(path),
            nearest: nearest(files.source_tree(), path),
        },
        other => other.into(),
    })?;
    let roots = list_roots(&files, selected, &options)?;
    Ok(Gathered { content: Content::Tree { files, roots }, unpack, shown: path.to_owned() })
}

/// What the user may have meant by a path that names nothing.
fn nearest(tree: &dyn SourceTree, path: &str) -> Option<String> {
    let path = Path::new(path.trim_start_matches('/'));
    let folder = path.parent()?;
    let names: Vec<String> =
        tree.read_dir(folder).ok()?.into_iter().filter_map(|(name, _)| name.into_string().ok()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = dockerfile::nearest(path.file_name()?.to_str()?, &names)?;
    Some(folder.join(found).display().to_string())
}

/// A heredoc.
pub(super) fn inline(name: &str, content: &str, mtime: Option<i64>) -> Gathered {
    Gathered {
        content: Content::Inline { name: name.to_owned(), content: content.as_bytes().to_vec(), mtime },
        unpack: false,
        shown: format!("<<{name}"),
    }
}

fn list_roots(files: &Files, selected: Selected, options: &SelectOptions) -> Result<Vec<Root>, StepError> {
    let mut roots = Vec::new();
    for selected in selected.roots {
        let mut items = Vec::new();
        selected.visit(files.source_tree(), options, &mut |item: SelectedItem| -> Result<(), StepError> {
            let facts = files.facts(&item.source)?;
            items.push(Item { item, facts, digest: None });
            Ok(())
        })?;
        roots.push(Root { selected, items });
    }
    add_digests(files, &mut roots)?;
    Ok(roots)
}

/// All contents are asked for at once: a context reads them on several threads.
fn add_digests(files: &Files, roots: &mut [Root]) -> Result<(), StepError> {
    let is_file = |item: &&Item| item.item.kind == FileKind::Regular;
    let paths: Vec<&Path> =
        roots.iter().flat_map(|root| &root.items).filter(is_file).map(|item| item.item.source.as_path()).collect();
    let digests = files.digests(&paths)?;
    let items = roots.iter_mut().flat_map(|root| &mut root.items);
    for (item, digest) in items.filter(|item| item.item.kind == FileKind::Regular).zip(digests) {
        item.digest = Some(digest);
    }
    Ok(())
}

/// A digest of all that is copied; without times.
pub(super) fn digest(gathered: &[Gathered]) -> [u8; 32] {
    let mut hasher = FieldHasher::new("copied-files-1");
    let mut links: HashMap<(u64, u64), u64> = HashMap::new();
    for source in gathered {
        hasher.number(u64::from(source.unpack));
        match &source.content {
            Content::Inline { name, content, .. } => {
                hasher.field(b"inline").field(name.as_bytes()).field(content);
            }
            Content::File { name, digest, .. } => {
                hasher.field(b"file").field(name.as_bytes()).field(digest.as_bytes());
            }
            Content::Tree { roots, .. } => {
                hasher.field(b"tree").list(roots.len());
                for root in roots {
                    hash_path(&mut hasher, Path::new(&root.selected.name));
                    hasher.number(u64::from(root.selected.kind.is_directory())).list(root.items.len());
                    for item in &root.items {
                        hash_item(&mut hasher, item, &mut links);
                    }
                }
            }
        }
    }
    hasher.finish()
}

fn hash_item(hasher: &mut FieldHasher, item: &Item, links: &mut HashMap<(u64, u64), u64>) {
    hash_path(hasher, &item.item.destination);
    let (kind, device) = match item.item.kind {
        FileKind::Regular => (0, 0),
        FileKind::Directory => (1, 0),
        FileKind::Symlink => (2, 0),
        FileKind::Fifo => (3, 0),
        FileKind::Socket => (4, 0),
        FileKind::CharDevice { major, minor } => (5, u64::from(major) << 32 | u64::from(minor)),
        FileKind::BlockDevice { major, minor } => (6, u64::from(major) << 32 | u64::from(minor)),
    };
    let attributes = &item.facts.attributes;
    hasher.number(kind).number(device).number(u64::from(attributes.mode));
    hasher.number(u64::from(attributes.owner.uid)).number(u64::from(attributes.owner.gid));
    hasher.number(u64::from(item.item.is_parent));
    hasher.list(attributes.xattrs.len());
    for (name, value) in &attributes.xattrs {
        hasher.field(name.as_bytes()).field(value);
    }
    hash_path(hasher, item.facts.link_target.as_deref().unwrap_or(Path::new("")));
    hasher.field(item.digest.as_ref().map_or(&[][..], |digest| digest.as_bytes()));
    let next = links.len() as u64 + 1;
    let link = item.facts.hard_link.map_or(0, |inode| *links.entry(inode).or_insert(next));
    hasher.number(link);
}

fn hash_path(hasher: &mut FieldHasher, path: &Path) {
    hasher.field(path.as_os_str().as_bytes());
}
