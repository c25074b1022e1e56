//! What to load from an archive, and what was found in it.

use crate::base::digest::{BlobDigest, ImageId};
use crate::image::{Annotations, Platform, Reference};
use crate::transport::transfer::{IncomingImage, Outgoing};

/// What to load from an archive.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// The platform to load of a multi-platform image; all if not given.
    pub platform: Option<Platform>,
    /// Loads only this image of an OCI layout.
    pub select: Option<Selection>,
    /// Leaves the images untagged: they are a build's base, and nobody asked for their names.
    pub untagged: bool,
}

/// The name of one image in an OCI layout (`oci-layout://path:tag`, `oci-layout://path@digest`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The tag, or the full name, in the layout.
    Name(String),
    /// The digest of its manifest or index.
    Digest(BlobDigest),
}

/// An image of the archive, or an index of several, not yet checked against its layers.
pub(super) struct Candidate {
    pub names: Vec<Reference>,
    /// One image, or those of an index.
    pub images: Vec<IncomingImage>,
    /// Which of them stands for the index.
    pub standing: usize,
    pub annotations: Annotations,
}

impl Candidate {
    pub fn single(names: Vec<Reference>, image: IncomingImage) -> Self {
        Self { names, images: vec![image], standing: 0, annotations: Annotations::default() }
    }

    pub fn outgoing(&self) -> Outgoing {
        let ids: Vec<ImageId> = self.images.iter().map(IncomingImage::id).collect();
        let id = ids[self.standing];
        let index = if ids.len() > 1 { ids } else { Vec::new() };
        Outgoing { id, index, annotations: self.annotations.clone(), docker_media_types: false }
    }
}
