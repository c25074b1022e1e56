//! An image of a container: what it changed becomes a layer, by the same way as a build's.

use std::path::{Path, PathBuf};

use super::directory::Entry;
use super::error::ContainerError;
use super::record::Record;
use crate::digest::ImageId;
use crate::image::{Document, History, ImageConfig};
use crate::io_error::AtPath;
use crate::layer::{self, NothingKnown};
use crate::privacy;
use crate::sandbox;
use crate::snapshot::{View, copy_tree, record_of};
use crate::store::{LayerRecord, Store};

/// The largest config that is read.
const CONFIG_LIMIT: u64 = 16 << 20;

/// What the image is to say of itself.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    pub author: String,
    pub message: String,
    /// Lets the container wait while its files are copied, so that they fit each other.
    pub pause: bool,
}

/// Makes the image; `change` has the last word on its config.
pub fn commit<E: From<ContainerError>>(
    store: &Store,
    entry: &Entry,
    commit: &Commit,
    change: impl FnOnce(&ImageConfig) -> Result<ImageConfig, E>,
) -> Result<ImageId, E> {
    let layer = make_layer(store, entry, commit.pause)?;
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
    Ok(keep(store, &config)?)
}

fn keep(store: &Store, config: &ImageConfig) -> Result<ImageId, ContainerError> {
    let digest = store.put_blob(&config.to_bytes())?;
    let id = ImageId::from(digest);
    store.add_image(&id, None)?;
    Ok(id)
}

/// The image's config with the container's own instead.
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

fn make_layer(store: &Store, entry: &Entry, pause: bool) -> Result<LayerRecord, ContainerError> {
    let staging = store.staging()?;
    let directory = staging.path().join("layer");
    std::fs::create_dir(&directory).at("create", &directory)?;
    privacy::set_mode(&directory, 0o755)?;
    // An ordinary user may have no cgroups to pause it with; it is copied while it runs then.
    let paused = pause && entry.state.status == super::state::Status::Running && entry.pause().is_ok();
    let copied = copy(entry, &directory);
    if paused {
        // One that was killed meanwhile needs it no more; an error of the copy says more.
        let _ = entry.unpause();
    }
    copied?;
    let layers: Vec<PathBuf> = entry.record.layers.iter().map(PathBuf::from).collect();
    sandbox::remove_mount_points(&directory, &entry.state.mount_points)?;
    layer::normalise(&directory, &View::open(&layers)?, None)?;
    let encoded = layer::encode(&directory, std::io::sink(), &NothingKnown)?;
    let record = record_of(&encoded);
    store.add_layer(&record, &directory)?;
    Ok(record)
}

fn copy(entry: &Entry, directory: &Path) -> Result<(), ContainerError> {
    let upper = entry.upper();
    // One that was never started has changed nothing.
    if upper.exists() { Ok(copy_tree(&upper, directory)?) } else { Ok(()) }
}
