//! The arguments of `rbuild build`, and what they mean.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::caches;
use super::call::{Call, Format};
use super::limits::{self, LimitArgs};
use super::settled::Settled;
use super::values;
use crate::build::solve::{Authority, DeviceAccess, RunSettings};
use crate::build::{BuildOptions, ContextSource, DockerfileSource, FailedOutput};
use crate::cli::CliError;
use crate::cli::container::run::modes;
use crate::cli::docker_config::DockerConfig;
use crate::cli::progress::ProgressMode;
use crate::container::sandbox::Limits;
use crate::engine::builders::{Builder, new_reference};
use crate::image::{Annotations, Platform, Reference, host_platform};
use crate::language::plan::{NetworkMode, NoCache};
use crate::transport::registry;
use crate::transport::transfer::LayerFormat;

/// Build an image from a Dockerfile.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the image, with an optional tag; may be given several times
    #[arg(short, long = "tag", value_name = "NAME[:TAG]")]
    tags: Vec<Reference>,
    /// Dockerfile to read [default: PATH/Dockerfile]; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Value of an ARG; without `=VALUE` it is taken from the environment
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]", value_parser = values::pair)]
    build_args: Vec<String>,
    /// Stage to build [default: the last]
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,
    /// Execute every step, whatever the cache has
    #[arg(long)]
    no_cache: bool,
    /// Execute every step of these stages
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    no_cache_filter: Vec<String>,
    /// Ask the registry for newer base images
    #[arg(long)]
    pull: bool,
    /// Label of the image; wins over the Dockerfile's
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = values::pair)]
    labels: Vec<String>,
    /// How progress is shown
    #[arg(long, value_enum, value_name = "MODE")]
    pub(super) progress: Option<ProgressMode>,
    /// Print only the image's ID
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// Write the image's ID to this file
    #[arg(long, value_name = "FILE")]
    pub(super) iidfile: Option<PathBuf>,
    /// Write a report of the build to this file, as one HTML page: its graph, timeline, logs and layers
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Write facts about the result to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) metadata_file: Option<PathBuf>,
    /// Merge the layers that the build adds to its base image into one
    #[arg(long)]
    squash: bool,
    /// Network of RUN steps
    #[arg(long, value_name = "default|none|host", default_value = "default", value_parser = values::network)]
    network: NetworkMode,
    /// Write the result to a file or folder: `type=docker|oci|tar|local,dest=PATH`, or just a folder, or `-` for a tar
    /// on standard output; `type=image[,name=NAME]` keeps it in the store,
    /// `type=registry` sends it to a registry too
    #[arg(short, long = "output", value_name = "OUTPUT")]
    outputs: Vec<String>,
    /// Push the result to the registries of its names; the same as `--output type=registry`
    #[arg(long)]
    push: bool,
    /// Keep the result in the store, even when it also goes elsewhere
    #[arg(long)]
    load: bool,
    /// Import the cache of other builds: an image or `type=registry,ref=NAME`, `type=local,src=DIR`,
    /// `type=s3,bucket=NAME`, `type=gha`; may be
    /// given several times
    #[arg(long = "cache-from", value_name = "CACHE")]
    cache_from: Vec<String>,
    /// Export the cache for other builds: `type=registry,ref=NAME`, `type=local,dest=DIR`, `type=s3,bucket=NAME`,
    /// `type=gha`,
    /// with `mode=max` for the layers of all stages; or `type=inline`
    #[arg(long = "cache-to", value_name = "CACHE")]
    cache_to: Vec<String>,
    /// Make the same bytes on every machine: clamp times to SOURCE_DATE_EPOCH, or to 1970 without it
    #[arg(long)]
    reproducible: bool,
    /// Another context, or a replacement for an image or stage:
    /// `NAME=DIR|docker-image://IMAGE|oci-layout://PATH[:TAG]|URL`
    #[arg(long = "build-context", value_name = "NAME=SOURCE")]
    build_contexts: Vec<String>,
    /// Platforms of the image; several make an index with an image for each [default: $DOCKER_DEFAULT_PLATFORM, or this
    /// machine's]
    #[arg(long = "platform", value_name = "OS/ARCH[/VARIANT]", value_delimiter = ',', value_parser = values::platform)]
    platforms: Vec<Platform>,
    /// Annotation of the manifest or, with LEVEL, of the index, manifest-descriptor or index-descriptor:
    /// `[LEVEL[PLATFORM]:]KEY=VALUE`
    #[arg(long = "annotation", value_name = "ANNOTATION")]
    annotations: Vec<String>,
    /// Secret for `RUN --mount=type=secret`: `id=ID[,src=FILE|,env=NAME]`
    #[arg(long = "secret", value_name = "SECRET")]
    secrets: Vec<String>,
    /// SSH agent for `RUN --mount=type=ssh`: `default` for the one of SSH_AUTH_SOCK, `ID=SOCKET`, or `ID=KEY[,KEY]`
    /// with
    /// key files
    #[arg(long = "ssh", value_name = "ID[=SOCKET|KEY]")]
    ssh: Vec<String>,
    /// Extra certificate authority for RUN steps and downloads, a file in PEM. The image keeps no trace of it
    #[arg(long, value_name = "FILE", env = "RBUILD_CA_CERT", hide_env = true)]
    ca_cert: Option<PathBuf>,
    /// Grant an entitlement: network.host, security.insecure, device (or only device=NAME),
    /// buildx.local.delete
    #[arg(long = "allow", value_name = "ENTITLEMENT", value_parser = values::entitlement)]
    allow: Vec<String>,
    /// Line of /etc/hosts in RUN steps
    #[arg(long = "add-host", value_name = "HOST:IP")]
    add_hosts: Vec<String>,
    /// Size of /dev/shm in RUN steps
    #[arg(long, value_name = "BYTES", value_parser = crate::base::bytes)]
    shm_size: Option<u64>,
    /// Resource limit in RUN steps
    #[arg(long = "ulimit", value_name = "NAME=SOFT[:HARD]", value_parser = crate::cli::container::run::ulimit_form)]
    ulimits: Vec<String>,
    /// Users of RUN steps: host, or remap[:FIRST:COUNT]: root is an ordinary user on the host (root only)
    #[arg(long, value_name = "MODE")]
    userns: Option<String>,
    /// Parent cgroup of RUN steps
    #[arg(long, value_name = "CGROUP")]
    cgroup_parent: Option<String>,
    #[command(flatten)]
    limits: LimitArgs,
    /// seccomp=unconfined|FILE or no-new-privileges, for RUN steps
    #[arg(long, value_name = "OPTION")]
    security_opt: Vec<String>,
    /// Only check the Dockerfile; the same as `--call=check`
    #[arg(long, conflicts_with = "call")]
    check: bool,
    /// Instead of building, `check` the Dockerfile, `outline` the target's inputs, or list the `targets`. Runs
    /// nothing, keeps nothing and asks no registry
    #[arg(long, value_name = "METHOD[,format=FORMAT]", value_parser = Call::parse, alias = "print")]
    call: Option<Call>,
    /// Output format of --check and --call
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Isolation of steps: `auto` is the strongest that works here; `full`, `chroot` and `emulated` demand theirs
    #[arg(long, value_name = "auto|full|chroot|emulated")]
    isolation: Option<String>,
    #[command(flatten)]
    pub(super) settled: Settled,
    /// Files to write out of the root filesystem of a step that fails, such as test reports; each name of PATH may be a
    /// pattern, and `**` stands for any folders
    #[arg(long, value_name = "PATH=DEST")]
    output_on_failure: Vec<FailedOutput>,
    /// What to do when a step fails: `fail`, or `shell`: open a shell in it, or, without a terminal, say how
    #[arg(long, value_enum, value_name = "fail|shell", default_value_t = OnError::Fail)]
    on_error: OnError,
    /// Build again whenever something changes that the build has read: files that instructions took, the Dockerfile,
    /// its
    /// ignore file
    #[arg(long, conflicts_with_all = ["check", "call"])]
    watch: bool,
    /// With --watch: run a container of each image, in the place of the last one, with these options of `run`, and what
    /// stands behind `--` as its command
    #[arg(long = "run", value_name = "ARGS", requires = "watch")]
    run_arguments: Option<String>,
    /// The build context: a folder, a tar archive, a git or http(s) URL, or `-` for a tar archive or a Dockerfile on
    /// standard input
    #[arg(value_name = "PATH|URL|-")]
    context: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OnError {
    Fail,
    Shell,
}

impl Args {
    /// Whether a failed step opens a shell.
    pub(super) fn opens_shell(&self) -> bool {
        self.settled.builder.is_debug() || self.on_error == OnError::Shell
    }

    /// Whether it runs until it is interrupted.
    pub(super) fn watches(&self) -> bool {
        self.watch
    }

    /// Whether containers of the result are started.
    pub fn starts_containers(&self) -> bool {
        self.run_arguments.is_some()
    }

    /// The arguments of `run`, if containers of the result are wanted.
    pub(super) fn container(&self) -> Result<Option<Vec<String>>, CliError> {
        self.run_arguments.as_deref().map(super::watch::words).transpose()
    }

    /// Parses words as if they came after `build`.
    pub fn read(words: &[String]) -> Result<Self, CliError> {
        use clap::FromArgMatches as _;
        let command = <Self as clap::Args>::augment_args(clap::Command::new("build").no_binary_name(true));
        let refused = |error: clap::Error| {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            CliError::new(line.trim_start_matches("error: "))
        };
        let matches = command.try_get_matches_from(words).map_err(refused)?;
        Self::from_arg_matches(&matches).map_err(refused)
    }

    /// The build options. Reads the environment, but no files.
    pub fn options(&self) -> Result<BuildOptions, CliError> {
        self.settled.check()?;
        let mut given = values::Outputs { annotations: self.annotations()?, ..values::Outputs::default() };
        self.outputs.iter().try_for_each(|text| given.add(text))?;
        given.check_deletion(self.allows("buildx.local.delete"))?;
        // As in buildx, `--tag` replaces the names of archives.
        if !self.tags.is_empty() {
            given.outputs.iter_mut().for_each(|output| output.names.clear());
        }
        let platforms = self.platforms()?;
        let run = self.run_settings()?;
        Ok(BuildOptions {
            reference: format!("{}{}", Builder::default_prefix(), new_reference()),
            context: context_source(&self.context),
            dockerfile: dockerfile_source(self.file.as_deref()),
            heeds_policies: self.settled.heeds_policies(),
            named_contexts: self
                .build_contexts
                .iter()
                .map(|text| values::named_context(text))
                .collect::<Result<_, _>>()?,
            tags: self.tags.iter().chain(&given.names).cloned().collect(),
            build_args: self.build_args(),
            labels: self.labels.iter().map(|text| values::label(text)).collect(),
            target: self.target.clone(),
            platform_is_explicit: !platforms.is_empty(),
            platforms: if platforms.is_empty() { vec![host_platform()] } else { platforms },
            no_cache: match (self.no_cache, self.no_cache_filter.as_slice()) {
                (true, _) => NoCache::Always,
                (false, []) => NoCache::Never,
                (false, stages) => NoCache::Stages(stages.to_vec()),
            },
            pull: self.pull,
            registry: registry::Settings { authority: self.ca_cert.clone(), ..registry_settings(&given)? },
            network: self.network,
            allow_host_network: self.network == NetworkMode::Host || self.allows("network.host"),
            allow_insecure: self.allows("security.insecure"),
            run,
            engine: None,
            load: false,
            push: given.push.or_else(|| self.push.then_some(LayerFormat::Gzip)),
            push_by_digest: given.push_by_digest,
            name_canonical: given.name_canonical,
            immutable_tags_may_stay: false,
            force_compression: given.force,
            unpack: given.unpack,
            reproducible: self.reproducible || given.reproducible,
            docker_media_types: given.docker_media_types,
            keep_is_asked: self.load || given.is_kept,
            keep: self.push || given.keep || self.load || (given.outputs.is_empty() && !given.cache_only),
            outputs: given.outputs,
            failed_outputs: self.output_on_failure.clone(),
            watched: None,
            annotations: given.annotations,
            cache_from: all(&self.cache_from, caches::source)?,
            cache_to: all(&self.cache_to, caches::target)?,
            squash: self.squash,
        })
    }

    fn run_settings(&self) -> Result<RunSettings, CliError> {
        let (seccomp, no_new_privileges) = limits::security(&self.security_opt)?;
        Ok(RunSettings {
            extra_hosts: self.add_hosts.iter().map(|text| values::host(text)).collect::<Result<_, _>>()?,
            shm_size: self.shm_size,
            ulimits: self.ulimits.iter().map(|text| values::ulimit(text)).collect::<Result<_, _>>()?,
            limits: Limits { parent: self.cgroup_parent.clone(), ..self.limits.limits()? },
            users: modes::user_ranges(self.userns.as_deref())?,
            seccomp,
            no_new_privileges,
            isolation: values::isolation(self.isolation.as_deref())?,
            secrets: self.secrets.iter().map(|text| values::secret(text)).collect::<Result<_, _>>()?,
            ssh: self.ssh.iter().map(|text| values::ssh(text)).collect::<Result<_, _>>()?,
            devices: self.devices(),
            authority: self.ca_cert.as_deref().map(Authority::read).transpose()?,
            ..RunSettings::default()
        })
    }

    /// Possibly nothing has to be executed, and nothing leaves the store.
    pub fn may_change_nothing(&self) -> bool {
        let has_local_input = self.context.is_dir() && self.file.as_deref() != Some(Path::new("-"));
        let executes = self.no_cache || !self.no_cache_filter.is_empty() || self.pull || self.squash;
        let reaches_out = [&self.outputs, &self.cache_from, &self.cache_to, &self.build_contexts];
        let has_one_result = self.platforms.len() < 2 && !self.push && reaches_out.iter().all(|list| list.is_empty());
        has_local_input && !executes && has_one_result && !self.watch
    }

    /// The call that replaces the build, if any.
    pub(super) fn call(&self) -> Result<Option<Call>, CliError> {
        let call = if self.check { Call::CHECK } else { self.call.unwrap_or(Call::BUILD) };
        call.with_format(self.format)
    }

    /// Each platform once, in the given order, from the command line or else the environment.
    fn platforms(&self) -> Result<Vec<Platform>, CliError> {
        let mut named = self.platforms.clone();
        if named.is_empty() {
            let set = std::env::var("DOCKER_DEFAULT_PLATFORM").unwrap_or_default();
            let texts = set.split(',').filter(|text| !text.is_empty());
            let parsed: Result<_, _> = texts.map(values::platform).collect();
            named = parsed.map_err(|error| CliError::from(error).context("DOCKER_DEFAULT_PLATFORM"))?;
        }
        let mut platforms: Vec<Platform> = Vec::new();
        for platform in named {
            if !platforms.iter().any(|known| known.normalized() == platform.normalized()) {
                platforms.push(platform);
            }
        }
        Ok(platforms)
    }

    fn annotations(&self) -> Result<Annotations, CliError> {
        let mut annotations = Annotations::default();
        self.annotations.iter().try_for_each(|text| annotations.parse_and_add(text))?;
        Ok(annotations)
    }

    /// CDI_SPEC_DIRS replaces the default folders of device descriptions.
    fn devices(&self) -> DeviceAccess {
        let allowed = self.allow.iter().filter_map(|given| given.strip_prefix("device="));
        let allowed = allowed.map(str::to_owned).collect();
        DeviceAccess { allow_all: self.allows("device"), allowed, ..device_folders() }
    }

    fn allows(&self, entitlement: &str) -> bool {
        self.allow.iter().any(|given| given == entitlement)
    }

    /// `NAME` alone takes the environment's value, if there is one. Like buildx, takes SOURCE_DATE_EPOCH from the
    /// environment without being asked.
    fn build_args(&self) -> BTreeMap<String, String> {
        let mut build_args = BTreeMap::new();
        if let Ok(epoch) = std::env::var("SOURCE_DATE_EPOCH") {
            build_args.insert("SOURCE_DATE_EPOCH".to_owned(), epoch);
        }
        for text in &self.build_args {
            match text.split_once('=') {
                Some((name, value)) => {
                    build_args.insert(name.to_owned(), value.to_owned());
                }
                None => {
                    if let Ok(value) = std::env::var(text) {
                        build_args.insert(text.clone(), value);
                    }
                }
            }
        }
        // Like docker's CLI: they are set in RUN, but are not in the image or a key.
        build_args.extend(DockerConfig::read().proxies(|name| build_args.contains_key(name)));
        build_args
    }
}

/// The registry settings of all values; one value may contain several.
fn registry_settings(given: &values::Outputs) -> Result<registry::Settings, CliError> {
    let mut settings = registry::Settings::from_environment()?;
    if given.insecure {
        settings.allow_insecure(given.names.iter().chain(&given.push_by_digest).map(Reference::domain));
    }
    Ok(settings)
}

fn all<T>(texts: &[String], parse: impl Fn(&str) -> Result<Vec<T>, CliError>) -> Result<Vec<T>, CliError> {
    let lists = texts.iter().map(|text| parse(text)).collect::<Result<Vec<_>, _>>()?;
    Ok(lists.into_iter().flatten().collect())
}

/// The folders of device descriptions; no device is allowed yet.
pub fn device_folders() -> DeviceAccess {
    let folders = match std::env::var_os("CDI_SPEC_DIRS").filter(|folders| !folders.is_empty()) {
        Some(folders) => std::env::split_paths(&folders).collect(),
        None => crate::container::cdi::FOLDERS.iter().map(PathBuf::from).collect(),
    };
    DeviceAccess { folders, ..DeviceAccess::default() }
}

/// The Dockerfile of `--file`.
pub fn dockerfile_source(file: Option<&Path>) -> DockerfileSource {
    match file {
        None => DockerfileSource::Default,
        Some(path) if path == Path::new("-") => DockerfileSource::StandardInput,
        Some(path) => DockerfileSource::Path(path.to_owned()),
    }
}

/// The context of a build's argument.
pub fn context_source(path: &Path) -> ContextSource {
    let text = path.to_string_lossy();
    if path == Path::new("-") {
        ContextSource::StandardInput
    } else if !path.exists()
        && let Some(url) = values::remote(&text)
    {
        ContextSource::Remote(url)
    } else if path.is_file() {
        ContextSource::Archive(path.to_owned())
    } else {
        ContextSource::Directory(path.to_owned())
    }
}
