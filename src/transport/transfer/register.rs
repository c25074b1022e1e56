//! The last step of receiving an image: its parts are checked against each other, then it becomes visible.

use std::collections::HashSet;
use std::sync::Arc;

use super::receive::LayerStream;
use super::{LayerFormat, Received, Receiver, TransferError};
use crate::base::digest::{BlobDigest, DiffId, ImageId};
use crate::image::{BrokenInvariant, Document, ImageConfig, Manifest};
use crate::store::LayerBlob;

/// An image whose blobs have all been received.
pub struct IncomingImage {
    /// Missing in docker archives from before OCI; such an image gets a manifest when it is pushed.
    pub manifest: Option<Document<Manifest>>,
    pub config: Document<ImageConfig>,
    /// Lowest first.
    pub layers: Vec<IncomingLayer>,
}

#[derive(Clone)]
pub struct IncomingLayer {
    /// From its descriptor; `None` without a descriptor.
    pub media_type: Option<String>,
    pub blob: LayerSource,
}

/// The location of a layer's blob.
#[derive(Clone)]
pub enum LayerSource {
    Received(Arc<Received>),
    /// Already in the store, where it was checked against its diffID on arrival.
    Stored {
        diff_id: DiffId,
        blob: BlobDigest,
    },
}

impl IncomingImage {
    pub fn id(&self) -> ImageId {
        self.config.digest().into()
    }

    /// Checks every layer against the config, and the manifest against both.
    fn validate(&self) -> Result<Vec<NewLayer<'_>>, TransferError> {
        self.config.validate_loaded()?;
        if let Some(manifest) = &self.manifest {
            manifest.validate(&self.config)?;
        }
        let expected = &self.config.rootfs.diff_ids;
        if expected.len() != self.layers.len() {
            return Err(BrokenInvariant::LayerCount { manifest: self.layers.len(), config: expected.len() }.into());
        }
        let mut new = Vec::new();
        for (layer, expected) in self.layers.iter().zip(expected) {
            new.extend(check_layer(layer, *expected)?);
        }
        Ok(new)
    }
}

/// A received layer that matches the config.
struct NewLayer<'a> {
    stream: LayerStream,
    received: &'a Received,
    media_type: String,
}

/// The layer, if it has to be added to the store.
fn check_layer(layer: &IncomingLayer, expected: DiffId) -> Result<Option<NewLayer<'_>>, TransferError> {
    let (blob, actual) = match &layer.blob {
        LayerSource::Stored { diff_id, blob } => (*blob, Ok((*diff_id, None))),
        LayerSource::Received(received) => {
            (received.digest, received.layer().map(|stream| (stream.diff_id, Some((stream, received)))))
        }
    };
    let (actual, new) =
        actual.map_err(|reason| TransferError::NotALayer { digest: blob, reason: reason.to_owned() })?;
    if actual != expected {
        return Err(TransferError::WrongDiffId { blob, expected, actual });
    }
    Ok(new.map(|(stream, received)| {
        let media_type = layer.media_type.clone();
        let media_type = media_type.unwrap_or_else(|| LayerFormat::media_type_of(stream.compression));
        NewLayer { stream, received, media_type }
    }))
}

impl Receiver<'_> {
    /// Checks all `images`, then adds their blobs and records to the store. If one is wrong, none is added.
    pub fn register(&self, images: &[IncomingImage]) -> Result<(), TransferError> {
        let checked = images.iter().map(IncomingImage::validate).collect::<Result<Vec<_>, _>>()?;
        let mut adopted = HashSet::new();
        for (image, layers) in images.iter().zip(checked) {
            for NewLayer { stream, received, media_type } in layers {
                self.adopt(received, &mut adopted)?;
                let blob = LayerBlob {
                    digest: received.digest,
                    size: received.size,
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
