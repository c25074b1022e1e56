//! What the execution of a plan needs beside the plan.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::digest::DiffId;
use crate::base::input;
use crate::base::io_error::IoError;
use crate::build::context::Context;
use crate::build::context::git::{CommandLog, GitError, GitReference};
use crate::build::context::http::{Authorization, HttpRequest};
use crate::container::network::Place;
use crate::container::sandbox::{IdRanges, IsolationChoice, Limits, ResourceLimit, Seccomp};
use crate::language::plan::Plan;
use crate::store::Store;

use super::agent::{SshAgents, SshSource};
use super::authority::Authority;
use super::cancel::Cancellation;
use super::error::OpenContextError;
use super::executed::Executed;
use super::explain::Explainer;
use super::network::BuildNetwork;
use super::progress::Progress;
use super::remote::RemoteRecords;
use super::results::Results;
use super::working_roots::WorkingRoots;

/// BuildKit takes no longer secret either.
const SECRET_LIMIT: u64 = 500 << 10;

/// Everything that steps work with.
pub struct Solver<'a> {
    pub plan: &'a Plan,
    pub store: &'a Store,
    pub contexts: &'a dyn Contexts,
    pub run: &'a RunSettings,
    pub network: &'a BuildNetwork,
    pub roots: &'a WorkingRoots,
    pub agents: &'a SshAgents,
    pub progress: &'a dyn Progress,
    pub cancellation: &'a Cancellation,
    pub explainer: &'a Explainer<'a>,
    pub remote: &'a dyn RemoteRecords,
    /// Layers of remote caches that proved wrong or could not be had.
    pub distrusted: &'a HashSet<DiffId>,
    /// What this build, and those side by side with it, have executed.
    pub executed: &'a Executed,
    /// Who is told what steps made, and left behind where they failed.
    pub results: &'a dyn Results,
}

/// The build contexts, opened (and walked) when a step first needs them.
pub trait Contexts: Sync {
    /// The main context, or the named one.
    fn open(&self, name: Option<&str>) -> Result<Arc<Context>, OpenContextError>;

    /// Whether BuildKit has no more of it than what instructions name: a folder of the client's, no archive or repository.
    fn is_sent_in_parts(&self, name: Option<&str>) -> bool;

    /// Whether an ignore file is why the main context lacks `path`.
    fn is_ignored(&self, path: &str) -> bool;
}

/// A network that somebody has made.
#[derive(Debug, Clone)]
pub enum JoinedNetwork {
    /// By its name or ID.
    Named(String),
    /// That of a container that runs.
    Opened(Arc<Place>),
}

/// How `RUN` steps are run, the same for all of them.
#[derive(Debug, Clone, Default)]
pub struct RunSettings {
    /// `--add-host`: names and addresses.
    pub extra_hosts: Vec<(String, String)>,
    /// What steps join instead of the default network; no part of any key.
    pub joined: Option<JoinedNetwork>,
    /// Of `/dev/shm`, in bytes.
    pub shm_size: Option<u64>,
    pub ulimits: Vec<ResourceLimit>,
    /// What the users of steps are on the host, where they are not the host's. What they make is the same.
    pub users: Option<IdRanges>,
    pub limits: Limits,
    pub seccomp: Seccomp,
    /// No program gains privileges by setuid bits or file capabilities.
    pub no_new_privileges: bool,
    /// How strongly programs have to be isolated; no part of any key.
    pub isolation: IsolationChoice,
    pub secrets: BTreeMap<String, Secret>,
    /// SSH agents, by ID.
    pub ssh: BTreeMap<String, SshSource>,
    /// What RUN takes the machine's name to be, where it isn't BuildKit's.
    pub hostname: Option<String>,
    /// Keeps the caches of builds with different ones apart; empty for those of all others.
    pub cache_namespace: String,
    pub devices: DeviceAccess,
    /// Whom steps and downloads trust beside all others; no part of any key.
    pub authority: Option<Authority>,
    /// Where the commands of git are written down, if anywhere.
    pub git_log: Option<CommandLog>,
}

impl RunSettings {
    /// The value of a secret; nothing when nobody gave it.
    pub fn secret(&self, id: &str) -> Result<Option<Vec<u8>>, IoError> {
        match self.secrets.get(id) {
            None => Ok(None),
            Some(Secret::File(path)) => {
                let refused = |error: input::InputError| IoError {
                    action: "read the secret",
                    path: path.clone(),
                    source: std::io::Error::other(error),
                };
                Ok(Some(input::bounded(path, SECRET_LIMIT).map_err(refused)?))
            }
            Some(Secret::Environment(name)) => Ok(std::env::var_os(name).map(|value| value.into_encoded_bytes())),
        }
    }

    /// A download, with all that the user gave for it.
    pub fn http_request<'a>(&'a self, url: &'a str, cache: &'a Path) -> Result<HttpRequest<'a>, IoError> {
        let authorization = Authorization::of(url, &|id| self.secret(id))?;
        let authority = self.authority.as_ref().map(|authority| authority.pem.as_slice());
        Ok(HttpRequest { authorization, authority, ..HttpRequest::new(url, cache) })
    }

    /// A repository, the same.
    pub fn git_reference(&self, url: &str) -> Result<GitReference, GitError> {
        let mut wanted = GitReference::parse(url)?.authorized(&|id| self.secret(id))?;
        wanted.authorities = self.authority.as_ref().map(Authority::bundle_path);
        wanted.log.clone_from(&self.git_log);
        Ok(wanted)
    }
}

/// Which of the host's devices steps may have, beside those that are always allowed.
#[derive(Debug, Clone, Default)]
pub struct DeviceAccess {
    /// Where devices are described; see [`crate::container::cdi`].
    pub folders: Vec<PathBuf>,
    /// `--allow device`
    pub allow_all: bool,
    /// `--allow device=NAME`
    pub allowed: Vec<String>,
}

/// Where a secret's value comes from; read when a step needs it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Secret {
    File(PathBuf),
    Environment(String),
}
