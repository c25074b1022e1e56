//! The request for a plan, and the one question that planning asks.

use std::collections::BTreeMap;

use crate::base::digest::DiffId;
use crate::image::{ImageConfig, Platform, Reference};

use super::step::NetworkMode;

/// The user's request.
#[derive(Debug, Clone)]
pub struct PlanRequest {
    /// The stage to build, by name; the last one when absent.
    pub target: Option<String>,
    pub build_args: BTreeMap<String, String>,
    /// `--label`: set last, overriding those of the Dockerfile.
    pub labels: Vec<(String, String)>,
    /// The platform to build for.
    pub platform: Platform,
    /// Whether the user named it, so that the image has it whatever its base says.
    pub platform_is_explicit: bool,
    pub epoch: Epoch,
    /// Triggers of base images are not executed.
    pub ignores_triggers: bool,
    /// Copied files are not younger than SOURCE_DATE_EPOCH, like BuildKit's `rewrite-timestamp`.
    pub reproducible: bool,
    /// The build has several platforms: steps show theirs.
    pub several_platforms: bool,
    /// The platform of this machine.
    pub build_platform: Platform,
    pub no_cache: NoCache,
    /// The network of every `RUN` without one of its own.
    pub network: NetworkMode,
    /// `--allow network.host`
    pub allow_host_network: bool,
    /// `--allow security.insecure`
    pub allow_insecure: bool,
}

/// The result of SOURCE_DATE_EPOCH.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Epoch {
    /// The number that it is.
    #[default]
    AsWritten,
    /// The time of the named object, in seconds since 1970, if it has one.
    Resolved(Option<i64>),
}

/// Which steps run even if they are cached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NoCache {
    #[default]
    Never,
    Always,
    /// Those of the stages with these names.
    Stages(Vec<String>),
}

impl NoCache {
    pub(super) fn covers(&self, stage: Option<&str>) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Stages(names) => stage.is_some_and(|stage| names.iter().any(|name| name.eq_ignore_ascii_case(stage))),
        }
    }
}

/// A base image: what its name stands for.
#[derive(Debug, Clone)]
pub struct BaseImage {
    /// Its display name: the full reference, with the digest if known.
    pub name: String,
    pub config: ImageConfig,
    pub layers: Vec<DiffId>,
    /// The digest of its manifest if known, or else of its config.
    pub digest: String,
}

/// The target of `--build-context NAME=…`.
#[derive(Debug, Clone)]
pub enum NamedContext {
    Image(Box<BaseImage>),
    /// A folder, opened under this name.
    Directory,
    /// `docker-image://scratch`
    Nothing,
}

/// Why a base is not available. The text is complete; a plan only adds the place.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BaseError {
    pub message: String,
    pub hint: Option<String>,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Resolves base names.
pub trait Bases {
    /// The image of that name for the platform.
    fn image(&self, reference: &Reference, platform: &Platform) -> Result<BaseImage, BaseError>;

    /// The user's replacement for that stage or image, if any. `name` is as written; images are looked up in their
    /// familiar form, without `:latest`.
    fn named_context(&self, name: &str, platform: &Platform) -> Result<Option<NamedContext>, BaseError>;
}
