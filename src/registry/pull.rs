//! From a registry into the store.

use std::rc::Rc;

use super::{Registry, RegistryError, Resolved};
use crate::digest::{BlobDigest, DiffId, ImageId};
use crate::image::{Descriptor, Platform, Reference};
use crate::store::Store;
use crate::transfer::{IncomingImage, IncomingLayer, LayerSource, Receiver, TransferError};

/// An image that is in the store now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    pub id: ImageId,
    /// The digest of what the name leads to: an index or a manifest.
    pub digest: BlobDigest,
    /// False when the name meant this image already.
    pub is_new: bool,
}

/// What is told while an image is pulled.
pub trait Progress {
    fn layer_exists(&mut self, blob: &BlobDigest);
    fn layer_complete(&mut self, blob: &BlobDigest);
}

/// Tells nothing.
pub struct Silent;

impl Progress for Silent {
    fn layer_exists(&mut self, _: &BlobDigest) {}
    fn layer_complete(&mut self, _: &BlobDigest) {}
}

/// Pulls the image that the registry's reference means on `platform`, with all its layers, and tags it. When anything is
/// wrong, the store is as it was.
pub fn pull(
    store: &Store,
    registry: &Registry,
    platform: Option<&Platform>,
    progress: &mut dyn Progress,
) -> Result<Pulled, RegistryError> {
    let reference = registry.reference();
    let resolved = registry.resolve(platform)?;
    let id = ImageId::from(resolved.config.digest());
    registry.fetch(store, &resolved, progress)?;
    name(store, reference, &resolved, id)
}

/// Lets the reference, and the one with the digest in its place, mean the image.
pub(super) fn name(
    store: &Store,
    reference: &Reference,
    resolved: &Resolved,
    id: ImageId,
) -> Result<Pulled, RegistryError> {
    let digest = resolved.digest;
    let mut names = vec![reference.with_digest(&digest).to_string()];
    if reference.digest().is_none() {
        names.push(reference.to_string());
    }
    let mut is_new = false;
    for name in names {
        is_new |= store.tag(&name)? != Some(id);
        store.set_tag(&name, &id)?;
    }
    Ok(Pulled { id, digest, is_new })
}

impl Registry {
    /// Brings a resolved image into the store, untagged: of its layers, those that are not there.
    pub fn fetch(&self, store: &Store, resolved: &Resolved, progress: &mut dyn Progress) -> Result<(), RegistryError> {
        let mut receiver = Receiver::new(store)?;
        resolved.manifest.validate(&resolved.config).map_err(TransferError::from)?;
        let mut layers = Vec::new();
        for (descriptor, diff_id) in resolved.manifest.layers.iter().zip(&resolved.config.rootfs.diff_ids) {
            let blob = match stored(store, descriptor, diff_id)? {
                Some(blob) => {
                    progress.layer_exists(&descriptor.digest);
                    blob
                }
                None => {
                    let blob = self.fetch_layer(&mut receiver, descriptor)?;
                    progress.layer_complete(&descriptor.digest);
                    blob
                }
            };
            layers.push(IncomingLayer { media_type: Some(descriptor.media_type.clone()), blob });
        }
        let image =
            IncomingImage { manifest: Some(resolved.manifest.clone()), config: resolved.config.clone(), layers };
        receiver.register(std::slice::from_ref(&image))?;
        Ok(())
    }

    fn fetch_layer(&self, receiver: &mut Receiver<'_>, descriptor: &Descriptor) -> Result<LayerSource, RegistryError> {
        let Descriptor { digest, size: expected, .. } = *descriptor;
        // One byte more than there should be is enough to see that there is too much.
        let reader = std::io::Read::take(self.blob(&digest)?, expected + 1);
        let received = receiver.receive(reader, &format!("layer {digest}"))?;
        if received.size != expected {
            return Err(TransferError::WrongSize { digest, expected, actual: received.size }.into());
        }
        if received.digest != digest {
            return Err(TransferError::WrongDigest { expected: digest, actual: received.digest }.into());
        }
        Ok(LayerSource::Received(Rc::new(received)))
    }
}

/// The layer as the store has it already, if it does.
fn stored(store: &Store, descriptor: &Descriptor, diff_id: &DiffId) -> Result<Option<LayerSource>, RegistryError> {
    let blobs = store.layer_blobs(diff_id)?;
    let blob = blobs.into_iter().find(|blob| blob.digest == descriptor.digest);
    Ok(blob.map(|blob| LayerSource::Stored { diff_id: *diff_id, blob: blob.digest }))
}
