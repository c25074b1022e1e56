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

/// What has to be done, in an order in which it can be done.
#[derive(Debug, Clone)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// One for each platform.
    pub images: Vec<PlannedImage>,
    /// SOURCE_DATE_EPOCH, in seconds since 1970.
    pub epoch: Option<i64>,
}

/// What is to come out of a plan.
#[derive(Debug, Clone)]
pub struct PlannedImage {
    /// The platform that was asked for.
    pub platform: Platform,
    /// The step whose root filesystem is the image's.
    pub step: StepId,
    /// The image's config, but for the diffIDs and the times.
    pub config: ImageConfig,
    /// How many of the config's history entries are the base image's and keep their times.
    pub base_history: usize,
}

#[derive(Debug, Clone)]
pub struct Step {
    /// What it is known by from build to build: `[build 2/5] RUN make`.
    pub name: String,
    /// How it is shown: the same with the instruction's flags.
    pub title: String,
    /// What it is executed for, where a build has several platforms.
    pub platform: Option<Platform>,
    pub lines: Lines,
    /// Where the words of its instruction stand.
    pub parts: Parts,
    /// Execute it whatever the cache has.
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

/// What a base name stood for when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseIdentity {
    pub name: String,
    /// Of its manifest where that is known, or else of its config.
    pub digest: String,
}

/// `RUN`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStep {
    pub parent: StepId,
    pub arguments: Vec<String>,
    /// What the process gets, but for `HOME`.
    pub environment: Vec<(String, String)>,
    /// Those of the environment that an ARG declared; no part of the cache key.
    pub argument_names: Vec<String>,
    /// Proxies: given to the process, no part of the cache key.
    pub proxies: Vec<(String, String)>,
    pub working_directory: String,
    /// As `USER` says it; empty for root.
    pub user: String,
    pub network: NetworkMode,
    pub insecure: bool,
    pub mounts: Vec<RunMount>,
    pub devices: Vec<DeviceRequest>,
    /// A heredoc with a `#!`: its name and text, to be found at `/dev/pipes/NAME`.
    pub script: Option<(String, String)>,
    /// SOURCE_DATE_EPOCH: nothing that it makes is younger.
    pub epoch: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum NetworkMode {
    /// A namespace of its own with a way out.
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
    /// As `--chown` says it.
    pub chown: Option<String>,
    pub chmod: Option<Chmod>,
    pub excludes: Vec<String>,
    pub parents: bool,
    /// The layer is made as if nothing were below it: it does not follow links of the parent, and a rebuilt parent does
    /// not invalidate it.
    pub link: bool,
    /// What gets no time from its source gets this one.
    pub epoch: Option<i64>,
    /// No time is later than this one.
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

/// `WORKDIR`: the folder is there afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryStep {
    pub parent: StepId,
    pub path: PathBuf,
    /// Who owns it, as `USER` says it; empty for root.
    pub user: String,
    pub epoch: Option<i64>,
}

impl Operation {
    /// The steps that this one needs the result of.
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
