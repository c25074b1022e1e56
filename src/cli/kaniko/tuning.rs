//! Flags about kaniko's internals and its verbosity.

use crate::cli::CliError;
use crate::cli::progress::ProgressMode;

/// What has nothing to steer here. It is taken, and said once to mean nothing.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Taken, and without effect")]
pub(super) struct Tuning {
    /// Changes are seen as they happen, none is looked for
    #[arg(long, alias = "snapshotMode", value_name = "MODE", value_parser = ["full", "redo", "time"])]
    snapshot_mode: Option<String>,
    /// The same
    #[arg(long)]
    use_new_run: bool,
    /// Layers are compressed without being in memory
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    compressed_caching: Option<bool>,
    /// COPY is always taken from the cache where there is one
    #[arg(long)]
    cache_copy_layers: bool,
    /// Base images stay in the store
    #[arg(long, value_name = "FOLDER")]
    cache_dir: Option<String>,
    /// Nothing outside of the store is changed
    #[arg(long)]
    cleanup: bool,
    /// The same, so that rbuild works outside of containers too
    #[arg(long)]
    force: bool,
    /// Base images are unpacked once
    #[arg(long, value_name = "COUNT")]
    image_fs_extract_retry: Option<u32>,
    /// Only what steps write is in layers
    #[arg(long, alias = "whitelist-var-run", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    ignore_var_run: Option<bool>,
    /// Stages that nothing needs are never built
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    skip_unused_stages: Option<bool>,
    /// Whether one may push is found out by pushing
    #[arg(long)]
    skip_push_permission_check: bool,
    /// Metadata alone makes no layers
    #[arg(long)]
    force_build_metadata: bool,
    /// Progress has the times of steps
    #[arg(long)]
    log_timestamp: bool,
    /// Only what steps write is in layers; what they write below this path too
    #[arg(long, value_name = "PATH")]
    ignore_path: Vec<String>,
    /// Azure's identities are found without a file
    #[arg(long, value_name = "FILE", hide = true)]
    azure_container_registry_config: Option<String>,
}

impl Tuning {
    /// Lists the given flags.
    pub fn note(&self) -> Option<String> {
        let given: Vec<&str> = [
            ("--snapshot-mode", self.snapshot_mode.is_some()),
            ("--use-new-run", self.use_new_run),
            ("--compressed-caching", self.compressed_caching.is_some()),
            ("--cache-copy-layers", self.cache_copy_layers),
            ("--cache-dir", self.cache_dir.is_some()),
            ("--cleanup", self.cleanup),
            ("--force", self.force),
            ("--image-fs-extract-retry", self.image_fs_extract_retry.is_some()),
            ("--ignore-var-run", self.ignore_var_run.is_some()),
            ("--skip-unused-stages", self.skip_unused_stages.is_some()),
            ("--skip-push-permission-check", self.skip_push_permission_check),
            ("--force-build-metadata", self.force_build_metadata),
            ("--log-timestamp", self.log_timestamp),
            ("--ignore-path", !self.ignore_path.is_empty()),
            ("--azure-container-registry-config", self.azure_container_registry_config.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, is_given)| is_given.then_some(name))
        .collect();
        let (flags, verb) = (given.join(", "), if given.len() == 1 { "has" } else { "have" });
        (!given.is_empty())
            .then(|| format!("note: {flags} {verb} no effect with rbuild (`rbuild kaniko --help` says why)"))
    }
}

/// How much is said, and how.
#[derive(Debug, clap::Args)]
pub(super) struct LogArgs {
    /// How much is said: `warn` and what is above it show warnings and errors only
    #[arg(short, long, value_name = "LEVEL", default_value = "info",
          value_parser = ["trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"])]
    verbosity: String,
    /// `json` is docker's progress as JSON, an object for each line
    #[arg(long, value_name = "text|color|json", default_value = "color", value_parser = ["text", "color", "json"])]
    log_format: String,
}

impl LogArgs {
    pub fn mode(&self) -> Result<ProgressMode, CliError> {
        Ok(match (self.verbosity.as_str(), self.log_format.as_str()) {
            ("trace" | "debug" | "info", "json") => ProgressMode::RawJson,
            ("trace" | "debug" | "info", "text") => ProgressMode::Plain,
            ("trace" | "debug" | "info", _) => ProgressMode::wanted(None, false)?,
            _ => ProgressMode::None,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        tuning: Tuning,
        #[command(flatten)]
        log: LogArgs,
    }

    fn typed(words: &[&str]) -> Typed {
        Typed::parse_from(["kaniko"].iter().chain(words))
    }

    #[test]
    fn what_means_nothing_is_named_once() {
        assert_eq!(typed(&[]).tuning.note(), None);
        let note = typed(&["--force", "--snapshotMode=redo", "--ignore-path=/a", "--ignore-path=/b"]).tuning.note();
        let expected = "note: --snapshot-mode, --force, --ignore-path have no effect with rbuild";
        assert!(note.as_deref().is_some_and(|note| note.starts_with(expected)), "{note:?}");
        let one = typed(&["--whitelist-var-run=false"]).tuning.note();
        assert!(one.is_some_and(|note| note.starts_with("note: --ignore-var-run has")));
    }

    #[test]
    fn a_level_chooses_what_is_shown() {
        let mode = |words: &[&str]| typed(words).log.mode().unwrap();
        assert_eq!(mode(&["-v", "error"]), ProgressMode::None);
        assert_eq!(mode(&["--verbosity=debug", "--log-format=json"]), ProgressMode::RawJson);
        assert_eq!(mode(&["--log-format=text"]), ProgressMode::Plain);
    }
}
