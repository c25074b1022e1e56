//! The plan: steps, and what each one starts from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::digest::DiffId;
use crate::image::{ImageConfig, Platform};
use crate::language::dockerfile::mount::Mount;
use crate::language::dockerfile::{DeviceRequest, Lines};

use super::chmod::Chmod;
use super::part::Parts;

/// A step's place in [`Plan::steps`]; a step only depends on earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepId(pub usize);

/// The steps in an order in which they can run.
#[derive(Debug, Clone)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// One for each platform.
    pub images: Vec<PlannedImage>,
    /// SOURCE_DATE_EPOCH, in seconds since 1970.
    pub epoch: Option<i64>,
}

/// An image that a plan produces.
#[derive(Debug, Clone)]
pub struct PlannedImage {
    /// The requested platform.
    pub platform: Platform,
    /// The step whose root filesystem is the image's.
    pub step: StepId,
    /// The image's config, without the diffIDs and the times.
    pub config: ImageConfig,
    /// How many of the config's history entries come from the base image and keep their times.
    pub base_history: usize,
}

#[derive(Debug, Clone)]
pub struct Step {
    /// Its identity from build to build: `[build 2/5] RUN make`.
    pub name: String,
    /// Its title: the same with the instruction's flags.
    pub title: String,
    /// Its platform, if the build has several.
    pub platform: Option<Platform>,
    pub lines: Lines,
    /// The places of its instruction's words.
    pub parts: Parts,
    /// Execute it even if it is cached.
    pub ignore_cache: bool,
    pub operation: Operation,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Nothing at all, or the layers of a base image.
    Base {
        layers: Vec<DiffId>,
        /// Nothing for `scratch`.
        image: Option<BaseIdentity>,
    },
    Run(Box<RunStep>),
    Copy(Box<CopyStep>),
    Directory(DirectoryStep),
}

/// What a base name stood for at the time of planning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseIdentity {
    pub name: String,
    /// The digest of its manifest if known, or else of its config.
    pub digest: String,
}

/// `RUN`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStep {
    pub parent: StepId,
    pub arguments: Vec<String>,
    /// The process's environment, without `HOME`.
    pub environment: Vec<(String, String)>,
    /// Variables of the environment that an ARG declared; not part of the cache key.
    pub argument_names: Vec<String>,
    /// Proxies: passed to the process, not part of the cache key.
    pub proxies: Vec<(String, String)>,
    pub working_directory: String,
    /// The value of `USER`; empty for root.
    pub user: String,
    pub network: NetworkMode,
    pub insecure: bool,
    pub mounts: Vec<RunMount>,
    pub devices: Vec<DeviceRequest>,
    /// A heredoc with a `#!`: its name and text, available at `/dev/pipes/NAME`.
    pub script: Option<(String, String)>,
    /// SOURCE_DATE_EPOCH: nothing that the step makes is younger.
    pub epoch: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum NetworkMode {
    /// Its own namespace, with access to the outside.
    #[default]
    Default,
    None,
    Host,
}

/// A `RUN --mount`, its variables expanded and its target absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMount {
    pub mount: Mount,
    pub target: String,
    pub source: MountSource,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountSource {
    /// Secrets, SSH agents, tmpfs, and caches that start empty.
    None,
    Tree(TreeSource),
}

/// A tree that files are taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TreeSource {
    /// The build context, or the named one.
    Context(Option<String>),
    Step(StepId),
}

/// `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyStep {
    pub parent: StepId,
    pub sources: Vec<CopySource>,
    /// Absolute; ends with a slash when it names a folder.
    pub destination: String,
    /// The value of `--chown`.
    pub chown: Option<String>,
    pub chmod: Option<Chmod>,
    pub excludes: Vec<String>,
    pub parents: bool,
    /// The layer is made as if nothing were below it: it does not follow links of the parent, and a rebuilt parent does
    /// not invalidate it.
    pub link: bool,
    /// The time for everything that gets none from its source.
    pub epoch: Option<i64>,
    /// The upper limit of all times.
    pub latest_time: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// A path or pattern in a tree.
    Path {
        tree: TreeSource,
        path: String,
        unpack: bool,
    },
    /// A heredoc.
    Inline {
        name: String,
        content: String,
    },
    Http {
        url: String,
        checksum: Option<String>,
        unpack: bool,
    },
    Git {
        url: String,
        checksum: Option<String>,
        keep_git_dir: Option<bool>,
    },
}

/// `WORKDIR`: makes sure that the folder exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryStep {
    pub parent: StepId,
    pub path: PathBuf,
    /// Its owner, from `USER`; empty for root.
    pub user: String,
    pub epoch: Option<i64>,
}

impl Operation {
    /// The steps whose results this one needs.
    pub fn inputs(&self) -> Vec<StepId> {
        let step_of = |tree: &TreeSource| match tree {
            TreeSource::Step(step) => Some(*step),
            TreeSource::Context(_) => None,
        };
        match self {
            Self::Base { .. } => Vec::new(),
            Self::Directory(step) => vec![step.parent],
            Self::Run(step) => {
                let mounted = step.mounts.iter().filter_map(|mount| match &mount.source {
                    MountSource::Tree(tree) => step_of(tree),
                    MountSource::None => None,
                });
                [step.parent].into_iter().chain(mounted).collect()
            }
            Self::Copy(step) => {
                let copied = step.sources.iter().filter_map(|source| match source {
                    CopySource::Path { tree, .. } => step_of(tree),
                    _ => None,
                });
                [step.parent].into_iter().chain(copied).collect()
            }
        }
    }
}
