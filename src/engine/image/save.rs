//! Saves images from the store to an archive.

use std::io::Write;

use super::ImageError;
use super::push::of_platform;
use crate::image::{Platform, Reference};
use crate::store::{Store, Tag};
use crate::transport::archive::{self, ArchiveError, NamedImage, SaveFormat};
use crate::transport::transfer::Outgoing;

/// Writes an archive that docker and OCI tools can read.
pub fn save(store: &Store, images: &[NamedImage], out: impl Write + Send) -> Result<(), ArchiveError> {
    archive::save(store, images, SaveFormat::Docker, out)?;
    for NamedImage { image, .. } in images {
        store.tell("save", &image.id, &image.id.to_string());
    }
    Ok(())
}

/// The images that the words refer to, without duplicates: for [`save`].
pub fn select(store: &Store, words: &[String], platform: Option<&Platform>) -> Result<Vec<NamedImage>, ImageError> {
    let mut images: Vec<NamedImage> = Vec::new();
    for word in words {
        for selected in meant(store, word, platform)? {
            match images.iter_mut().find(|known| known.image == selected.image) {
                Some(known) => known.names.extend(selected.names),
                None => images.push(selected),
            }
        }
    }
    for image in &mut images {
        image.names.sort();
        image.names.dedup();
    }
    Ok(images)
}

/// The images that a word refers to, with the names to save: a name without a tag refers to all of its tags.
fn meant(store: &Store, word: &str, platform: Option<&Platform>) -> Result<Vec<NamedImage>, ImageError> {
    if let Ok(name) = Reference::parse_without_default_tag(word)
        && name.tag().is_none()
        && name.digest().is_none()
    {
        let prefix = format!("{name}:");
        let tags: Vec<_> = store.tags()?.into_iter().filter(|tag| tag.name.starts_with(&prefix)).collect();
        if !tags.is_empty() {
            return tags.iter().map(|tag| named(store, tag, platform)).collect();
        }
    }
    let found = store.find_image(word)?;
    let tag = match found.reference {
        Some(name) => store.whole_tag(&name.to_string())?.filter(|tag| tag.image == found.id),
        None => None,
    };
    named(store, &tag.unwrap_or_else(|| Tag::single("", &found.id)), platform).map(|image| vec![image])
}

/// All images of the tag, or its image for the platform.
fn named(store: &Store, tag: &Tag, platform: Option<&Platform>) -> Result<NamedImage, ImageError> {
    let name = Reference::parse_without_default_tag(&tag.name).ok().filter(|name| name.tag().is_some());
    let called = || name.as_ref().map_or_else(|| tag.image.to_string(), Reference::familiar);
    let image = of_platform(store, Outgoing::of_tag(tag)?, platform, called)?;
    Ok(NamedImage { image, names: name.into_iter().collect() })
}
