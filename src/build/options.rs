//! What a build is asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::{hex, redaction};
use crate::build::explain::Concealer;
use crate::build::remote_cache::{BucketObject, CacheSource, CacheTarget};
use crate::build::solve::RunSettings;
use crate::image::{Annotations, Platform, Reference, host_platform};
use crate::language::plan::{NetworkMode, NoCache};
use crate::transport::registry;
use crate::transport::transfer::LayerFormat;

use super::built::BuiltImage;
use super::failed_files::FailedOutput;
use super::for_engine::ForEngine;
use super::watched::WatchedSlot;

/// All that `rbuild build` can be told.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// What the build is known by later: `BUILDER/NODE/ID`.
    pub reference: String,
    pub context: ContextSource,
    pub dockerfile: DockerfileSource,
    /// A policy beside the Dockerfile counts, as with buildx. Nothing here evaluates one, so there may be none.
    pub heeds_policies: bool,
    pub named_contexts: Vec<(String, NamedContextSource)>,
    pub tags: Vec<Reference>,
    pub build_args: BTreeMap<String, String>,
    pub labels: Vec<(String, String)>,
    pub target: Option<String>,
    /// At least one. Several make an index.
    pub platforms: Vec<Platform>,
    /// The user named them.
    pub platform_is_explicit: bool,
    pub no_cache: NoCache,
    /// Ask the registry for base images that the store has.
    pub pull: bool,
    pub registry: registry::Settings,
    pub network: NetworkMode,
    pub allow_host_network: bool,
    pub allow_insecure: bool,
    pub run: RunSettings,
    /// Where the result goes beside, or in place of, the store.
    pub outputs: Vec<Output>,
    /// What is wanted of the root filesystem of a step that fails.
    pub failed_outputs: Vec<FailedOutput>,
    /// Where it is put down what the build has read, for whoever waits for changes.
    pub watched: Option<WatchedSlot>,
    /// Keep the result in the store, with its tags.
    pub keep: bool,
    /// The user said so in words.
    pub keep_is_asked: bool,
    /// The Docker Engine that the build works for: its images come first as bases.
    pub engine: Option<Arc<ForEngine>>,
    /// The result goes to that engine.
    pub load: bool,
    /// Send the result to the registries of its tags, with layers of this format.
    pub push: Option<LayerFormat>,
    /// Repositories that get the result without a tag, in place of those of `tags`.
    pub push_by_digest: Vec<Reference>,
    /// What was pushed is called by its digest too.
    pub name_canonical: bool,
    /// A tag that the registry lets nobody move stays where it is, and that is no failure.
    pub immutable_tags_may_stay: bool,
    /// All layers have this format when they leave, those of the base too.
    pub force_compression: Option<LayerFormat>,
    /// Manifests and indexes have docker's media types when they leave, not OCI's.
    pub docker_media_types: bool,
    /// All layers are unpacked in the store, ready to be run.
    pub unpack: bool,
    /// Make one layer of those that the build makes.
    pub squash: bool,
    /// Copied files are no younger than SOURCE_DATE_EPOCH.
    pub reproducible: bool,
    /// What manifests and indexes say besides, wherever the result goes.
    pub annotations: Annotations,
    /// Caches that may have what the store has not got.
    pub cache_from: Vec<CacheSource>,
    /// Where what was made goes, for other machines.
    pub cache_to: Vec<CacheTarget>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextSource {
    Directory(PathBuf),
    /// A tar archive, compressed or not.
    Archive(PathBuf),
    /// A tar archive or a Dockerfile.
    StandardInput,
    /// A git repository, or an archive or a Dockerfile behind http(s).
    Remote(String),
    /// A git repository, whatever its address ends with.
    Git(String),
    /// An archive in a bucket.
    Object(Box<BucketObject>),
    /// The same in Google's storage.
    GoogleObject {
        bucket: String,
        key: String,
    },
    /// A folder of one of the others that is brought here.
    Part {
        of: Box<ContextSource>,
        folder: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerfileSource {
    /// `Dockerfile` in the context.
    Default,
    /// A path as seen from the working directory, or from the context when that is no local folder.
    Path(PathBuf),
    StandardInput,
    /// This text.
    Inline(String),
}

/// What `--build-context NAME=` names.
#[derive(Debug, Clone, PartialEq)]
pub enum NamedContextSource {
    Directory(PathBuf),
    /// `docker-image://`
    Image(Reference),
    /// `docker-image://scratch`
    Nothing,
    /// `oci-layout://PATH[:TAG|@DIGEST]`
    OciLayout {
        path: PathBuf,
        reference: Option<String>,
    },
    Remote(String),
    /// What another build made, an image for each of its platforms.
    Built(Vec<BuiltImage>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub kind: OutputKind,
    /// A file or folder; `-` is standard output.
    pub destination: PathBuf,
    /// Of several platforms each gets a folder of its own in a folder or tar archive.
    pub split_platforms: bool,
    /// Of the layers in an OCI layout.
    pub format: LayerFormat,
    /// What a folder has and the result has not is removed from it.
    pub deletes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// docker's archive.
    Docker,
    /// An OCI layout in a tar archive.
    Oci,
    /// An OCI layout in a folder.
    OciFolder,
    /// The root filesystem as a tar archive.
    Tar,
    /// The root filesystem as a folder.
    Local,
}

impl ContextSource {
    /// An absolute path, or an address without its password.
    pub fn shown(&self) -> String {
        match self {
            Self::Directory(path) | Self::Archive(path) => absolute(path),
            Self::StandardInput => "-".to_owned(),
            Self::Remote(url) | Self::Git(url) => redaction::in_text(url).into_owned(),
            Self::Object(object) => object.shown(),
            Self::GoogleObject { bucket, key } => format!("gs://{bucket}/{key}"),
            Self::Part { of, folder } => format!("{}:{folder}", of.shown()),
        }
    }
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

impl BuildOptions {
    /// What `rbuild build -t NAME FOLDER` asks for: the image of the folder's Dockerfile for this machine, kept in the
    /// store. The fields are there to be changed.
    pub fn of_folder(context: PathBuf, tags: Vec<Reference>) -> Self {
        Self { tags, ..Self::of_source(ContextSource::Directory(context)) }
    }

    /// The same for any context, without a name.
    pub fn of_source(context: ContextSource) -> Self {
        // Without random numbers it cannot be found again by its name, and is built all the same.
        let id = hex::random_id().unwrap_or_default();
        Self {
            reference: format!("default/default/{id}"),
            context,
            dockerfile: DockerfileSource::Default,
            heeds_policies: false,
            named_contexts: Vec::new(),
            tags: Vec::new(),
            build_args: BTreeMap::new(),
            labels: Vec::new(),
            target: None,
            platforms: vec![host_platform()],
            platform_is_explicit: false,
            no_cache: NoCache::default(),
            pull: false,
            registry: registry::Settings::default(),
            network: NetworkMode::default(),
            allow_host_network: false,
            allow_insecure: false,
            run: RunSettings::default(),
            outputs: Vec::new(),
            failed_outputs: Vec::new(),
            watched: None,
            keep: true,
            keep_is_asked: false,
            engine: None,
            load: false,
            push: None,
            push_by_digest: Vec::new(),
            name_canonical: false,
            immutable_tags_may_stay: false,
            force_compression: None,
            docker_media_types: false,
            unpack: false,
            squash: false,
            reproducible: false,
            annotations: Annotations::default(),
            cache_from: Vec::new(),
            cache_to: Vec::new(),
        }
    }

    /// Where context and Dockerfile are, as absolute paths or addresses without their passwords.
    pub fn places(&self) -> (String, String) {
        let context = self.context.shown();
        let dockerfile = match (&self.dockerfile, &self.context) {
            (DockerfileSource::StandardInput, _) => "-".to_owned(),
            (DockerfileSource::Inline(_), _) => "inline".to_owned(),
            (DockerfileSource::Path(path), ContextSource::Directory(_)) => absolute(path),
            (DockerfileSource::Path(path), _) => path.display().to_string(),
            (DockerfileSource::Default, ContextSource::Directory(path)) => absolute(&path.join("Dockerfile")),
            (DockerfileSource::Default, _) => "Dockerfile".to_owned(),
        };
        (context, dockerfile)
    }

    /// The same as they are remembered: without what a build argument says that is secret.
    pub fn remembered_places(&self) -> (String, String) {
        let mut concealer = Concealer::default();
        concealer.learn(self.build_args.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let (context, dockerfile) = self.places();
        (concealer.conceal(&context), concealer.conceal(&dockerfile))
    }
}
