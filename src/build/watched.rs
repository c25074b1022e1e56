//! Files that a build has read and that may change.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::build::context::{Context, IgnorePatterns};

/// The files that determine a build: those of its contexts that instructions used, the Dockerfile, ignore files.
#[derive(Debug)]
pub struct Watched {
    contexts: Vec<(PathBuf, Arc<Context>, IgnorePatterns)>,
    /// The contexts are those of an earlier build: changes since then are not new.
    are_earlier: bool,
    /// Each in its state before the build.
    files: Vec<(PathBuf, Seen)>,
}

/// Receives what a build has read.
#[derive(Debug, Clone, Default)]
pub struct WatchedSlot(Arc<Mutex<Option<Watched>>>);

impl WatchedSlot {
    /// What the last build read.
    pub fn take(&self) -> Option<Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn put(&self, watched: Watched) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(watched);
    }
}

/// Distinguishes the states of a file; `None` if it does not exist.
type Seen = Option<(u64, u64, i64, i64)>;

fn seen(path: &Path) -> Seen {
    let status = std::fs::metadata(path).ok()?;
    Some((status.ino(), status.size(), status.ctime(), status.ctime_nsec()))
}

impl Watched {
    /// These files, in their present state.
    pub(super) fn of_files(paths: impl Iterator<Item = PathBuf>) -> Self {
        let files = paths.map(|path| (path.clone(), seen(&path))).collect();
        Self { contexts: Vec::new(), are_earlier: false, files }
    }

    /// Adds a context that was opened, with the text of its ignore file.
    pub(super) fn add(&mut self, root: PathBuf, context: Arc<Context>, ignore_file: &[u8]) {
        self.contexts.push((root, context, IgnorePatterns::parse(ignore_file).unwrap_or_default()));
    }

    /// Takes the contexts of an earlier build if this one did not get so far as to open its own.
    pub fn or_contexts_of(mut self, earlier: Option<Self>) -> Self {
        if let Some(earlier) = earlier.filter(|_| self.contexts.is_empty()) {
            self.contexts = earlier.contexts;
            self.are_earlier = true;
        }
        self
    }

    /// The folders in which relevant changes may happen.
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let own = self.files.iter().filter_map(|(path, _)| path.parent().map(Path::to_owned));
        let of_contexts = self.contexts.iter().flat_map(|(root, context, _)| {
            context.used_folders().into_iter().map(|folder| root.join(folder)).collect::<Vec<_>>()
        });
        own.chain(of_contexts).collect()
    }

    /// Whether something has changed since the build read it.
    pub fn has_changed(&self) -> bool {
        self.files.iter().any(|(path, before)| seen(path) != *before)
            || (!self.are_earlier && self.contexts.iter().any(|(_, context, _)| context.has_used_changed()))
    }

    /// Whether a change of the path affects the build: it was used, or it is new.
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
