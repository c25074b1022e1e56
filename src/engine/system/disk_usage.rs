//! Disk usage.

use std::collections::{HashMap, HashSet};

use crate::base::digest::DiffId;
use crate::container::volume::{VolumeRecord, Volumes};
use crate::container::{Containers, Entry};
use crate::engine::image::ImageError;
use crate::engine::image::info::{self, ImageInfo, layer_size};
use crate::store::{CacheItem, Store, Usage, disk_usage};

/// The disk usage of a store. All sizes are in bytes.
pub struct DiskUsage {
    /// By the contents of their layers. Additional disk usage for blocks, documents and compressed copies is in `rest`.
    pub images: Vec<ImageUsage>,
    /// The total of all layers, each counted once although images share them.
    pub layers_size: u64,
    /// The part of it in images of containers.
    pub used_layers_size: u64,
    /// Each with the size of its changes.
    pub containers: Vec<(Entry, u64)>,
    /// By name.
    pub volumes: Vec<VolumeUsage>,
    /// Most recently used first.
    pub cache: Vec<CacheItem>,
    /// The store's own data: the database, locks, the history of builds, files being written, and what images use in
    /// addition to their contents.
    pub rest: u64,
}

/// The disk usage of an image.
pub struct ImageUsage {
    /// Which one it is.
    pub image: ImageInfo,
    /// The size of its layers' files.
    pub size: u64,
    /// The part of it that no other image has.
    pub unique: u64,
    /// The number of containers that were created from it.
    pub users: usize,
}

/// The disk usage of a volume.
pub struct VolumeUsage {
    /// Which one it is.
    pub record: VolumeRecord,
    /// The number of containers that use it.
    pub links: usize,
    /// The size of its files.
    pub size: u64,
}

/// Measures everything.
pub fn measure(store: &Store) -> Result<DiskUsage, ImageError> {
    let containers = Containers::of(store.root()).list()?;
    store.hold_nothing();
    let usage = store.usage()?;
    let (images, layers_size, used_layers_size) = images(store, &containers)?;
    let volumes = volumes(store, &usage, &containers)?;
    let kept: HashSet<DiffId> = containers.iter().flat_map(|entry| entry.record.needed_layers()).collect();
    let mut cache = store.cache_items(&usage, &kept)?;
    cache.reverse();
    let with_size = |entry: Entry| {
        let size = usage.of("containers").get(&entry.record.id).copied().unwrap_or(0);
        (entry, size)
    };
    let containers: Vec<(Entry, u64)> = containers.into_iter().map(with_size).collect();
    let known = layers_size
        + containers.iter().map(|(_, size)| size).sum::<u64>()
        + volumes.iter().map(|volume| volume.size).sum::<u64>()
        + cache.iter().map(|item| item.size).sum::<u64>();
    let rest = usage.total().saturating_sub(known);
    Ok(DiskUsage { images, layers_size, used_layers_size, containers, volumes, cache, rest })
}

/// Each image, the size of all layers, and the size of those that containers use.
fn images(store: &Store, containers: &[Entry]) -> Result<(Vec<ImageUsage>, u64, u64), ImageError> {
    let all = info::all(store)?;
    let layers = |image: &ImageInfo| -> Vec<(DiffId, u64)> {
        image.config.rootfs.diff_ids.iter().map(|diff_id| (*diff_id, layer_size(store, diff_id))).collect()
    };
    let sizes: Vec<Vec<(DiffId, u64)>> = all.iter().map(layers).collect();
    let mut holders: HashMap<DiffId, usize> = HashMap::new();
    for layers in &sizes {
        let each: HashSet<DiffId> = layers.iter().map(|(diff_id, _)| *diff_id).collect();
        each.into_iter().for_each(|diff_id| *holders.entry(diff_id).or_default() += 1);
    }
    let (mut seen, mut kept) = (HashSet::new(), HashSet::new());
    let (mut images, mut total, mut used_total) = (Vec::new(), 0, 0);
    for (image, layers) in all.into_iter().zip(&sizes) {
        let id = image.id().to_string();
        let users = containers.iter().filter(|entry| entry.record.image == id).count();
        let sum = |is_counted: &mut dyn FnMut(&DiffId) -> bool| -> u64 {
            layers.iter().filter(|(diff_id, _)| is_counted(diff_id)).map(|(_, bytes)| bytes).sum()
        };
        let size = sum(&mut |_| true);
        let unique = sum(&mut |diff_id| holders[diff_id] == 1);
        total += sum(&mut |diff_id| seen.insert(*diff_id));
        if users > 0 {
            used_total += sum(&mut |diff_id| kept.insert(*diff_id));
        }
        images.push(ImageUsage { image, size, unique, users });
    }
    Ok((images, total, used_total))
}

fn volumes(store: &Store, usage: &Usage, containers: &[Entry]) -> Result<Vec<VolumeUsage>, ImageError> {
    let mut volumes = Vec::new();
    for record in Volumes::of(store.root()).list().map_err(crate::container::ContainerError::from)? {
        let has_it = |entry: &&Entry| entry.record.mounts.iter().any(|mount| mount.name == record.name);
        let links = containers.iter().filter(has_it).count();
        let size = usage.of("volumes").get(&record.name).copied().unwrap_or_else(|| disk_usage(&record.mountpoint));
        volumes.push(VolumeUsage { record, links, size });
    }
    Ok(volumes)
}
