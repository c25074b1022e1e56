//! `docker import`: a root filesystem in a tar becomes an image of one layer.

use std::io::Read;
use std::sync::Arc;

use jiff::Timestamp;

use super::ArchiveError;
use crate::base::digest::ImageId;
use crate::image::{Document, History, ImageConfig, Platform, RunConfig};
use crate::store::Store;
use crate::transport::transfer::{IncomingImage, IncomingLayer, LayerSource, Receiver, TransferError};

/// The image's properties, besides its files.
#[derive(Debug, Clone)]
pub struct Import {
    pub platform: Platform,
    pub config: RunConfig,
    /// The comment of the image's only history entry.
    pub message: String,
    pub created: Timestamp,
}

/// Reads the root filesystem `source` to its end and makes an image of it. The layer is the unmodified tar.
pub fn import(store: &Store, source: impl Read, import: &Import) -> Result<ImageId, ArchiveError> {
    let receiver = Receiver::new(store)?;
    let blob = Arc::new(receiver.receive(source, "the root filesystem")?);
    let stream =
        blob.layer().map_err(|reason| TransferError::NotALayer { digest: blob.digest, reason: reason.to_owned() })?;
    let mut config = ImageConfig {
        platform: import.platform.clone(),
        created: Some(import.created),
        config: import.config.clone(),
        ..ImageConfig::default()
    };
    let history = History { created: Some(import.created), comment: import.message.clone(), ..History::default() };
    config.push_layer(stream.diff_id, history);
    config.validate()?;
    let config = Document::parse("image config", config.to_bytes())?;
    let image = IncomingImage {
        manifest: None,
        config,
        layers: vec![IncomingLayer { media_type: None, blob: LayerSource::Received(blob) }],
    };
    receiver.register(std::slice::from_ref(&image))?;
    Ok(image.id())
}
