//! What concurrent builds share, so that it is done once: contexts, base images, steps, the network.

use std::path::PathBuf;
use std::sync::Arc;

use crate::base::once_map::OnceMap;
use crate::build::context::Context;
use crate::build::solve::{BuildNetwork, Executed, Secret};
use crate::container::sandbox;
use crate::language::plan::BaseImage;
use crate::store::Store;

use super::arguments;
use super::error::BuildError;
use super::options::{BuildOptions, ContextSource};
use super::shared_cache;
use super::sources::Sources;

/// Builds that may run concurrently, each on its own thread. A single build is a batch of one.
pub struct Batch<'a> {
    pub(super) store: &'a Store,
    /// Contexts that came from a repository or the network.
    fetched: OnceMap<Fetch, Sources>,
    /// Folders that were walked, each with the text of its ignore file.
    pub(super) scanned: OnceMap<(PathBuf, Vec<u8>), Arc<Context>>,
    pub(super) bases: OnceMap<BaseQuestion, BaseImage>,
    pub(super) executed: Executed,
    pub(super) network: BuildNetwork,
}

/// Where a context comes from, and everything that decides about its content.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Fetch {
    url: String,
    keeps_git_dir: bool,
    has_epoch: bool,
    secrets: Vec<(String, Secret)>,
}

/// Everything that decides which image a name means.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct BaseQuestion {
    pub reference: String,
    pub platform: String,
    pub platform_is_explicit: bool,
    pub pull: bool,
}

impl<'a> Batch<'a> {
    /// A batch for these builds.
    ///
    /// # Errors
    /// If one of their caches cannot be reached.
    pub fn new(store: &'a Store, builds: &[&BuildOptions]) -> Result<Self, BuildError> {
        shared_cache::know_places(store, builds)?;
        Ok(Self::offline(store))
    }

    /// A batch that uses no cache.
    pub(super) fn offline(store: &'a Store) -> Self {
        let rootless = sandbox::user_namespace::entered().is_some();
        Self {
            store,
            fetched: OnceMap::default(),
            scanned: OnceMap::default(),
            bases: OnceMap::default(),
            executed: Executed::default(),
            network: BuildNetwork::new(store.root().to_owned(), rootless),
        }
    }

    /// The main context of a build.
    pub(super) fn main_context(&self, options: &BuildOptions) -> Result<Sources, BuildError> {
        match &options.context {
            ContextSource::Remote(url) => self.fetched(options, url),
            _ => Sources::open(self.store, options),
        }
    }

    /// What is behind an address, fetched once for all builds with the same request.
    pub(super) fn fetched(&self, options: &BuildOptions, url: &str) -> Result<Sources, BuildError> {
        let secrets = options.run.secrets.iter().map(|(id, secret)| (id.clone(), secret.clone()));
        let fetch = Fetch {
            url: url.to_owned(),
            keeps_git_dir: arguments::keeps_git_dir(options),
            has_epoch: arguments::has_epoch(options),
            secrets: secrets.collect(),
        };
        self.fetched.get_or_make(fetch, || Sources::fetched(self.store, options, url))
    }
}
