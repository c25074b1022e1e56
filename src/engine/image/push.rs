//! Pushes images from the store to a registry.

use super::ImageError;
use crate::image::{Platform, Reference, best_match};
use crate::store::{Store, StoreError, Tag};
use crate::transport::registry::{self, Client, Progress, Push, PushOptions, Pushed};
use crate::transport::transfer::Outgoing;

/// The request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PushRequest {
    /// As it was typed: without a tag if none was given.
    pub name: Reference,
    /// Push all tags of the name in the store.
    pub all_tags: bool,
    /// Push only this platform of a multi-platform image.
    pub platform: Option<Platform>,
}

impl PushRequest {
    /// The image of that name, for all platforms that the store has of it.
    pub fn new(name: Reference) -> Self {
        Self { name, all_tags: false, platform: None }
    }

    /// Refuses names that can't be pushed from any store.
    pub fn check(&self) -> Result<(), ImageError> {
        if self.name.digest().is_some() {
            return Err(ImageError::PushOfDigest);
        }
        if self.all_tags && self.name.tag().is_some() {
            return Err(ImageError::TagAndAllTags);
        }
        Ok(())
    }
}

/// Selects the images, each with its new name; for [`push`].
pub fn select(store: &Store, request: &PushRequest) -> Result<Vec<Push>, ImageError> {
    request.check()?;
    let tags = tags(store, &request.name, request.all_tags)?;
    tags.iter().map(|tag| chosen(store, tag, request.platform.as_ref())).collect()
}

/// Pushes them. Afterwards, the store also has the names by which their registries know them.
pub fn push(
    store: &Store,
    client: &Client,
    pushes: &[Push],
    options: &PushOptions,
    progress: &dyn Progress,
) -> Result<Vec<Pushed>, ImageError> {
    let pushed = registry::push(store, client, pushes, options, progress)?;
    for (push, pushed) in pushes.iter().zip(&pushed) {
        let name = push.name.with_digest(&pushed.digest);
        match store.write_tag(&push.image.to_tag(&name.to_string())) {
            // Another process has removed the image since it was chosen.
            Err(StoreError::NoImage(_)) => {}
            written => written?,
        }
        store.tell("push", &push.image.id, &push.name.familiar());
    }
    Ok(pushed)
}

fn tags(store: &Store, name: &Reference, all: bool) -> Result<Vec<Tag>, ImageError> {
    if !all {
        let name = name.clone().with_default_tag();
        let tag = store.whole_tag(&name.to_string())?;
        return tag.map(|tag| vec![tag]).ok_or_else(|| ImageError::NoTag { name: name.familiar() });
    }
    let prefix = format!("{}:", name.repository());
    let mut tags = store.tags()?;
    tags.retain(|tag| tag.name.starts_with(&prefix));
    if tags.is_empty() { Err(ImageError::NoTag { name: name.familiar_repository() }) } else { Ok(tags) }
}

fn chosen(store: &Store, tag: &Tag, platform: Option<&Platform>) -> Result<Push, ImageError> {
    let name: Reference = tag.name.parse()?;
    let image = of_platform(store, Outgoing::of_tag(tag)?, platform, || name.familiar())?;
    // From here on, another process removes nothing that is pushed.
    for id in image.images() {
        if !store.hold_image(id)? {
            return Err(ImageError::NoTag { name: name.familiar() });
        }
    }
    Ok(Push { name, image })
}

/// Everything, or only the image for the platform.
pub(super) fn of_platform(
    store: &Store,
    image: Outgoing,
    platform: Option<&Platform>,
    name: impl FnOnce() -> String,
) -> Result<Outgoing, ImageError> {
    let Some(wanted) = platform else { return Ok(image) };
    let platforms = image.images().iter().map(|id| store.platform_of(id)).collect::<Result<Vec<_>, _>>()?;
    let Some(best) = best_match(wanted, &platforms) else {
        let offered = platforms.iter().map(Platform::to_string).collect::<Vec<_>>().join(", ");
        return Err(ImageError::NoPlatform { name: name(), offered, wanted: wanted.to_string() });
    };
    Ok(Outgoing { id: image.images()[best], index: Vec::new(), ..image })
}
