//! Where files are copied from: a build context or a root filesystem.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use crate::base::digest::ContentDigest;
use crate::base::io_error::{AtPath, IoError};
use crate::build::context::{Context, SourceTree};
use crate::image::layer::FileKind;
use crate::language::plan::TreeSource;
use crate::store::snapshot::{Attributes, Owner, Stack, View, xattrs_of_file};

use super::super::error::StepError;
use super::super::settings::Solver;

/// An open source of files.
#[derive(Clone)]
pub(in crate::build::solve) enum Files {
    Context(Arc<Context>),
    Tree(Arc<View>),
}

/// What is known of a file before it is copied.
pub(in crate::build::solve) struct Facts {
    pub attributes: Attributes,
    pub link_target: Option<PathBuf>,
    /// Device and inode, for files with several names.
    pub hard_link: Option<(u64, u64)>,
    /// A regular file of a root filesystem, opened for its attributes; its content is read from it too.
    content: Option<File>,
}

impl Files {
    /// `stack` is the result of the step that `tree` refers to.
    pub fn open(solver: &Solver<'_>, tree: &TreeSource, stack: Option<&Stack>) -> Result<Self, StepError> {
        match (tree, stack) {
            (TreeSource::Context(name), _) => Ok(Self::Context(solver.contexts.open(name.as_deref())?)),
            (TreeSource::Step(_), stack) => {
                let layers = stack.cloned().unwrap_or_default().unpacked(solver.work()?.store)?;
                Ok(Self::Tree(Arc::new(View::of_layers(&layers)?)))
            }
        }
    }

    pub fn source_tree(&self) -> &dyn SourceTree {
        match self {
            Self::Context(context) => context.as_ref(),
            Self::Tree(view) => view.as_ref(),
        }
    }

    /// The source's name in errors.
    pub fn place(&self) -> &'static str {
        match self {
            Self::Context(_) => "the build context",
            Self::Tree(_) => "the image or stage",
        }
    }

    pub(super) fn facts(&self, path: &Path) -> Result<Facts, StepError> {
        match self {
            Self::Context(context) => context_facts(context, path),
            Self::Tree(view) => tree_facts(view, path),
        }
    }

    /// The digest of a regular file's content.
    pub(super) fn digest(&self, path: &Path) -> Result<ContentDigest, StepError> {
        match self {
            Self::Context(context) => Ok(context.digest(path)?),
            Self::Tree(view) => digest_of(&open(view, path)?, path),
        }
    }

    /// The same for a file with known facts; its content can be read once.
    pub(super) fn digest_of(&self, path: &Path, facts: &Facts) -> Result<ContentDigest, StepError> {
        match &facts.content {
            Some(file) => digest_of(file, path),
            None => self.digest(path),
        }
    }

    /// Copies the content of a regular file with known facts into the empty `out`; returns the digest of what was
    /// copied.
    pub fn copy_content(&self, path: &Path, facts: &Facts, out: &File) -> Result<ContentDigest, StepError> {
        match (self, &facts.content) {
            (_, Some(file)) => Ok(copy_and_hash(file, out).at("copy", path)?),
            (Self::Context(context), None) => Ok(context.copy_file(path, out)?),
            (Self::Tree(view), None) => Ok(copy_and_hash(&open(view, path)?, out).at("copy", path)?),
        }
    }

    pub fn open_file(&self, path: &Path) -> Result<File, StepError> {
        match self {
            Self::Context(context) => Ok(context.open_file(path)?),
            Self::Tree(view) => open(view, path),
        }
    }
}

fn context_facts(context: &Context, path: &Path) -> Result<Facts, StepError> {
    // The root of a context has no entry: its attributes do not matter.
    let Some(entry) = context.entry(path) else {
        let attributes = Attributes { mode: 0o755, mtime: Some(0), ..Attributes::default() };
        return Ok(Facts { attributes, link_target: None, hard_link: None, content: None });
    };
    let is_file = entry.kind == FileKind::Regular;
    Ok(Facts {
        attributes: Attributes {
            mode: entry.mode,
            owner: Owner::default(),
            mtime: Some(entry.identity.mtime.seconds),
            xattrs: Vec::new(),
        },
        link_target: entry.link_target.map(Path::to_owned),
        hard_link: (is_file && entry.links > 1).then_some((entry.identity.device, entry.identity.inode)),
        content: None,
    })
}

fn tree_facts(view: &View, path: &Path) -> Result<Facts, StepError> {
    let Some(entry) = view.lstat(path)? else {
        let attributes = Attributes { mode: 0o755, mtime: Some(0), ..Attributes::default() };
        return Ok(Facts { attributes, link_target: None, hard_link: None, content: None });
    };
    let link_target = match entry.kind {
        FileKind::Symlink => Some(view.read_link(path, &entry)?),
        _ => None,
    };
    let content = match entry.kind {
        FileKind::Regular => Some(view.open_file(path, &entry)?),
        _ => None,
    };
    let xattrs = match &content {
        Some(file) => xattrs_of_file(file).at("read the attributes of", path)?,
        None => view.xattrs(path, &entry)?,
    };
    let attributes = Attributes { mode: entry.mode, owner: entry.owner, mtime: Some(entry.mtime), xattrs };
    Ok(Facts { attributes, link_target, hard_link: entry.shared_inode(), content })
}

fn open(view: &View, path: &Path) -> Result<File, StepError> {
    let entry = view.lstat(path)?.ok_or_else(|| gone(path))?;
    Ok(view.open_file(path, &entry)?)
}

fn digest_of(mut file: &File, path: &Path) -> Result<ContentDigest, StepError> {
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut file, &mut hasher).at("read", path)?;
    Ok(ContentDigest::from_bytes(*hasher.finalize().as_bytes()))
}

fn copy_and_hash(mut from: &File, mut to: &File) -> io::Result<ContentDigest> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(ContentDigest::from_bytes(*hasher.finalize().as_bytes())),
            count => {
                hasher.update(&buffer[..count]);
                to.write_all(&buffer[..count])?;
            }
        }
    }
}

/// What was just listed is gone.
fn gone(path: &Path) -> IoError {
    IoError { action: "find", path: path.to_owned(), source: io::ErrorKind::NotFound.into() }
}

impl SourceTree for View {
    fn lookup(&self, path: &Path) -> Result<Option<FileKind>, IoError> {
        // A view without layers still has a root: an empty folder.
        if path.as_os_str().is_empty() {
            return Ok(Some(FileKind::Directory));
        }
        Ok(self.lstat(path)?.map(|entry| entry.kind))
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<(OsString, FileKind)>, IoError> {
        Ok(self.read_dir(path)?.into_iter().map(|(name, entry)| (name, entry.kind)).collect())
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, IoError> {
        match self.lstat(path)? {
            Some(entry) => self.read_link(path, &entry),
            None => Err(Errno::NOENT).at("read the link", path),
        }
    }
}
