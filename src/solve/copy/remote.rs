//! Sources of `ADD` on the network: a file behind http(s), a git repository.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::context::git::{self, CheckOut, GitReference};
use crate::context::http::{self, HttpRequest};
use crate::context::{Context, IgnorePatterns};
use crate::digest::{BlobDigest, CacheKey, FieldHasher};
use crate::io_error::AtPath;
use crate::plan::CopyStep;
use crate::store::Store;

use super::super::error::StepError;
use super::super::settings::Solver;
use super::gather::{self, Gathered};
use super::source::Files;

/// Mode of a downloaded file, as docker has it.
const DOWNLOADED_MODE: u32 = 0o600;
/// The agent of `--ssh` that git has.
const SSH_AGENT: &str = "default";

impl Solver<'_> {
    pub(super) fn download(&self, url: &str, checksum: Option<&str>, unpack: bool) -> Result<Gathered, StepError> {
        let cache = self.store.downloads()?;
        let checksum = checksum.map(str::parse::<BlobDigest>).transpose()?;
        let downloaded = http::download(&HttpRequest { checksum, ..HttpRequest::new(url, &cache) })?;
        let (name, mtime) = (http::file_name(url), downloaded.mtime.unwrap_or(0));
        let gathered = gather::file(downloaded.path, name, &downloaded.digest, DOWNLOADED_MODE, mtime);
        Ok(Gathered { unpack, shown: url.to_owned(), ..gathered })
    }

    pub(super) fn clone_repository(
        &self,
        step: &CopyStep,
        url: &str,
        checksum: Option<&str>,
        keep_git_dir: Option<bool>,
    ) -> Result<Gathered, StepError> {
        let mut wanted = GitReference::parse(url)?;
        if let Some(source) = self.run.ssh.get(SSH_AGENT) {
            wanted.ssh_agent = Some(self.agents.socket(SSH_AGENT, source)?);
        }
        if let (Some(flag), Some(query)) = (keep_git_dir, wanted.keep_git_dir)
            && flag != query
        {
            return Err(StepError::KeepGitDir { url: wanted.shown() });
        }
        if let Some(checksum) = checksum {
            wanted.checksum = Some(checksum.to_owned());
        }
        let how = CheckOut {
            keep_git_dir: keep_git_dir.or(wanted.keep_git_dir).unwrap_or(false),
            submodules: wanted.submodules.unwrap_or(true),
        };
        let directory = checked_out(self.store, &wanted, how)?;
        let context = Context::open(&directory, &IgnorePatterns::default(), None)?;
        gather::from_tree(self, step, Files::Context(Arc::new(context)), "/", false)
    }
}

/// A folder with the repository at the commit that is asked for; kept from build to build.
fn checked_out(store: &Store, wanted: &GitReference, how: CheckOut) -> Result<PathBuf, StepError> {
    let commit = git::resolve_commit(wanted)?;
    let mut name = FieldHasher::new("git-checkout-1");
    let subdirectory = wanted.subdirectory.as_deref().unwrap_or(Path::new(""));
    name.field(wanted.remote.as_bytes()).field(commit.as_bytes());
    name.field(wanted.checksum.as_deref().unwrap_or_default().as_bytes());
    name.field(subdirectory.as_os_str().as_encoded_bytes());
    name.number(u64::from(how.keep_git_dir)).number(u64::from(how.submodules));
    let name = CacheKey::from_bytes(name.finish()).hex();
    let kept = folder(store, "checkouts")?.join(&name);
    if kept.is_dir() {
        return Ok(kept);
    }
    let _lock = store.lock(&format!("checkout-{name}"))?;
    if kept.is_dir() {
        return Ok(kept);
    }
    let staging = store.staging()?;
    let into = staging.path().join("checkout");
    std::fs::create_dir(&into).at("create", &into)?;
    let checked = git::check_out(wanted, &commit, &into, how)?;
    std::fs::rename(&checked.directory, &kept).at("rename", &checked.directory)?;
    Ok(kept)
}

fn folder(store: &Store, name: &str) -> Result<PathBuf, StepError> {
    store.hold_folder(name)?;
    let path = store.root().join(name);
    std::fs::create_dir_all(&path).at("create", &path)?;
    Ok(path)
}
