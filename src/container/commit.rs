//! Makes an image of a container: its changes become a layer in the same way as a build's.

use std::path::Path;

use super::chroot;
use super::directory::Entry;
use super::docker_files;
use super::error::ContainerError;
use super::pausing::Pause;
use super::record::Record;
use crate::base::digest::ImageId;
use crate::base::io_error::AtPath;
use crate::base::privacy;
use crate::base::rights;
use crate::base::side_by_side::with_deep_stack;
use crate::container::sandbox::{self, CreatedMountPoint};
use crate::image::layer::{self, LayerError, NothingKnown};
use crate::image::{Document, History, ImageConfig};
use crate::store::snapshot::{View, copy_tree, record_of};
use crate::store::{LayerRecord, Store};

/// The size limit of a config.
const CONFIG_LIMIT: u64 = 16 << 20;

/// What the image's config should say.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Who made it.
    pub author: String,
    /// What it is.
    pub message: String,
    /// Pauses the container while its files are copied, so that they are consistent.
    pub pause: bool,
}

/// The image that was made.
#[derive(Debug)]
pub struct Committed {
    /// The new image.
    pub image: ImageId,
    /// Why the container kept running although it should have been paused: its files may be inconsistent.
    pub not_paused: Option<ContainerError>,
}

/// Makes the image; `change` is applied last to its config.
pub fn commit<E: From<ContainerError>>(
    store: &Store,
    entry: &Entry,
    commit: &Commit,
    change: impl FnOnce(&ImageConfig) -> Result<ImageConfig, E>,
) -> Result<Committed, E> {
    chroot::check_ended(entry)?;
    let (layer, not_paused) = with_deep_stack(|| make_layer(store, entry, commit.pause))?;
    let mut config = change(&config(store, &entry.record, commit)?)?;
    let now = jiff::Timestamp::now();
    config.created = Some(now);
    let words = std::iter::once(&entry.record.path).chain(&entry.record.args);
    let created_by = words.cloned().collect::<Vec<_>>().join(" ");
    let history = History {
        created: Some(now),
        created_by,
        author: commit.author.clone(),
        comment: commit.message.clone(),
        ..History::default()
    };
    config.push_layer(layer.diff_id, history);
    Ok(Committed { image: keep(store, &config)?, not_paused })
}

fn keep(store: &Store, config: &ImageConfig) -> Result<ImageId, ContainerError> {
    let digest = store.put_blob(&config.to_bytes())?;
    let id = ImageId::from(digest);
    store.add_image(&id, None)?;
    Ok(id)
}

/// The image's config, with the container's own settings.
fn config(store: &Store, record: &Record, commit: &Commit) -> Result<ImageConfig, ContainerError> {
    let missing = || ContainerError::NoImage { image: record.image.clone() };
    let id: ImageId = record.image.parse().map_err(|_| missing())?;
    let bytes = store.read_blob(&id.into(), CONFIG_LIMIT)?;
    let parent: Document<ImageConfig> = Document::parse("image config", bytes).map_err(|_| missing())?;
    let mut config = parent.child();
    config.config = record.config.run.clone();
    config.author = commit.author.clone();
    Ok(config)
}

/// The layer of the container's changes, and why the container could not be paused.
fn make_layer(
    store: &Store,
    entry: &Entry,
    pause: bool,
) -> Result<(LayerRecord, Option<ContainerError>), ContainerError> {
    let staging = store.staging()?;
    let directory = staging.path().join("layer");
    std::fs::create_dir(&directory).at("create", &directory)?;
    privacy::set_mode(&directory, 0o755)?;
    let pause = if pause { Pause::of(entry) } else { Pause::default() };
    let mount_points = copy(entry, &directory)?;
    let not_paused = pause.end();
    let layers = entry.record.layer_paths();
    sandbox::remove_mount_points(&directory, &mount_points)?;
    let below = View::open(&layers)?;
    docker_files::remove(&directory, &docker_files::found(&View::open(std::slice::from_ref(&directory))?, &below)?)?;
    layer::normalise(&directory, &below, None)?;
    let encoded = layer::encode(&directory, std::io::sink(), &NothingKnown)?;
    let record = record_of(&encoded);
    store.add_layer(rights::held().map_err(LayerError::from)?, &record, &directory)?;
    Ok((record, not_paused))
}

/// Returns the mount points as copied: a program with the same rights could have replaced them meanwhile.
fn copy(entry: &Entry, directory: &Path) -> Result<Vec<CreatedMountPoint>, ContainerError> {
    let upper = entry.upper();
    // A container that was never started has changed nothing.
    if !upper.exists() {
        return Ok(Vec::new());
    }
    let points = &entry.state.mount_points;
    let watched = points.iter().filter_map(|point| point.identity).collect();
    let copied = copy_tree(&upper, directory, &watched)?;
    let copy_of = |point: &CreatedMountPoint| match point.identity {
        None => Some(point.clone()),
        Some(identity) => Some(CreatedMountPoint { identity: Some(*copied.get(&identity)?), ..point.clone() }),
    };
    Ok(points.iter().filter_map(copy_of).collect())
}
