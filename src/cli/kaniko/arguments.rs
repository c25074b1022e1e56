//! The arguments of `rbuild kaniko`: the flags of kaniko's executor.

use std::path::PathBuf;

use super::registries::RegistryArgs;
use super::tuning::{LogArgs, Tuning};

/// Build an image with kaniko's command line.
///
/// rbuild in kaniko's place: the flags, the environment and the files are those of its `executor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Dockerfile: a path as seen from here or else from the context, or an http(s) address [default: the context's]
    #[arg(short = 'f', long, value_name = "FILE|URL")]
    pub(super) dockerfile: Option<String>,
    /// The build context: a folder, dir://FOLDER, tar://FILE, tar://stdin, git://HOST/PATH[#REF[#COMMIT]], https://URL,
    /// s3://BUCKET/KEY, gs://BUCKET/KEY [default: /workspace/]
    #[arg(short = 'c', long = "context", value_name = "CONTEXT")]
    pub(super) build_context: Option<String>,
    /// Folder within the context that is used in its place
    #[arg(long, value_name = "FOLDER")]
    pub(super) context_sub_path: Option<String>,
    /// Bucket that has the context; --context says it better
    #[arg(short = 'b', long, value_name = "BUCKET", hide = true)]
    pub(super) bucket: Option<String>,
    /// Name that the image is pushed under; may be given several times
    #[arg(short = 'd', long = "destination", value_name = "NAME[:TAG]")]
    pub(super) destinations: Vec<String>,
    /// Platform of the image [default: this machine's]
    #[arg(long, alias = "customPlatform", value_name = "OS/ARCH[/VARIANT]")]
    pub(super) custom_platform: Option<String>,
    /// Value of an ARG; without `=VALUE` it is the environment's
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    pub(super) build_args: Vec<String>,
    /// Label of the image
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub(super) labels: Vec<String>,
    /// Stage to build [default: the last]
    #[arg(long, value_name = "STAGE")]
    pub(super) target: Option<String>,
    /// How a git context is fetched: branch=NAME, recurse-submodules=true, single-branch=true
    #[arg(long = "git", value_name = "KEY=VALUE")]
    pub(super) git: Vec<String>,
    /// Push nothing [also: KANIKO_NO_PUSH=true]
    #[arg(long)]
    pub(super) no_push: bool,
    /// Do not write the cache
    #[arg(long)]
    pub(super) no_push_cache: bool,
    /// Use what was built before, here or in the cache's repository; without it every step is executed
    #[arg(long)]
    pub(super) cache: bool,
    /// Repository of the cache, or oci:FOLDER [default: `cache` below the first destination]
    #[arg(long, value_name = "REPOSITORY|oci:FOLDER")]
    pub(super) cache_repo: Option<String>,
    /// How old a step of the cache may be
    #[arg(long, value_name = "DURATION", default_value = "336h", value_parser = duration)]
    pub(super) cache_ttl: std::time::Duration,
    /// Take RUN steps from the cache
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value = "true", action = clap::ArgAction::Set)]
    pub(super) cache_run_layers: bool,
    /// Write the image to a file, as docker's archive
    #[arg(long, alias = "tarPath", value_name = "FILE")]
    pub(super) tar_path: Option<PathBuf>,
    /// Write the image to a folder in OCI's layout
    #[arg(long, value_name = "FOLDER")]
    pub(super) oci_layout_path: Option<PathBuf>,
    /// Write the image's digest to a file, or put it to an https address
    #[arg(long, value_name = "FILE|URL")]
    pub(super) digest_file: Option<String>,
    /// The same for lines NAME@DIGEST
    #[arg(long, value_name = "FILE|URL")]
    pub(super) image_name_with_digest_file: Option<String>,
    /// The same for lines NAME:TAG@DIGEST
    #[arg(long, value_name = "FILE|URL")]
    pub(super) image_name_tag_with_digest_file: Option<String>,
    /// Make the same bytes on every machine
    #[arg(long)]
    pub(super) reproducible: bool,
    /// Make one layer of all that the build makes
    #[arg(long)]
    pub(super) single_snapshot: bool,
    /// Compression of layers
    #[arg(long, value_name = "gzip|zstd", value_parser = ["gzip", "zstd"])]
    pub(super) compression: Option<String>,
    /// Level of the compression; -1 is the usual one
    #[arg(long, value_name = "NUMBER", default_value = "-1", allow_negative_numbers = true)]
    pub(super) compression_level: i32,
    /// Folder with .docker/config.json [also: KANIKO_DIR; default: /kaniko]
    #[arg(long, value_name = "FOLDER")]
    pub(super) kaniko_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) registries: RegistryArgs,
    #[command(flatten)]
    pub(super) log: LogArgs,
    #[command(flatten)]
    pub(super) tuning: Tuning,
    /// `version` prints the version
    #[arg(hide = true)]
    pub(super) words: Vec<String>,
}

/// A duration in Go's format: `6h`, `1h30m`.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let time = crate::base::nanoseconds(text).and_then(|time| u64::try_from(time).ok());
    time.map(std::time::Duration::from_nanos).ok_or_else(|| "it is a number with a unit, such as 6h".to_owned())
}
