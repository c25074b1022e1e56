//! What a build has read that may change.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::build::context::{Context, IgnorePatterns};

use super::batch::Batch;
use super::options::{BuildOptions, ContextSource, DockerfileSource};

/// The files that decide about a build: those of its contexts that instructions took, the Dockerfile, ignore files.
#[derive(Debug)]
pub struct Watched {
    contexts: Vec<(PathBuf, Arc<Context>, IgnorePatterns)>,
    /// These are those of an earlier build: that they have changed since is no news.
    are_earlier: bool,
    /// Each as it was before the build.
    files: Vec<(PathBuf, Seen)>,
}

/// Where a build puts down what it has read.
#[derive(Debug, Clone, Default)]
pub struct WatchedSlot(Arc<Mutex<Option<Watched>>>);

impl WatchedSlot {
    /// What the last build has read.
    pub fn take(&self) -> Option<Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn put(&self, watched: Watched) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(watched);
    }
}

/// What tells one state of a file from another; nothing where there is none.
type Seen = Option<(u64, u64, i64, i64)>;

fn seen(path: &Path) -> Seen {
    let status = std::fs::metadata(path).ok()?;
    Some((status.ino(), status.size(), status.ctime(), status.ctime_nsec()))
}

impl Watched {
    /// To be asked before the build begins, and completed by what it has read.
    ///
    /// Nothing where the context is no folder of the user's.
    pub(super) fn before(options: &BuildOptions) -> Option<Self> {
        let ContextSource::Directory(context) = &options.context else { return None };
        let mut paths = vec![context.join(".dockerignore")];
        let dockerfiles = match &options.dockerfile {
            DockerfileSource::Default => vec![context.join("Dockerfile"), context.join("dockerfile")],
            DockerfileSource::Path(path) => vec![path.clone()],
            _ => Vec::new(),
        };
        for path in dockerfiles {
            let mut own = path.clone().into_os_string();
            own.push(".dockerignore");
            paths.extend([path, own.into()]);
        }
        let absolute = paths.iter().filter_map(|path| {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Some(std::fs::canonicalize(folder).ok()?.join(path.file_name()?))
        });
        let files = absolute.map(|path| (path.clone(), seen(&path))).collect();
        Some(Self { contexts: Vec::new(), are_earlier: false, files })
    }

    /// With the contexts that builds have opened. What was brought here does not change.
    pub(super) fn with(mut self, batch: &Batch<'_>) -> Self {
        for ((root, text), context) in batch.scanned.entries() {
            if !root.starts_with(batch.store.root()) {
                self.contexts.push((root, context, IgnorePatterns::parse(&text).unwrap_or_default()));
            }
        }
        self
    }

    /// Takes over the contexts of an earlier build, where this one did not come as far as to open them.
    pub fn or_contexts_of(mut self, earlier: Option<Self>) -> Self {
        if let Some(earlier) = earlier.filter(|_| self.contexts.is_empty()) {
            self.contexts = earlier.contexts;
            self.are_earlier = true;
        }
        self
    }

    /// The folders in which something may happen that matters.
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let own = self.files.iter().filter_map(|(path, _)| path.parent().map(Path::to_owned));
        let of_contexts = self.contexts.iter().flat_map(|(root, context, _)| {
            context.used_folders().into_iter().map(|folder| root.join(folder)).collect::<Vec<_>>()
        });
        own.chain(of_contexts).collect()
    }

    /// Whether something has changed already since the build read it.
    pub fn has_changed(&self) -> bool {
        self.files.iter().any(|(path, before)| seen(path) != *before)
            || (!self.are_earlier && self.contexts.iter().any(|(_, context, _)| context.has_used_changed()))
    }

    /// Whether what happens at the path decides about the build: it was taken, or it is new.
    pub fn matters(&self, path: &Path) -> bool {
        let is_own = self.files.iter().any(|(own, _)| own == path);
        let matters_in = |root: &Path, context: &Context, ignored: &IgnorePatterns| {
            let Ok(inside) = path.strip_prefix(root) else { return false };
            match context.entry(inside) {
                Some(entry) => entry.kind.is_directory() || context.is_used(inside),
                None => !ignored.matches(inside.as_os_str().as_encoded_bytes()),
            }
        };
        is_own || self.contexts.iter().any(|(root, context, ignored)| matters_in(root, context, ignored))
    }
}
