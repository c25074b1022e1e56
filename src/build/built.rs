//! The result of a build.

use crate::base::digest::ImageId;
use crate::image::{ImageConfig, Platform};
use crate::transport::registry::Pushed;
use crate::transport::transfer::Outgoing;

use super::findings::Findings;

/// What a build made.
#[derive(Debug, Clone)]
pub struct BuildResult {
    /// One for each platform.
    pub images: Vec<BuiltImage>,
    /// The images, or the index, with their annotations: what the tags refer to.
    pub outgoing: Outgoing,
    /// What the checks found.
    pub findings: Findings,
    /// What the names refer to in their registries, if it was pushed.
    pub pushed: Vec<Pushed>,
    /// At least one step was executed, so the store has data that a power loss would take. The caller runs
    /// [`Store::sync`] when it has time.
    pub made_layers: bool,
}

/// The image of one platform.
#[derive(Debug, Clone, PartialEq)]
pub struct BuiltImage {
    /// The digest of its config.
    pub id: ImageId,
    /// What it was built for.
    pub platform: Platform,
    /// Its config, complete.
    pub config: ImageConfig,
}

impl BuildResult {
    /// The image, or the one that stands for the index.
    pub fn id(&self) -> ImageId {
        self.outgoing.id
    }

    /// Whether it is an index of several images.
    pub fn is_index(&self) -> bool {
        !self.outgoing.index.is_empty()
    }
}
