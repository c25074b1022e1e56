//! What is asked of an archive, and what is found in it.

use crate::base::digest::{BlobDigest, ImageId};
use crate::image::{Annotations, Platform, Reference};
use crate::transport::transfer::{IncomingImage, Outgoing};

/// What to take out of an archive.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Of an image with several platforms, the one to take; all when nothing is said.
    pub platform: Option<Platform>,
    /// Take only this image of an OCI layout.
    pub select: Option<Selection>,
    /// Leave the images untagged: they serve as a build's base, and nobody asked to have them by name.
    pub untagged: bool,
}

/// How one image of an OCI layout is named (`oci-layout://path:tag`, `oci-layout://path@digest`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The tag, or the full name, that the layout gives it.
    Name(String),
    /// The digest of its manifest or index.
    Digest(BlobDigest),
}

/// An image of the archive, or an index of several, not yet checked against its layers.
pub(super) struct Candidate {
    pub names: Vec<Reference>,
    /// One, or those of an index.
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
