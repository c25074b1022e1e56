//! The build contexts: each is brought into a folder, which is walked when a step first needs it.

use std::collections::HashMap;
use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use crate::base::digest::{CacheKey, FieldHasher};
use crate::base::input::InputError;
use crate::build::context::{Context, IgnorePatterns};
use crate::build::solve::{Contexts, OpenContextError};

use super::batch::Batch;
use super::dockerfile::{File, Place};
use super::error::BuildError;
use super::named;
use super::options::{BuildOptions, NamedContextSource};
use super::sources::Sources;

const IGNORE_FILE: &str = ".dockerignore";

/// The contexts of a build, opened once each.
pub(super) struct BuildContexts<'a> {
    batch: &'a Batch<'a>,
    options: &'a BuildOptions,
    main: Sources,
    ignore_file: Place,
    /// The ignore file, once it was needed.
    ignored: OnceLock<Arc<Ignored>>,
    opened: Mutex<HashMap<Option<String>, Arc<Context>>>,
}

/// An ignore file.
#[derive(Default)]
pub(super) struct Ignored {
    text: Vec<u8>,
    patterns: IgnorePatterns,
    is_there: bool,
}

impl Ignored {
    pub fn patterns(&self) -> &IgnorePatterns {
        &self.patterns
    }
}

impl<'a> BuildContexts<'a> {
    pub fn new(batch: &'a Batch<'a>, options: &'a BuildOptions, main: Sources, file: &File) -> Self {
        let ignore_file =
            file.own_ignore_file().unwrap_or_else(|| Place::new(main.root(), IGNORE_FILE).brought(main.is_brought()));
        Self { batch, options, main, ignore_file, ignored: OnceLock::new(), opened: Mutex::default() }
    }

    fn source(&self, name: &str) -> Option<&'a NamedContextSource> {
        named::find(&self.options.named_contexts, name).map(|(_, source)| source)
    }

    /// Saves the stat caches for the next build. They are only caches: a failure to write them is ignored.
    pub fn save_stat_caches(&self) {
        for context in lock(&self.opened).values() {
            let _ = context.save_stat_cache();
        }
    }

    /// The time of the main context's commit, or its last modification.
    pub fn time(&self) -> Option<i64> {
        self.main.time
    }

    /// The same for a named context. Folders and images have none.
    pub fn time_of_named(&self, name: &str) -> Result<Option<i64>, BuildError> {
        match self.source(name) {
            Some(NamedContextSource::Remote(url)) => Ok(self.batch.fetched(self.options, url)?.time),
            _ => Ok(None),
        }
    }

    /// Whether the ignore file excludes the path from the main context. With `!` patterns this is unknown for a folder:
    /// something in it may be included again.
    pub fn leaves_out(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let Ok(ignore) = self.ignored() else { return false };
        let is_left_out = match parts.is_empty() {
            // The root itself is never excluded, but everything in it may be.
            true => ignore.patterns.leaves_out_everything(),
            false => ignore.patterns.matches(parts.join("/").as_bytes()),
        };
        is_left_out && !ignore.patterns.brings_back()
    }

    /// The patterns of the main context's ignore file, and its path for display if it exists.
    pub fn ignore_file(&self) -> Result<(Arc<Ignored>, Option<String>), BuildError> {
        let ignored = self.ignored()?;
        let shown = ignored.is_there.then(|| self.ignore_file.shown().display().to_string());
        Ok((ignored, shown))
    }

    /// Read once: each COPY asks for it.
    fn ignored(&self) -> Result<Arc<Ignored>, BuildError> {
        if let Some(known) = self.ignored.get() {
            return Ok(known.clone());
        }
        let read = Arc::new(read_ignore(&self.ignore_file)?);
        Ok(self.ignored.get_or_init(|| read).clone())
    }

    fn open_now(&self, name: Option<&str>) -> Result<Arc<Context>, OpenContextError> {
        self.open_source(name).map_err(|error| {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            OpenContextError { message: format!("{error}{cause}") }
        })
    }

    fn open_source(&self, name: Option<&str>) -> Result<Arc<Context>, BuildError> {
        let Some(name) = name else {
            return self.scanned(self.main.root(), &*self.ignored()?, true);
        };
        match self.source(name) {
            Some(NamedContextSource::Directory(path)) => {
                self.scanned(path, &read_ignore(&Place::new(path, IGNORE_FILE))?, true)
            }
            Some(NamedContextSource::Remote(url)) => {
                let sources = self.batch.fetched(self.options, url)?;
                self.scanned(sources.root(), &Ignored::default(), false)
            }
            _ => Err(OpenContextError { message: format!("there is no build context `{name}`") }.into()),
        }
    }

    /// The folder, walked once for all builds of the batch with the same ignore file.
    fn scanned(&self, root: &Path, ignored: &Ignored, is_remembered: bool) -> Result<Arc<Context>, BuildError> {
        let absolute = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        let stat_cache = is_remembered.then(|| self.stat_cache(&absolute));
        self.batch.scanned.get_or_make((absolute, ignored.text.clone()), || {
            Ok(Arc::new(Context::open(root, &ignored.patterns, stat_cache.as_deref())?))
        })
    }

    /// The stat cache of the folder, identified by the folder's path.
    fn stat_cache(&self, absolute: &Path) -> PathBuf {
        let mut hasher = FieldHasher::new("context-folder-1");
        hasher.field(absolute.as_os_str().as_encoded_bytes());
        self.batch.store.root().join("contexts").join(CacheKey::from_bytes(hasher.finish()).hex())
    }
}

impl Contexts for BuildContexts<'_> {
    fn open(&self, name: Option<&str>) -> Result<Arc<Context>, OpenContextError> {
        // Locked while the folder is walked: a second step that needs it waits.
        let mut opened = lock(&self.opened);
        let key = name.map(str::to_owned);
        if let Some(context) = opened.get(&key) {
            return Ok(context.clone());
        }
        let context = self.open_now(name)?;
        opened.insert(key, context.clone());
        Ok(context)
    }

    fn is_sent_in_parts(&self, name: Option<&str>) -> bool {
        let Some(name) = name else { return !self.main.is_brought() };
        matches!(self.source(name), Some(NamedContextSource::Directory(_)))
    }

    fn is_ignored(&self, path: &str) -> bool {
        let path = path.trim_matches('/');
        let matches = self.ignored().is_ok_and(|ignore| ignore.patterns.matches(path.as_bytes()));
        matches && self.main.root().join(path).symlink_metadata().is_ok()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The patterns of an ignore file; none if it does not exist. Like BuildKit, ignores a folder with that name.
fn read_ignore(place: &Place) -> Result<Ignored, BuildError> {
    let text = match place.read() {
        Err(InputError::Kind { kind: "a folder", .. }) => None,
        text => text?,
    };
    let (is_there, text) = (text.is_some(), text.unwrap_or_default());
    let patterns = IgnorePatterns::parse(&text);
    let patterns = patterns.map_err(|error| BuildError::IgnoreFile { path: place.shown(), source: error })?;
    Ok(Ignored { text, patterns, is_there })
}
