//! What concurrent builds share, so that it is done once: contexts, base images, steps, the network.

use std::path::PathBuf;
use std::sync::Arc;

use crate::base::once_map::OnceMap;
use crate::base::rights::{NoRights, Rights};
use crate::build::context::Context;
use crate::build::solve::{BuildNetwork, Executed, Secret, Work};
use crate::container::sandbox;
use crate::language::plan::BaseImage;
use crate::store::{Reader, Store};

use super::arguments;
use super::error::BuildError;
use super::options::{BuildOptions, ContextSource};
use super::shared_cache;
use super::sources::Sources;

/// Builds that may run concurrently, each on its own thread. A single build is a batch of one.
pub struct Batch<'a> {
    /// What is known already.
    pub(super) store: &'a Reader,
    written: &'a Store,
    may: May,
    /// Contexts that came from a repository or the network.
    fetched: OnceMap<Fetch, Sources>,
    /// Folders that were walked, each with the text of its ignore file.
    pub(super) scanned: OnceMap<(PathBuf, Vec<u8>), Arc<Context>>,
    pub(super) bases: OnceMap<BaseQuestion, BaseImage>,
    pub(super) executed: Executed,
    pub(super) network: BuildNetwork,
}

/// What builds may do.
enum May {
    /// Find out whether all is known.
    Probe,
    /// Read contexts from wherever they are, and ask registries.
    Fetch,
    /// Execute steps, too.
    Work(Rights),
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
    pub fn new(store: &'a Store, rights: Rights, builds: &[&BuildOptions]) -> Result<Self, BuildError> {
        shared_cache::know_places(store, builds)?;
        Ok(Self::that(May::Work(rights), store))
    }

    /// For what executes nothing.
    pub(super) fn offline(store: &'a Store) -> Self {
        Self::that(May::Fetch, store)
    }

    /// For a build that only finds out whether all is known.
    pub(super) fn probe(store: &'a Store) -> Self {
        Self::that(May::Probe, store)
    }

    fn that(may: May, store: &'a Store) -> Self {
        let rootless = sandbox::user_namespace::entered().is_some();
        Self {
            store,
            written: store,
            may,
            fetched: OnceMap::default(),
            scanned: OnceMap::default(),
            bases: OnceMap::default(),
            executed: Executed::default(),
            network: BuildNetwork::new(store.root().to_owned(), rootless),
        }
    }

    pub(super) fn is_probe(&self) -> bool {
        matches!(self.may, May::Probe)
    }

    /// The store, for what fetches something. A probe has none.
    pub(super) fn work(&self) -> Result<&'a Store, NoRights> {
        if self.is_probe() { Err(NoRights::noted()) } else { Ok(self.written) }
    }

    /// What steps are executed with.
    pub(super) fn steps_work(&self) -> Option<Work<'a>> {
        match self.may {
            May::Work(rights) => Some(Work { store: self.written, rights }),
            May::Probe | May::Fetch => None,
        }
    }

    /// The store, for what is written down of a build when no step of it is left.
    pub(super) fn for_result(&self) -> &'a Store {
        self.written
    }

    /// The main context of a build.
    pub(super) fn main_context(&self, options: &BuildOptions) -> Result<Sources, BuildError> {
        match &options.context {
            ContextSource::Remote(url) => self.fetched(options, url),
            ContextSource::Directory(path) => Sources::of_folder(path),
            _ => Sources::open(self.work()?, options),
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
        self.fetched.get_or_make(fetch, || Sources::fetched(self.work()?, options, url))
    }
}
