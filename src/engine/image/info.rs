//! Collects what the store knows about images.

use std::collections::{HashMap, HashSet};

use crate::base::digest::{DiffId, ImageId};
use crate::engine::image::ImageError;
use crate::image::{Document, ImageConfig, Platform, Reference, best_match};
use crate::store::{ImageRecord, Store, Tag};
use crate::transport::transfer::content_size;

/// The size limit of a config.
const CONFIG_LIMIT: u64 = 16 << 20;

/// An image with its names.
pub struct ImageInfo {
    /// Its record in the store.
    pub record: ImageRecord,
    /// Its config.
    pub config: Document<ImageConfig>,
    /// `name:tag`, sorted.
    pub tags: Vec<Reference>,
    /// `name@digest`, sorted: its names in registries.
    pub digests: Vec<Reference>,
    /// The names of indexes that include it but stand for another image, sorted.
    pub part_of: Vec<Reference>,
}

impl ImageInfo {
    /// Its ID.
    pub fn id(&self) -> ImageId {
        self.record.id
    }

    /// The sum of the sizes of its layers' files.
    pub fn size(&self, store: &Store) -> u64 {
        self.config.rootfs.diff_ids.iter().map(|diff_id| layer_size(store, diff_id)).sum()
    }

    /// Whether it has no name.
    pub fn is_dangling(&self) -> bool {
        self.tags.is_empty() && self.digests.is_empty() && self.part_of.is_empty()
    }

    /// Seconds since 1970; the minimum if the image has no creation time.
    pub fn created_second(&self) -> i64 {
        self.config.created.map_or(i64::MIN, |created| created.as_second())
    }
}

/// The size of a layer's files; 0 if the store does not have the layer.
pub fn layer_size(store: &Store, diff_id: &DiffId) -> u64 {
    content_size(store, diff_id).unwrap_or(0)
}

/// Reads the config of an image, up to a size limit.
pub fn read_config(store: &Store, id: &ImageId) -> Result<Document<ImageConfig>, ImageError> {
    Ok(Document::parse("image config", store.read_blob(&(*id).into(), CONFIG_LIMIT)?)?)
}

/// All images, newest first.
pub fn all(store: &Store) -> Result<Vec<ImageInfo>, ImageError> {
    let mut names: HashMap<ImageId, Vec<Reference>> = HashMap::new();
    let mut parts: HashMap<ImageId, Vec<Reference>> = HashMap::new();
    for tag in store.tags()? {
        if let Ok(reference) = Reference::parse_without_default_tag(&tag.name) {
            for other in tag.index.iter().filter(|id| **id != tag.image) {
                parts.entry(*other).or_default().push(reference.clone());
            }
            names.entry(tag.image).or_default().push(reference);
        }
    }
    let mut images = Vec::new();
    for record in store.images()? {
        let config = match read_config(store, &record.id) {
            // Removed since the list was read.
            Err(_) if store.image(&record.id)?.is_none() => continue,
            config => config?,
        };
        let own = names.remove(&record.id).unwrap_or_default();
        let (digests, tags) = own.into_iter().partition(|reference| reference.tag().is_none());
        let part_of = parts.remove(&record.id).unwrap_or_default();
        images.push(ImageInfo { config, record, tags, digests, part_of });
    }
    images.sort_by_key(|image| std::cmp::Reverse(image.created_second()));
    Ok(images)
}

/// All images that a word refers to: those of an index.
pub fn find_all(store: &Store, word: &str) -> Result<Vec<ImageId>, ImageError> {
    let found = store.find_image(word)?;
    let tag = found.reference.map(|name| store.whole_tag(&name.to_string())).transpose()?.flatten();
    Ok(tag.filter(Tag::is_index).map_or(vec![found.id], |tag| tag.index))
}

/// The image with that name for a platform: one of an index, or the only one if it is for that platform.
pub fn find_for(store: &Store, word: &str, platform: Option<&Platform>) -> Result<ImageId, ImageError> {
    let Some(wanted) = platform else { return Ok(store.find_image(word)?.id) };
    let images = find_all(store, word)?;
    let platforms = images.iter().map(|id| store.platform_of(id)).collect::<Result<Vec<_>, _>>()?;
    let Some(best) = best_match(wanted, &platforms) else {
        let offered = platforms.iter().map(Platform::to_string).collect::<Vec<_>>().join(", ");
        let wanted = wanted.to_string();
        return Err(ImageError::OtherPlatform { word: word.to_owned(), offered, wanted });
    };
    Ok(images[best])
}

/// For each image, the bytes of the layers that it shares with others.
pub fn shared_sizes(store: &Store) -> Result<HashMap<ImageId, u64>, ImageError> {
    let images = all(store)?;
    let mut holders: HashMap<DiffId, usize> = HashMap::new();
    for image in &images {
        let each: HashSet<&DiffId> = image.config.rootfs.diff_ids.iter().collect();
        each.into_iter().for_each(|diff_id| *holders.entry(*diff_id).or_default() += 1);
    }
    let shared = |image: &ImageInfo| {
        let layers = image.config.rootfs.diff_ids.iter().filter(|diff_id| holders[*diff_id] > 1);
        layers.map(|diff_id| layer_size(store, diff_id)).sum()
    };
    Ok(images.iter().map(|image| (image.id(), shared(image))).collect())
}

/// Returns an existing image.
pub fn one(store: &Store, id: &ImageId) -> Result<ImageInfo, ImageError> {
    let image = all(store)?.into_iter().find(|image| image.id() == *id);
    image.ok_or(ImageError::Gone(*id))
}
