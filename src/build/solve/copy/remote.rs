//! Sources of `ADD` on the network: a file behind http(s), a git repository.

use std::path::PathBuf;
use std::sync::Arc;

use crate::base::digest::BlobDigest;
use crate::base::redaction;
use crate::build::context::git::CheckOut;
use crate::build::context::http::{self, HttpRequest};
use crate::language::plan::CopyStep;

use super::super::error::StepError;
use super::super::settings::Solver;
use super::checkout;
use super::gather::{self, Gathered};
use super::source::Files;

/// docker's mode of a downloaded file.
const DOWNLOADED_MODE: u32 = 0o600;
/// The agent of `--ssh` that git uses.
const SSH_AGENT: &str = "default";

impl Solver<'_> {
    pub(super) fn download(&self, url: &str, checksum: Option<&str>, unpack: bool) -> Result<Gathered, StepError> {
        let cache = self.downloads()?;
        let checksum = checksum.map(str::parse::<BlobDigest>).transpose()?;
        let downloaded = http::download(&HttpRequest { checksum, ..self.run.http_request(url, &cache)? })?;
        let (name, mtime) = (http::file_name(url), downloaded.mtime.unwrap_or(0));
        let gathered = gather::file(downloaded.path, name, &downloaded.digest, DOWNLOADED_MODE, mtime);
        Ok(Gathered { unpack, shown: redaction::in_text(url).into_owned(), ..gathered })
    }

    /// The folder of downloads, which a probe uses if it is there: it looks whether what was downloaded is still right.
    fn downloads(&self) -> Result<PathBuf, StepError> {
        match self.store.downloads_so_far()? {
            Some(folder) => Ok(folder),
            None => Ok(self.work()?.store.downloads()?),
        }
    }

    pub(super) fn clone_repository(
        &self,
        step: &CopyStep,
        url: &str,
        checksum: Option<&str>,
        keep_git_dir: Option<bool>,
    ) -> Result<Gathered, StepError> {
        let mut wanted = self.run.git_reference(url)?;
        if let Some(source) = self.run.ssh.get(SSH_AGENT) {
            wanted.ssh_agent = Some(self.agents.socket(SSH_AGENT, source)?);
        }
        if let (Some(flag), Some(query)) = (keep_git_dir, wanted.keep_git_dir)
            && flag != query
        {
            return Err(StepError::KeepGitDir { url: wanted.shown() });
        }
        let wanted = wanted.with_checksum(checksum)?;
        let how = CheckOut {
            keep_git_dir: keep_git_dir.or(wanted.keep_git_dir).unwrap_or(false),
            submodules: wanted.submodules.unwrap_or(true),
            commit_times: wanted.commit_times.unwrap_or(false),
        };
        let context = checkout::of(self, &wanted, how)?;
        gather::from_tree(self, gather::options(step, false)?, Files::Context(Arc::new(context)), "/", false)
    }
}
