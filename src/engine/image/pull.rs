//! Pulls images from a registry into the store.

use std::sync::Once;

use super::ImageError;
use crate::base::digest::BlobDigest;
use crate::image::{Platform, Reference};
use crate::store::{Store, sync_in_background};
use crate::transport::registry::{
    self, Client, Event, PARALLEL, Progress, PullOptions, Pulled, RegistryError, Repository,
};

/// The request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PullRequest {
    /// As it was typed: without a tag if none was given.
    pub name: Reference,
    /// Pull all tags of the repository.
    pub all_tags: bool,
    /// The platform to pull of a multi-platform image; `None` for this machine's.
    pub platform: Option<Platform>,
    /// How many layers are downloaded in parallel.
    pub parallel: usize,
}

impl PullRequest {
    /// A request for an image for this machine.
    pub fn new(name: Reference) -> Self {
        Self { name, all_tags: false, platform: None, parallel: PARALLEL }
    }
}

/// An observer of a pull.
pub trait PullWatcher: Sync {
    /// The registry has this image, and the pull starts.
    fn begins(&self, _: &Reference) {}

    /// The observer of its layers. Dropped when all are downloaded or the pull has failed.
    fn layers(&self, reference: &Reference) -> Box<dyn Progress + '_>;

    /// The layers are downloaded or have failed; the repository knows which mirrors were used.
    fn ends(&self, _: &Repository) {}

    /// The image is in the store.
    fn pulled(&self, _: &Reference, _: &Pulled) {}
}

/// Pulls and names the images.
///
/// ```no_run
/// use rbuild::engine::image::pull::{PullRequest, PullWatcher, pull};
/// use rbuild::image::Reference;
/// use rbuild::transport::registry::{Client, Progress, Settings, Silent};
///
/// struct Unwatched;
///
/// impl PullWatcher for Unwatched {
///     fn layers(&self, _: &Reference) -> Box<dyn Progress + '_> {
///         Box::new(Silent)
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = rbuild::engine::store::open("/var/lib/rbuild".as_ref())?;
/// let client = Client::new(&Settings::from_environment()?)?;
/// pull(&store, &client, &PullRequest::new("debian:12".parse()?), &Unwatched)?;
/// # Ok(())
/// # }
/// ```
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

/// Reports the start with the first event of a layer: if the registry does not have the image, there is none.
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

/// Syncs the store to the disk in the background. If that fails, the content is checked after a reboot.
pub fn sync_behind(store: &Store) {
    let _ = sync_in_background(store.root(), None);
}
