//! Removes images and their names.

use std::collections::HashSet;

use serde_json::{Value, json};
use sha2::Digest as _;

use super::ImageError;
use super::info::{self, ImageInfo};
use super::users::ImageUse;
use crate::base::digest::{BlobDigest, DiffId, ImageId};
use crate::image::{Platform, Reference};
use crate::store::{Store, Tag};

/// Something that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A name.
    Untagged(Reference),
    /// An image.
    Image(ImageId),
    /// A layer, by the chain ID of the stack that it was on top of (image-spec, config.md, "Layer ChainID").
    Layer(BlobDigest),
}

impl Removed {
    /// As docker's API lists it.
    pub fn describe(&self) -> Value {
        match self {
            Self::Untagged(name) => json!({"Untagged": name.familiar()}),
            Self::Image(id) => json!({"Deleted": id}),
            Self::Layer(chain) => json!({"Deleted": chain}),
        }
    }
}

/// Options of a removal.
#[derive(Debug, Clone, Copy)]
pub struct Removal {
    /// Also remove an image that has other names, or is used by a container that does not run.
    pub force: bool,
    /// Also remove the layers that nothing else needs.
    pub prune: bool,
}

/// Removes what `word` refers to; of a multi-platform image, only the given platforms. With force, it is no error if it
/// does not exist: see [`Removal`].
pub fn remove(store: &Store, word: &str, platforms: &[Platform], removal: Removal) -> Result<Vec<Removed>, ImageError> {
    let chosen = platforms.iter().map(|platform| info::find_for(store, word, Some(platform)));
    let chosen: Vec<ImageId> = chosen.collect::<Result<_, _>>()?;
    let all = info::find_all(store, word);
    if chosen.is_empty() || all.is_ok_and(|all| all.iter().all(|id| chosen.contains(id))) {
        return remove_one(store, word, removal);
    }
    let mut removed = Vec::new();
    for id in chosen {
        removed.extend(remove_one(store, &id.to_string(), Removal { force: true, ..removal })?);
    }
    Ok(removed)
}

/// Only the name if the image has others, else the image.
fn remove_one(store: &Store, word: &str, removal: Removal) -> Result<Vec<Removed>, ImageError> {
    let found = store.find_image(word)?;
    let image = info::one(store, &found.id)?;
    let Some(name) = found.reference else { return remove_by_id(store, &image, word, removal) };
    let others = image.tags.iter().chain(&image.digests).filter(|other| **other != name);
    // Digests of a repository are removed with its last tag.
    let same_repository = |other: &&Reference| other.repository() == name.repository();
    let (same, elsewhere): (Vec<_>, Vec<_>) = others.partition(same_repository);
    if !elsewhere.is_empty() || same.iter().any(|other| other.tag().is_some()) {
        let mut removed = untag(store, &name, removal)?;
        if name.tag().is_some() && !same.iter().any(|other| other.tag().is_some()) {
            for digest in same {
                removed.extend(untag(store, digest, removal)?);
            }
        }
        return Ok(removed);
    }
    let container_use = ImageUse::of(store)?;
    match container_use.user(&image.id()) {
        None => delete(store, &image, removal),
        Some(user) if !removal.force => Err(ImageError::ReferenceInUse {
            word: word.to_owned(),
            container: user.record.short_id().to_owned(),
            image: image.id().short().to_string(),
        }),
        // The image stays under its ID while the container runs.
        Some(user) if user.is_running => untag_all(store, &image, removal),
        Some(_) => delete(store, &image, removal),
    }
}

fn remove_by_id(store: &Store, image: &ImageInfo, word: &str, removal: Removal) -> Result<Vec<Removed>, ImageError> {
    let repositories: HashSet<String> = image.tags.iter().chain(&image.digests).map(Reference::repository).collect();
    if repositories.len() > 1 && !removal.force {
        return Err(ImageError::ManyRepositories { word: word.to_owned() });
    }
    if let (Some(index), false) = (image.part_of.first(), removal.force) {
        return Err(ImageError::PartOfIndex { word: word.to_owned(), index: index.familiar() });
    }
    let container_use = ImageUse::of(store)?;
    if let Some(user) = container_use.user(&image.id()).filter(|user| user.is_running || !removal.force) {
        let container = user.record.short_id().to_owned();
        return Err(ImageError::InUse { word: word.to_owned(), is_running: user.is_running, container });
    }
    delete(store, image, removal)
}

fn untag_all(store: &Store, image: &ImageInfo, removal: Removal) -> Result<Vec<Removed>, ImageError> {
    let mut removed = Vec::new();
    for name in image.tags.iter().chain(&image.digests) {
        removed.extend(untag(store, name, removal)?);
    }
    Ok(removed)
}

/// Removes the name, and for an index also the images that nothing else names or uses.
fn untag(store: &Store, name: &Reference, removal: Removal) -> Result<Vec<Removed>, ImageError> {
    let tag = store.whole_tag(&name.to_string())?;
    store.remove_tag(&name.to_string())?;
    let mut removed = vec![Removed::Untagged(name.clone())];
    let Some(tag) = tag.filter(Tag::is_index) else { return Ok(removed) };
    let container_use = ImageUse::of(store)?;
    for image in info::all(store)? {
        let is_part = tag.index.contains(&image.id()) && image.id() != tag.image;
        if is_part && image.is_dangling() && container_use.user(&image.id()).is_none() {
            removed.extend(delete(store, &image, removal)?);
        }
    }
    Ok(removed)
}

/// Removes the image with all its names, and the layers that nothing else needs.
pub fn delete(store: &Store, image: &ImageInfo, removal: Removal) -> Result<Vec<Removed>, ImageError> {
    let mut removed = untag_all(store, image, removal)?;
    if !store.remove_nameless_image(&image.id(), image.part_of.is_empty())? {
        // Another process has named or removed it since.
        return Ok(removed);
    }
    removed.push(Removed::Image(image.id()));
    if removal.prune {
        let diff_ids = &image.config.rootfs.diff_ids;
        let claimed = store.claim_layers(diff_ids)?;
        // A container may have been created since.
        let gone = claimed.remove_unused(&ImageUse::of(store)?.layers())?;
        for (diff_id, chain) in diff_ids.iter().zip(chain_ids(diff_ids)).rev() {
            if gone.contains(diff_id) {
                removed.push(Removed::Layer(chain));
            }
        }
    }
    Ok(removed)
}

/// The chain IDs: one for each layer with all layers below it, which docker prints for a layer.
fn chain_ids(diff_ids: &[DiffId]) -> Vec<BlobDigest> {
    let mut chain: Vec<BlobDigest> = Vec::new();
    for diff_id in diff_ids {
        let next = match chain.last() {
            None => BlobDigest::from(*diff_id),
            Some(parent) => BlobDigest::from_bytes(sha2::Sha256::digest(format!("{parent} {diff_id}")).into()),
        };
        chain.push(next);
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_begins_with_its_lowest_layer() {
        let (a, b) = (DiffId::from_bytes([1; 32]), DiffId::from_bytes([2; 32]));
        let chain = chain_ids(&[a, b]);
        assert_eq!(chain[0], BlobDigest::from(a));
        assert_eq!(chain[1], BlobDigest::of(format!("{a} {b}").as_bytes()));
    }
}
