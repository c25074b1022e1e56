//! Brings a context into a folder, wherever it is.

use std::fs::File as StdFile;
use std::io::stdin;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::input;
use crate::base::io_error::AtPath;
use crate::base::privacy;
use crate::base::urls;
use crate::build::context::git::{self, CheckOut};
use crate::build::context::http;
use crate::build::context::{self, Standard};
use crate::build::remote_cache;
use crate::build::solve::{OpenContextError, SshSource};
use crate::store::{Staging, Store};
use crate::transport::cloud::{self, sigv4::escape_path};

use super::arguments;
use super::error::BuildError;
use super::options::{BuildOptions, ContextSource};
use super::top_names::TopNames;

/// The address of Google's storage.
const GOOGLE: &str = "https://storage.googleapis.com";

/// A context as a folder.
#[derive(Clone)]
pub(super) struct Sources {
    root: PathBuf,
    /// Keeps the folder of an unpacked context.
    staging: Option<Arc<Staging>>,
    dockerfile: Option<Vec<u8>>,
    stdin_is_taken: bool,
    /// The time of a commit or download, in seconds since 1970.
    pub time: Option<i64>,
}

impl Sources {
    pub fn open(store: &Store, options: &BuildOptions) -> Result<Self, BuildError> {
        match &options.context {
            ContextSource::Directory(path) => Self::of_folder(path),
            ContextSource::Archive(path) => {
                let file = StdFile::open(path).at("open the build context", path)?;
                Self::unpacked(store, file)
            }
            ContextSource::StandardInput => match context::read_standard_input(stdin())? {
                Standard::Archive(archive) => Ok(Self { stdin_is_taken: true, ..Self::unpacked(store, archive)? }),
                Standard::Dockerfile(text) => Self::only_dockerfile(store, text),
            },
            ContextSource::Remote(url) => Self::fetched(store, options, url),
            ContextSource::Git(url) => Self::checked_out(store, options, url),
            ContextSource::Object(object) => {
                let failed = |source| BuildError::ContextObject { place: object.shown(), source: Box::new(source) };
                Self::unpacked(store, remote_cache::open_object(object).map_err(failed)?)
            }
            ContextSource::GoogleObject { bucket, key } => Self::from_google(store, options, bucket, key),
            ContextSource::Part { of, folder: subfolder } => {
                let whole = Self::open(store, &BuildOptions { context: (**of).clone(), ..options.clone() })?;
                Ok(Self { root: folder_of(&whole.root, subfolder)?, ..whole })
            }
        }
    }

    /// A folder of the user's.
    pub fn of_folder(path: &Path) -> Result<Self, BuildError> {
        std::fs::read_dir(path).at("open the build context", path)?;
        Ok(Self { root: path.to_owned(), staging: None, dockerfile: None, stdin_is_taken: false, time: None })
    }

    /// Fetches an archive from Google's storage, which may be public.
    fn from_google(store: &Store, options: &BuildOptions, bucket: &str, key: &str) -> Result<Self, BuildError> {
        let server = cloud::environment("STORAGE_EMULATOR_HOST").unwrap_or_else(|| GOOGLE.to_owned());
        let server = if server.contains("://") { server } else { format!("http://{server}") };
        let url = format!("{}/{bucket}/{}", server.trim_end_matches('/'), escape_path(key));
        let token = cloud::google_token(&cloud::environment)?;
        let cache = store.downloads()?;
        let mut request = options.run.http_request(&url, &cache)?;
        if let Some(token) = token {
            request.authorization = Some(http::Authorization::bearer(&token.value));
        }
        let downloaded = http::download(&request)?;
        Self::unpacked(store, StdFile::open(&downloaded.path).at("open", &downloaded.path)?)
    }

    fn unpacked(store: &Store, archive: impl std::io::Read + Send) -> Result<Self, BuildError> {
        let staging = store.staging()?;
        let root = staging.path().join("context");
        privacy::make_folders_with(&root, 0o755)?;
        context::unpack_context(archive, &root)?;
        Ok(Self { root, staging: Some(Arc::new(staging)), dockerfile: None, stdin_is_taken: false, time: None })
    }

    /// Fetches a git repository or an address: an archive, or else a Dockerfile.
    pub fn fetched(store: &Store, options: &BuildOptions, url: &str) -> Result<Self, BuildError> {
        if !urls::is_git_url(url) {
            let (url, subfolder) = url.split_once("#:").unwrap_or((url, ""));
            let downloaded = http::download(&options.run.http_request(url, &store.downloads()?)?)?;
            let open = || StdFile::open(&downloaded.path).at("open", &downloaded.path);
            let time = match downloaded.mtime {
                Some(time) => Some(time),
                None => context::newest_file(open()?),
            };
            return match context::read_standard_input(open()?)? {
                Standard::Archive(archive) => {
                    let unpacked = Self::unpacked(store, archive)?;
                    let root = folder_of(&unpacked.root, subfolder)?;
                    Ok(Self { root, time, ..unpacked })
                }
                Standard::Dockerfile(text) => {
                    Ok(Self { time, stdin_is_taken: false, ..Self::only_dockerfile(store, text)? })
                }
            };
        }
        Self::checked_out(store, options, url)
    }

    fn checked_out(store: &Store, options: &BuildOptions, url: &str) -> Result<Self, BuildError> {
        let mut wanted = options.run.git_reference(url)?;
        if let Some(SshSource::Socket(path)) = options.run.ssh.get("default") {
            wanted.ssh_agent = Some(path.clone());
        }
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
        Ok(Self { root, staging: Some(Arc::new(staging)), dockerfile: None, stdin_is_taken: false, time })
    }

    fn only_dockerfile(store: &Store, text: Vec<u8>) -> Result<Self, BuildError> {
        let staging = store.staging()?;
        let root = staging.path().join("context");
        privacy::make_folders_with(&root, 0o755)?;
        let staging = Some(Arc::new(staging));
        Ok(Self { root, staging, dockerfile: Some(text), stdin_is_taken: true, time: None })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder belongs to the store, and holds an archive, a repository or a download.
    pub fn is_brought(&self) -> bool {
        self.staging.is_some()
    }

    /// The top-level names of such a context; `None` for a folder of the user.
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

/// A subfolder of an unpacked tree, which does not change any more.
fn folder_of(root: &Path, subfolder: &str) -> Result<PathBuf, BuildError> {
    if subfolder.is_empty() {
        return Ok(root.to_owned());
    }
    let missing = || OpenContextError { message: format!("the build context has no folder `{subfolder}`") };
    let found = std::fs::canonicalize(root.join(subfolder.trim_start_matches('/'))).map_err(|_| missing())?;
    let real = std::fs::canonicalize(root).at("find", root)?;
    if found.starts_with(&real) && found.is_dir() { Ok(found) } else { Err(missing().into()) }
}
