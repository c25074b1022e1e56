//! Git repositories as contexts and as sources of ADD: fetched by the `git` program, without prompts, and without
//! running anything from the repository.

mod authorization;
mod checkout;
mod command_log;
mod credentials;
mod lfs;
mod program;
mod reference;
mod resolve;
mod tidy;

use std::path::PathBuf;

pub use authorization::Authorization;
pub use checkout::{CheckOut, Checked, check_out, commit_time};
pub use command_log::{CommandLog, Told};
pub use credentials::Credentials;
pub use reference::GitReference;
pub(super) use reference::decode;

pub use resolve::{Resolved, resolve};

use crate::base::io_error::IoError;

#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("`{url}` is not a git repository's address: {reason}")]
    Address { url: String, reason: String },
    #[error("the program `git` is not installed")]
    NoGit,
    #[error("git could not {action} `{url}`: {message}")]
    Failed { action: &'static str, url: String, message: String },
    #[error("`{url}` has no branch, tag or commit `{reference}`")]
    NoReference { url: String, reference: String },
    #[error("`{url}` is at commit {actual}, not at {expected}")]
    Checksum { url: String, expected: String, actual: String },
    #[error("`{url}` is pinned by its commit: give the whole commit as checksum or as reference")]
    NoCommit { url: String },
    #[error("`{url}` keeps files with git LFS, which is not installed here or does not have them: {}", some(files))]
    LargeFiles { url: String, files: Vec<String> },
    #[error("`{url}` wants its large files from `{place}`, which is not the address of a server")]
    LargeFilesElsewhere { url: String, place: String },
    #[error("git does not know when {commit} was committed")]
    NoTime { commit: String },
    #[error("`{}` is not a directory of the repository", path.display())]
    NoSubdirectory { path: PathBuf },
    #[error(transparent)]
    Io(#[from] IoError),
}

/// The first of the names.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
