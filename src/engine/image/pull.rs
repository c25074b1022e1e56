//! From a registry into the store.

use std::sync::Once;

use super::ImageError;
use crate::base::digest::BlobDigest;
use crate::image::{Platform, Reference};
use crate::store::{Store, sync_in_background};
use crate::transport::registry::{
    self, Client, Event, PARALLEL, Progress, PullOptions, Pulled, RegistryError, Repository,
};

/// What is to be pulled.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// As it was typed: without a tag where none was.
    pub name: Reference,
    /// All tags of the repository, in place of one.
    pub all_tags: bool,
    /// Of an image for several platforms, this one; nothing for that of this machine.
    pub platform: Option<Platform>,
    /// How many layers are downloaded at the same time.
    pub parallel: usize,
}

impl PullRequest {
    /// An image for this machine.
    pub fn new(name: Reference) -> Self {
        Self { name, all_tags: false, platform: None, parallel: PARALLEL }
    }
}

/// Whoever is told of a pull.
pub trait PullWatcher: Sync {
    /// The registry has this one, and it begins.
    fn begins(&self, _: &Reference) {}

    /// Whoever is told of its layers. Dropped when all of them are there, or none will be.
    fn layers(&self, reference: &Reference) -> Box<dyn Progress + '_>;

    /// The layers are there or have failed; the repository knows which mirrors served.
    fn ends(&self, _: &Repository) {}

    /// It is here.
    fn pulled(&self, _: &Reference, _: &Pulled) {}
}

/// Pulls what is asked for and names it.
pub fn pull(
    store: &Store,
    client: &Client,
    request: &PullRequest,
    watcher: &dyn PullWatcher,
) -> Result<Vec<Pulled>, ImageError> {
    let name = &request.name;
    if request.all_tags && (name.tag().is_some() || name.digest().is_some()) {
        return Err(ImageError::TagAndAllTags);
    }
    let repository = client.repository(name)?;
    let references = match request.all_tags {
        true => {
            let tags = repository.tags()?;
            tags.iter().map(|tag| name.with_tag(tag)).collect::<Result<Vec<_>, _>>()?
        }
        false => vec![name.clone().with_default_tag()],
    };
    let mut pulled = Vec::new();
    for reference in references {
        pulled.push(one(store, &repository, &reference, request, watcher)?);
    }
    Ok(pulled)
}

fn one(
    store: &Store,
    repository: &Repository,
    reference: &Reference,
    request: &PullRequest,
    watcher: &dyn PullWatcher,
) -> Result<Pulled, RegistryError> {
    let options = PullOptions { platform: request.platform.clone(), parallel: request.parallel };
    let progress = watcher.layers(reference);
    let begun = Begun { progress: progress.as_ref(), once: Once::new(), tell: &|| watcher.begins(reference) };
    let pulled = registry::pull(store, repository, reference, &options, &begun);
    if pulled.is_ok() {
        begun.tell();
    }
    drop(progress);
    watcher.ends(repository);
    let pulled = pulled?;
    store.tell("pull", &pulled.id, &reference.familiar());
    if pulled.is_new {
        sync_behind(store);
    }
    watcher.pulled(reference, &pulled);
    Ok(pulled)
}

/// Tells that it begins with the first that is heard of a layer: a registry that has none of it says nothing.
struct Begun<'a> {
    progress: &'a dyn Progress,
    once: Once,
    tell: &'a (dyn Fn() + Sync),
}

impl Begun<'_> {
    fn tell(&self) {
        self.once.call_once(|| (self.tell)());
    }
}

impl Progress for Begun<'_> {
    fn event(&self, blob: &BlobDigest, event: Event<'_>) {
        self.tell();
        self.progress.event(blob, event);
    }

    fn is_cancelled(&self) -> bool {
        self.progress.is_cancelled()
    }
}

/// Has what came written to the disk while the caller goes on. Where that fails, it is looked at again after a reboot.
pub fn sync_behind(store: &Store) {
    let _ = sync_in_background(store.root(), None);
}
