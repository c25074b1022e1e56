//! Pushes the result to the registries of its names.

use crate::base::digest::BlobDigest;
use crate::build::solve::Cancellation;
use crate::image::Reference;
use crate::store::Store;
use crate::transport::registry::{self, Client, Event, Push, PushOptions, Pushed, RegistryError};
use crate::transport::transfer::LayerFormat;

use super::built::BuildResult;
use super::error::BuildError;
use super::observer::Observer;
use super::options::BuildOptions;

/// Refuses what cannot be pushed, before anything is executed.
pub(super) fn check(options: &BuildOptions) -> Result<(), BuildError> {
    if options.push.is_some() && options.tags.is_empty() && options.push_by_digest.is_empty() {
        return Err(BuildError::NothingToPushTo);
    }
    match options.tags.first() {
        Some(name) if !options.push_by_digest.is_empty() => Err(BuildError::TagWithoutPush { name: name.familiar() }),
        _ => Ok(()),
    }
}

fn names(options: &BuildOptions) -> &[Reference] {
    if options.push_by_digest.is_empty() { &options.tags } else { &options.push_by_digest }
}

/// Pushes the result, where that was asked for.
pub(super) fn push_result(
    store: &Store,
    options: &BuildOptions,
    result: &BuildResult,
    cancellation: &Cancellation,
    observer: &dyn Observer,
) -> Result<Vec<Pushed>, BuildError> {
    let Some(format) = options.push else { return Ok(Vec::new()) };
    let progress = observer.transfers();
    push(store, options, format, result, &Watcher { progress: progress.as_ref(), cancellation, observer })
}

/// Pushes under all names. The result is in the store already, so nothing is lost if this fails.
fn push(
    store: &Store,
    options: &BuildOptions,
    format: LayerFormat,
    result: &BuildResult,
    watcher: &Watcher<'_>,
) -> Result<Vec<Pushed>, BuildError> {
    let pushes: Vec<Push> =
        names(options).iter().map(|name| Push { name: name.clone(), image: result.outgoing.clone() }).collect();
    let client = Client::new(&options.registry)?;
    let immutable_tags_may_stay = options.immutable_tags_may_stay;
    let push_options = PushOptions { format, immutable_tags_may_stay, ..PushOptions::default() };
    let pushed = match registry::push(store, &client, &pushes, &push_options, watcher) {
        Err(RegistryError::Cancelled) => return Err(BuildError::Cancelled),
        pushed => pushed?,
    };
    if options.name_canonical || !options.push_by_digest.is_empty() {
        for Pushed { name, digest, .. } in &pushed {
            store.write_tag(&result.outgoing.to_tag(&name.with_digest(digest).to_string()))?;
        }
    }
    Ok(pushed)
}

/// Observes the push, and may cancel it.
struct Watcher<'a> {
    progress: &'a dyn registry::Progress,
    cancellation: &'a Cancellation,
    observer: &'a dyn Observer,
}

impl registry::Progress for Watcher<'_> {
    fn event(&self, blob: &BlobDigest, event: Event<'_>) {
        self.progress.event(blob, event);
    }

    fn is_cancelled(&self) -> bool {
        self.cancellation.is_cancelled()
    }

    fn holds_names(&self) -> bool {
        self.observer.holds_names()
    }

    fn may_name(&self) -> bool {
        self.observer.sent();
        !self.cancellation.is_cancelled()
    }
}
