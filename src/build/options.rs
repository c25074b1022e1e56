//! The options of a build.

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

/// All options of `rbuild build`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BuildOptions {
    /// The build's reference: `BUILDER/NODE/ID`.
    pub reference: String,
    /// The main context.
    pub context: ContextSource,
    /// Where the Dockerfile is.
    pub dockerfile: DockerfileSource,
    /// A policy next to the Dockerfile applies, as with buildx. Policies are not evaluated, so its presence is an
    /// error.
    pub heeds_policies: bool,
    /// Names, and what they stand for.
    pub named_contexts: Vec<(String, NamedContextSource)>,
    /// The names of the image.
    pub tags: Vec<Reference>,
    /// `--build-arg`
    pub build_args: BTreeMap<String, String>,
    /// `--label`
    pub labels: Vec<(String, String)>,
    /// The stage to be built; the last where none is named.
    pub target: Option<String>,
    /// At least one; several make an index.
    pub platforms: Vec<Platform>,
    /// The user named them.
    pub platform_is_explicit: bool,
    /// What is executed even if it is cached.
    pub no_cache: NoCache,
    /// Ask the registry for base images even if the store has them.
    pub pull: bool,
    /// How registries are reached.
    pub registry: registry::Settings,
    /// The network of RUN.
    pub network: NetworkMode,
    /// Whether RUN may use the host's network.
    pub allow_host_network: bool,
    /// Whether RUN may have all rights.
    pub allow_insecure: bool,
    /// How RUN steps are run.
    pub run: RunSettings,
    /// Where the result goes besides, or instead of, the store.
    pub outputs: Vec<Output>,
    /// Files to export from the root filesystem of a failed step.
    pub failed_outputs: Vec<FailedOutput>,
    /// Receives what the build has read, to watch for changes.
    pub watched: Option<WatchedSlot>,
    /// Keep the result in the store, with its tags.
    pub keep: bool,
    /// The user requested that explicitly.
    pub keep_is_asked: bool,
    /// The Docker Engine that the build works for: its images come first as bases.
    pub engine: Option<Arc<ForEngine>>,
    /// Load the result into that engine.
    pub load: bool,
    /// Push the result to the registries of its tags, with layers of this format.
    pub push: Option<LayerFormat>,
    /// Repositories that get the result without a tag, instead of those of `tags`.
    pub push_by_digest: Vec<Reference>,
    /// Also name what was pushed by its digest.
    pub name_canonical: bool,
    /// A tag that the registry does not allow to move stays, which is not an error.
    pub immutable_tags_may_stay: bool,
    /// Convert all layers to this format when they leave the store, including those of the base.
    pub force_compression: Option<LayerFormat>,
    /// Write manifests and indexes with docker's media types instead of OCI's.
    pub docker_media_types: bool,
    /// Unpack all layers in the store, ready to run.
    pub unpack: bool,
    /// Squash the layers that the build makes into one.
    pub squash: bool,
    /// Copied files are no newer than SOURCE_DATE_EPOCH.
    pub reproducible: bool,
    /// Annotations of manifests and indexes, in all outputs.
    pub annotations: Annotations,
    /// Remote caches to import.
    pub cache_from: Vec<CacheSource>,
    /// Remote caches to export to.
    pub cache_to: Vec<CacheTarget>,
}

/// Where a context comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextSource {
    /// A folder of this machine.
    Directory(PathBuf),
    /// A tar archive, compressed or not.
    Archive(PathBuf),
    /// A tar archive or a Dockerfile.
    StandardInput,
    /// A git repository, or an archive or a Dockerfile at an http(s) address.
    Remote(String),
    /// A git repository, whatever its address ends with.
    Git(String),
    /// An archive in a bucket.
    Object(Box<BucketObject>),
    /// An archive in Google's storage.
    GoogleObject {
        /// The bucket's name.
        bucket: String,
        /// The object's name.
        key: String,
    },
    /// A subfolder of another source, which is fetched first.
    Part {
        /// The whole.
        of: Box<ContextSource>,
        /// A folder in it.
        folder: String,
    },
}

/// Where a Dockerfile comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerfileSource {
    /// `Dockerfile` in the context.
    Default,
    /// A path relative to the working directory, or to the context if that is not a local folder.
    Path(PathBuf),
    /// Standard input.
    StandardInput,
    /// This text.
    Inline(String),
}

/// The value of `--build-context NAME=`.
#[derive(Debug, Clone, PartialEq)]
pub enum NamedContextSource {
    /// A folder of this machine.
    Directory(PathBuf),
    /// `docker-image://`
    Image(Reference),
    /// `docker-image://scratch`
    Nothing,
    /// `oci-layout://PATH[:TAG|@DIGEST]`
    OciLayout {
        /// The layout's folder.
        path: PathBuf,
        /// A name or a digest in it.
        reference: Option<String>,
    },
    /// A repository, or what is behind an address.
    Remote(String),
    /// The result of another build, an image for each of its platforms.
    Built(Vec<BuiltImage>),
}

/// `--output`: a copy of the result outside the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its form.
    pub kind: OutputKind,
    /// A file or folder; `-` is standard output.
    pub destination: PathBuf,
    /// With several platforms, each gets its own folder in a folder or tar archive.
    pub split_platforms: bool,
    /// The format of the layers in an OCI layout.
    pub format: LayerFormat,
    /// The names of the image in an archive; without any, those of the build.
    pub names: Vec<Reference>,
    /// Removes from a folder what is not in the result.
    pub deletes: bool,
}

/// The form of an output.
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
    /// The options of `rbuild build -t NAME FOLDER`: the image of the folder's Dockerfile for this machine, kept in the
    /// store. Change the fields as needed.
    pub fn of_folder(context: PathBuf, tags: Vec<Reference>) -> Self {
        Self { tags, ..Self::of_source(ContextSource::Directory(context)) }
    }

    /// The same for any context, without a name.
    pub fn of_source(context: ContextSource) -> Self {
        // Without random numbers the build has no reference, but still works.
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

    /// The locations of context and Dockerfile, as absolute paths or addresses without their passwords.
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

    /// The same for records: without the values of secret build arguments.
    pub fn remembered_places(&self) -> (String, String) {
        let mut concealer = Concealer::default();
        concealer.learn(self.build_args.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let (context, dockerfile) = self.places();
        (concealer.conceal(&context), concealer.conceal(&dockerfile))
    }
}
