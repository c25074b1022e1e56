//! The build contexts: what was given as one is brought into a folder, which is walked when a step first needs it.

use std::collections::HashMap;
use std::fs::File as StdFile;
use std::io::stdin;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use crate::base::digest::{CacheKey, FieldHasher};
use crate::base::input::{self, InputError};
use crate::base::io_error::AtPath;
use crate::base::privacy;
use crate::base::urls;
use crate::build::context::git::{self, CheckOut};
use crate::build::context::http;
use crate::build::context::{self, Context, IgnorePatterns, Standard};
use crate::build::solve::{Contexts, OpenContextError};
use crate::store::{Staging, Store};

use super::arguments;
use super::dockerfile::{File, Place};
use super::error::BuildError;
use super::named;
use super::options::{BuildOptions, ContextSource, NamedContextSource};
use super::top_names::TopNames;

const IGNORE_FILE: &str = ".dockerignore";

/// The main context as a folder.
pub(super) struct Sources {
    root: PathBuf,
    /// Holds the folder when the context was unpacked.
    staging: Option<Staging>,
    dockerfile: Option<Vec<u8>>,
    stdin_is_taken: bool,
    /// Of a commit, or of what was downloaded, in seconds since 1970.
    time: Option<i64>,
}

impl Sources {
    pub fn open(store: &Store, options: &BuildOptions) -> Result<Self, BuildError> {
        let folder = |root: PathBuf| Self { root, staging: None, dockerfile: None, stdin_is_taken: false, time: None };
        match &options.context {
            ContextSource::Directory(path) => {
                std::fs::read_dir(path).at("open the build context", path)?;
                Ok(folder(path.clone()))
            }
            ContextSource::Archive(path) => {
                let file = StdFile::open(path).at("open the build context", path)?;
                Self::unpacked(store, file)
            }
            ContextSource::StandardInput => match context::read_standard_input(stdin())? {
                Standard::Archive(archive) => Ok(Self { stdin_is_taken: true, ..Self::unpacked(store, archive)? }),
                Standard::Dockerfile(text) => Self::only_dockerfile(store, text),
            },
            ContextSource::Remote(url) => Self::fetched(store, options, url),
        }
    }

    fn unpacked(store: &Store, archive: impl std::io::Read + Send) -> Result<Self, BuildError> {
        let staging = store.staging()?;
        let root = staging.path().join("context");
        privacy::make_folders_with(&root, 0o755)?;
        context::unpack_context(archive, &root)?;
        Ok(Self { root, staging: Some(staging), dockerfile: None, stdin_is_taken: false, time: None })
    }

    /// A git repository, or what is behind an address: an archive, or else a Dockerfile.
    fn fetched(store: &Store, options: &BuildOptions, url: &str) -> Result<Self, BuildError> {
        if !urls::is_git_url(url) {
            let downloaded = http::download(&options.run.http_request(url, &store.downloads()?)?)?;
            let open = || StdFile::open(&downloaded.path).at("open", &downloaded.path);
            let time = match downloaded.mtime {
                Some(time) => Some(time),
                None => context::newest_file(open()?),
            };
            return match context::read_standard_input(open()?)? {
                Standard::Archive(archive) => Ok(Self { time, ..Self::unpacked(store, archive)? }),
                Standard::Dockerfile(text) => {
                    Ok(Self { time, stdin_is_taken: false, ..Self::only_dockerfile(store, text)? })
                }
            };
        }
        let wanted = options.run.git_reference(url)?;
        let staging = store.staging()?;
        let into = staging.path().join("context");
        std::fs::create_dir(&into).at("create", &into)?;
        let how = CheckOut {
            keep_git_dir: wanted.keep_git_dir.unwrap_or_else(|| arguments::keeps_git_dir(options)),
            submodules: wanted.submodules.unwrap_or(true),
            commit_times: wanted.commit_times.unwrap_or_else(|| arguments::has_epoch(options)),
        };
        let checked = git::check_out(&wanted, &git::resolve(&wanted)?, &into, how)?;
        let (root, time) = (checked.directory, Some(checked.time));
        Ok(Self { root, staging: Some(staging), dockerfile: None, stdin_is_taken: false, time })
    }

    fn only_dockerfile(store: &Store, text: Vec<u8>) -> Result<Self, BuildError> {
        let staging = store.staging()?;
        let root = staging.path().join("context");
        privacy::make_folders_with(&root, 0o755)?;
        Ok(Self { root, staging: Some(staging), dockerfile: Some(text), stdin_is_taken: true, time: None })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder is one of the store, and what is in it came from an archive, a repository or the network.
    pub fn is_brought(&self) -> bool {
        self.staging.is_some()
    }

    /// What such a context has at its top; nothing for a folder of the user's.
    pub fn names(&self) -> Option<TopNames> {
        self.is_brought().then(|| TopNames::of(&self.root))
    }

    /// The Dockerfile that came in place of a context.
    pub fn take_dockerfile(&mut self) -> Option<Vec<u8>> {
        self.dockerfile.take()
    }

    pub fn read_standard_input(&mut self) -> Result<Vec<u8>, BuildError> {
        if std::mem::replace(&mut self.stdin_is_taken, true) {
            let message = "standard input cannot be both the context and the Dockerfile".to_owned();
            return Err(OpenContextError { message }.into());
        }
        Ok(input::from_stdin()?)
    }
}

/// The contexts of a build, opened once each.
pub(super) struct BuildContexts<'a> {
    store: &'a Store,
    options: &'a BuildOptions,
    main: Sources,
    ignore_file: Place,
    /// What the ignore file says, once it was asked for.
    ignored: OnceLock<Arc<IgnorePatterns>>,
    opened: Mutex<HashMap<Option<String>, Arc<Context>>>,
    /// The names that plans use for named contexts, and those they were given.
    names: Mutex<HashMap<String, String>>,
    /// Named contexts from the network by the names that they were given, kept until the build ends.
    fetched: Mutex<HashMap<String, Sources>>,
}

impl<'a> BuildContexts<'a> {
    pub fn new(store: &'a Store, options: &'a BuildOptions, main: Sources, file: &File) -> Self {
        let ignore_file =
            file.own_ignore_file().unwrap_or_else(|| Place::new(&main.root, IGNORE_FILE).brought(main.is_brought()));
        Self {
            store,
            options,
            main,
            ignore_file,
            ignored: OnceLock::new(),
            opened: Mutex::default(),
            names: Mutex::default(),
            fetched: Mutex::default(),
        }
    }

    /// Lets `name` mean the context that was given as `given`.
    pub fn know_as(&self, name: &str, given: &str) {
        lock(&self.names).insert(name.to_owned(), given.to_owned());
    }

    /// Keeps what was learnt of the files for the next build. It is only a cache: that it can't be written stops nothing.
    pub fn save_stat_caches(&self) {
        for context in lock(&self.opened).values() {
            let _ = context.save_stat_cache();
        }
    }

    /// When the main context was committed, or last modified.
    pub fn time(&self) -> Option<i64> {
        self.main.time
    }

    /// The same of a named context. Folders and images have none.
    pub fn time_of_named(&self, name: &str) -> Result<Option<i64>, BuildError> {
        match named::find(&self.options.named_contexts, name) {
            Some((given, NamedContextSource::Remote(url))) => self.fetched(given, url, |sources| Ok(sources.time)),
            _ => Ok(None),
        }
    }

    /// What `look` makes of a named context from the network, which is fetched once.
    fn fetched<T>(
        &self,
        given: &str,
        url: &str,
        look: impl FnOnce(&Sources) -> Result<T, BuildError>,
    ) -> Result<T, BuildError> {
        let mut fetched = lock(&self.fetched);
        if !fetched.contains_key(given) {
            fetched.insert(given.to_owned(), Sources::fetched(self.store, self.options, url)?);
        }
        fetched.get(given).map_or_else(|| unreachable!("it was put there"), look)
    }

    /// Whether the ignore file leaves the path out of the main context. With `!` patterns that can't be said of a folder:
    /// something in it may be brought back.
    pub fn leaves_out(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let Ok(ignore) = self.ignored() else { return false };
        let is_left_out = match parts.is_empty() {
            // The root itself is never left out, but all in it may be.
            true => ignore.leaves_out_everything(),
            false => ignore.matches(parts.join("/").as_bytes()),
        };
        is_left_out && !ignore.brings_back()
    }

    /// Read once: each COPY asks.
    fn ignored(&self) -> Result<Arc<IgnorePatterns>, BuildError> {
        if let Some(known) = self.ignored.get() {
            return Ok(known.clone());
        }
        let read = Arc::new(read_ignore(&self.ignore_file)?);
        Ok(self.ignored.get_or_init(|| read).clone())
    }

    fn open_now(&self, name: Option<&str>) -> Result<Context, OpenContextError> {
        let failed = |error: &dyn std::error::Error| {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            OpenContextError { message: format!("{error}{cause}") }
        };
        let Some(name) = name else {
            let ignore = self.ignored().map_err(|error| failed(&error))?;
            let opened = Context::open(&self.main.root, &ignore, Some(&self.stat_cache(&self.main.root)));
            return opened.map_err(|error| failed(&error));
        };
        let given = lock(&self.names).get(name).cloned().unwrap_or_else(|| name.to_owned());
        let source = self.options.named_contexts.iter().find(|(known, _)| *known == given);
        match source {
            Some((_, NamedContextSource::Directory(path))) => {
                let ignore = read_ignore(&Place::new(path, IGNORE_FILE)).map_err(|error| failed(&error))?;
                Context::open(path, &ignore, Some(&self.stat_cache(path))).map_err(|error| failed(&error))
            }
            Some((_, NamedContextSource::Remote(url))) => {
                let open = |sources: &Sources| Ok(Context::open(sources.root(), &IgnorePatterns::default(), None)?);
                self.fetched(&given, url, open).map_err(|error| failed(&error))
            }
            _ => Err(OpenContextError { message: format!("there is no build context `{name}`") }),
        }
    }

    /// The file with what is known of the folder's files; folders are told apart by their paths.
    fn stat_cache(&self, root: &Path) -> PathBuf {
        let absolute = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        let mut hasher = FieldHasher::new("context-folder-1");
        hasher.field(absolute.as_os_str().as_encoded_bytes());
        self.store.root().join("contexts").join(CacheKey::from_bytes(hasher.finish()).hex())
    }
}

impl Contexts for BuildContexts<'_> {
    fn open(&self, name: Option<&str>) -> Result<Arc<Context>, OpenContextError> {
        // Held while the folder is walked: a second step that needs it waits.
        let mut opened = lock(&self.opened);
        let key = name.map(str::to_owned);
        if let Some(context) = opened.get(&key) {
            return Ok(context.clone());
        }
        let context = Arc::new(self.open_now(name)?);
        opened.insert(key, context.clone());
        Ok(context)
    }

    fn is_ignored(&self, path: &str) -> bool {
        let path = path.trim_matches('/');
        let matches = self.ignored().is_ok_and(|ignore| ignore.matches(path.as_bytes()));
        matches && self.main.root.join(path).symlink_metadata().is_ok()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The patterns of an ignore file; none when there is no such file. Of a folder with that name, BuildKit says nothing
/// either.
fn read_ignore(place: &Place) -> Result<IgnorePatterns, BuildError> {
    let text = match place.read() {
        Err(InputError::Kind { kind: "a folder", .. }) => None,
        text => text?,
    };
    let text = text.unwrap_or_default();
    IgnorePatterns::parse(&text).map_err(|error| BuildError::IgnoreFile { path: place.shown(), source: error })
}
