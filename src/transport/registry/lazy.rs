//! Images whose layers stay in the registry until their files are needed.

use super::pull::name;
use super::{PullOptions, Pulled, RegistryError, Repository, Silent, pull};
use crate::base::digest::ImageId;
use crate::image::media_type::{Kind, classify};
use crate::image::{Platform, Reference};
use crate::store::{RemoteBlob, Store};
use crate::transport::transfer::TransferError;

const SCHEME: &str = "registry:";

/// The store's form of a repository as the location of a blob.
pub fn source_of(reference: &Reference) -> String {
    format!("{SCHEME}{}/{}", reference.domain(), reference.path())
}

/// The repository from the text of [`source_of`].
pub fn repository_of(source: &str) -> Option<Reference> {
    Reference::parse_without_default_tag(source.strip_prefix(SCHEME)?).ok()
}

/// Adds the image that the reference, which must be of the repository, means on `platform`: its manifest and config,
/// but of its layers only their location. Layers that may be missing from the registry are fetched at once.
pub fn pull_lazily(
    store: &Store,
    repository: &Repository,
    reference: &Reference,
    platform: Option<&Platform>,
) -> Result<Pulled, RegistryError> {
    let resolved = repository.resolve(reference, platform)?;
    let is_ordinary = |media_type: &str| classify(media_type) == Kind::Layer { foreign: false };
    if !resolved.manifest.layers.iter().all(|layer| is_ordinary(&layer.media_type)) {
        let options = PullOptions { platform: platform.cloned(), ..PullOptions::default() };
        return pull(store, repository, reference, &options, &Silent);
    }
    resolved.manifest.validate(&resolved.config).map_err(TransferError::from)?;
    resolved.config.validate_loaded().map_err(TransferError::from)?;
    for (descriptor, diff_id) in resolved.manifest.layers.iter().zip(&resolved.config.rootfs.diff_ids) {
        let blob = RemoteBlob {
            digest: descriptor.digest,
            size: descriptor.size,
            media_type: descriptor.media_type.clone(),
            source: source_of(reference),
        };
        store.add_layer_source(diff_id, &blob)?;
    }
    store.put_blob(resolved.config.bytes())?;
    let manifest = store.put_blob(resolved.manifest.bytes())?;
    let id = ImageId::from(resolved.config.digest());
    store.add_image(&id, Some(&manifest))?;
    name(store, reference, &resolved, id)
}
