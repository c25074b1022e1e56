//! What executing a plan needs besides the plan.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::digest::DiffId;
use crate::base::input;
use crate::base::io_error::IoError;
use crate::base::rights::{NoRights, Rights};
use crate::build::context::Context;
use crate::build::context::git::{CommandLog, GitError, GitReference};
use crate::build::context::http::{Authorization, HttpRequest};
use crate::container::network::Place;
use crate::container::sandbox::{IdRanges, IsolationChoice, Limits, ResourceLimit, Seccomp};
use crate::language::plan::Plan;
use crate::store::{Reader, Store};

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

/// BuildKit's size limit of a secret.
const SECRET_LIMIT: u64 = 500 << 10;

/// Everything that steps use.
pub struct Solver<'a> {
    pub plan: &'a Plan,
    /// What is known already.
    pub store: &'a Reader,
    /// Nothing where it is only probed whether all is known.
    pub work: Option<Work<'a>>,
    pub contexts: &'a dyn Contexts,
    pub run: &'a RunSettings,
    pub network: &'a BuildNetwork,
    pub roots: &'a WorkingRoots,
    pub agents: &'a SshAgents,
    pub progress: &'a dyn Progress,
    pub cancellation: &'a Cancellation,
    pub explainer: &'a Explainer<'a>,
    pub remote: &'a dyn RemoteRecords,
    /// Layers of remote caches that were wrong or not available.
    pub distrusted: &'a HashSet<DiffId>,
    /// What this build, and concurrent builds, have executed.
    pub executed: &'a Executed,
    /// Observes the results of steps, and what failed ones left behind.
    pub results: &'a dyn Results,
}

/// What it takes to execute a step.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    pub store: &'a Store,
    pub rights: Rights,
}

impl<'a> Solver<'a> {
    /// Asked for where something is not known, and has to be made.
    pub(super) fn work(&self) -> Result<Work<'a>, NoRights> {
        self.work.ok_or_else(NoRights::noted)
    }
}

/// The build contexts, opened (and walked) when a step first needs them.
pub trait Contexts: Sync {
    /// The main context, or the named one.
    fn open(&self, name: Option<&str>) -> Result<Arc<Context>, OpenContextError>;

    /// Whether BuildKit has only the parts of it that instructions name: true for a local folder, not for an archive or
    /// a repository.
    fn is_sent_in_parts(&self, name: Option<&str>) -> bool;

    /// Whether the main context lacks `path` because of an ignore file.
    fn is_ignored(&self, path: &str) -> bool;
}

/// An existing network.
#[derive(Debug, Clone)]
pub enum JoinedNetwork {
    /// By its name or ID.
    Named(String),
    /// The network of a running container.
    Opened(Arc<Place>),
}

/// How `RUN` steps are executed, the same for all of them.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RunSettings {
    /// `--add-host`: names and addresses.
    pub extra_hosts: Vec<(String, String)>,
    /// The network that steps join instead of the default one; not part of any key.
    pub joined: Option<JoinedNetwork>,
    /// The size of `/dev/shm`, in bytes.
    pub shm_size: Option<u64>,
    /// `--ulimit`
    pub ulimits: Vec<ResourceLimit>,
    /// The host's IDs for the users of steps, if they are remapped. The results are the same.
    pub users: Option<IdRanges>,
    /// The limits of each program.
    pub limits: Limits,
    /// Which system calls programs may make.
    pub seccomp: Seccomp,
    /// setuid bits and file capabilities give no privileges.
    pub no_new_privileges: bool,
    /// The required isolation of programs; not part of any key.
    pub isolation: IsolationChoice,
    /// Secrets, by ID.
    pub secrets: BTreeMap<String, Secret>,
    /// SSH agents, by ID.
    pub ssh: BTreeMap<String, SshSource>,
    /// The hostname of RUN, if it isn't BuildKit's.
    pub hostname: Option<String>,
    /// Separates the cache mounts of builds; empty by default.
    pub cache_namespace: String,
    /// Devices of the host.
    pub devices: DeviceAccess,
    /// Trusted by steps and downloads in addition to all others; not part of any key.
    pub authority: Option<Authority>,
    /// Where git commands are recorded, if anywhere.
    pub git_log: Option<CommandLog>,
}

impl RunSettings {
    /// The value of a secret; `None` if it was not given.
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

    /// A download request with the user's settings.
    pub fn http_request<'a>(&'a self, url: &'a str, cache: &'a Path) -> Result<HttpRequest<'a>, IoError> {
        let authorization = Authorization::of(url, &|id| self.secret(id))?;
        let authority = self.authority.as_ref().map(|authority| authority.pem.as_slice());
        Ok(HttpRequest { authorization, authority, ..HttpRequest::new(url, cache) })
    }

    /// A repository with the user's settings.
    pub fn git_reference(&self, url: &str) -> Result<GitReference, GitError> {
        let mut wanted = GitReference::parse(url)?.authorized(&|id| self.secret(id))?;
        wanted.authorities = self.authority.as_ref().map(Authority::bundle_path);
        wanted.log.clone_from(&self.git_log);
        Ok(wanted)
    }
}

/// The host's devices that steps may use, besides those that are always allowed.
#[derive(Debug, Clone, Default)]
pub struct DeviceAccess {
    /// The folders of device specifications; see [`crate::container::cdi`].
    pub folders: Vec<PathBuf>,
    /// `--allow device`
    pub allow_all: bool,
    /// `--allow device=NAME`
    pub allowed: Vec<String>,
}

/// The source of a secret's value; read when a step needs it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Secret {
    /// The content of a file.
    File(PathBuf),
    /// The value of a variable.
    Environment(String),
}
