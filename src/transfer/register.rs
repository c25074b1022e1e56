//! The last step of taking an image in: all its parts are checked against each other, then it becomes visible.

use std::collections::HashSet;
use std::rc::Rc;

use super::receive::LayerStream;
use super::{LayerFormat, Received, Receiver, TransferError};
use crate::digest::{BlobDigest, DiffId, ImageId};
use crate::image::{Document, ImageConfig, Manifest};
use crate::store::LayerBlob;

/// An image all of whose blobs were received.
pub struct IncomingImage {
    /// Missing in docker's archives of before OCI; such an image gets a manifest when it is pushed.
    pub manifest: Option<Document<Manifest>>,
    pub config: Document<ImageConfig>,
    /// The lowest first.
    pub layers: Vec<IncomingLayer>,
}

#[derive(Clone)]
pub struct IncomingLayer {
    /// As its descriptor says; nothing where there is no descriptor.
    pub media_type: Option<String>,
    pub blob: Rc<Received>,
}

impl IncomingImage {
    pub fn id(&self) -> ImageId {
        self.config.digest().into()
    }

    /// Checks every layer against the config, and the manifest against both.
    fn validate(&self) -> Result<Vec<(LayerStream, &IncomingLayer)>, TransferError> {
        self.config.validate_loaded()?;
        if let Some(manifest) = &self.manifest {
            manifest.validate(&self.config)?;
        }
        let expected = &self.config.rootfs.diff_ids;
        if expected.len() != self.layers.len() {
            let counts =
                crate::image::BrokenInvariant::LayerCount { manifest: self.layers.len(), config: expected.len() };
            return Err(counts.into());
        }
        self.layers.iter().zip(expected).map(|(layer, expected)| Ok((check_layer(layer, *expected)?, layer))).collect()
    }
}

fn check_layer(layer: &IncomingLayer, expected: DiffId) -> Result<LayerStream, TransferError> {
    let blob = layer.blob.digest;
    match layer.blob.layer() {
        Ok(stream) if stream.diff_id == expected => Ok(stream),
        Ok(stream) => Err(TransferError::WrongDiffId { blob, expected, actual: stream.diff_id }),
        Err(reason) => Err(TransferError::NotALayer { digest: blob, reason: reason.to_owned() }),
    }
}

impl Receiver<'_> {
    /// Checks all `images`, then puts their blobs into the store and makes them known. When one is wrong, none comes in.
    pub fn register(&self, images: &[IncomingImage]) -> Result<(), TransferError> {
        let checked = images.iter().map(IncomingImage::validate).collect::<Result<Vec<_>, _>>()?;
        let mut adopted = HashSet::new();
        for (image, layers) in images.iter().zip(checked) {
            for (stream, layer) in layers {
                self.adopt(&layer.blob, &mut adopted)?;
                let media_type =
                    layer.media_type.clone().unwrap_or_else(|| LayerFormat::media_type_of(stream.compression));
                let blob = LayerBlob {
                    digest: layer.blob.digest,
                    size: layer.blob.size,
                    media_type,
                    stream_size: stream.stream_size,
                    content_size: stream.content_size,
                };
                self.store.add_layer_blob(&stream.diff_id, &blob)?;
            }
            self.store.put_blob(image.config.bytes())?;
            let manifest = image.manifest.as_ref().map(|manifest| self.store.put_blob(manifest.bytes())).transpose()?;
            self.store.add_image(&image.id(), manifest.as_ref())?;
        }
        Ok(())
    }

    fn adopt(&self, blob: &Received, adopted: &mut HashSet<BlobDigest>) -> Result<(), TransferError> {
        if adopted.insert(blob.digest) {
            self.store.adopt_blob(&blob.path, &blob.digest)?;
        }
        Ok(())
    }
}
