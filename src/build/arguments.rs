//! Build arguments for the builder itself (Dockerfile reference, "BuildKit built-in build args").

use std::borrow::Cow;

use crate::base::boolean;
use crate::build::context::git::CommandLog;
use crate::build::solve::RunSettings;

use super::options::BuildOptions;

/// Makes an index even for a single platform.
const MULTI_PLATFORM: &str = "BUILDKIT_MULTI_PLATFORM";
/// Replaces the `syntax` directive.
const SYNTAX: &str = "BUILDKIT_SYNTAX";
/// Keeps `.git` in contexts that are git repositories.
const KEEP_GIT_DIR: &str = "BUILDKIT_CONTEXT_KEEP_GIT_DIR";
pub(super) const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";
/// Ignores the ONBUILD triggers of base images.
const DISABLE_ONBUILD: &str = "BUILDKIT_DISABLE_ONBUILD";
/// Shows the git commands.
const GIT_DEBUG_COMMANDS: &str = "BUILDKIT_GIT_DEBUG_COMMANDS";
const HOSTNAME: &str = "BUILDKIT_SANDBOX_HOSTNAME";
/// Separates the cache mounts of builds.
const CACHE_NAMESPACE: &str = "BUILDKIT_CACHE_MOUNT_NS";
/// buildx's older way to request an inline cache.
const INLINE_CACHE: &str = "BUILDKIT_INLINE_CACHE";
/// Replaces the `check` directive.
const CHECK: &str = "BUILDKIT_DOCKERFILE_CHECK";

fn given<'a>(options: &'a BuildOptions, name: &str) -> Option<&'a str> {
    options.build_args.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// Reads a boolean as Go does.
fn is_true(options: &BuildOptions, name: &str) -> bool {
    given(options, name).and_then(boolean) == Some(true)
}

pub(super) fn asks_for_index(options: &BuildOptions) -> bool {
    is_true(options, MULTI_PLATFORM)
}

pub(super) fn asks_for_inline_cache(options: &BuildOptions) -> bool {
    is_true(options, INLINE_CACHE)
}

/// The value of the `check` argument; an empty one counts too.
pub(super) fn check(options: &BuildOptions) -> Option<&str> {
    options.build_args.get(CHECK).map(String::as_str)
}

pub(super) fn keeps_git_dir(options: &BuildOptions) -> bool {
    is_true(options, KEEP_GIT_DIR)
}

/// Whether SOURCE_DATE_EPOCH was given: files of git contexts then have the commit's time.
pub(super) fn has_epoch(options: &BuildOptions) -> bool {
    given(options, SOURCE_DATE_EPOCH).is_some()
}

pub(super) fn ignores_triggers(options: &BuildOptions) -> bool {
    is_true(options, DISABLE_ONBUILD)
}

/// The options with a log for git commands, if they are to be shown.
pub(super) fn with_git_log(options: &BuildOptions) -> Cow<'_, BuildOptions> {
    if !is_true(options, GIT_DEBUG_COMMANDS) {
        return Cow::Borrowed(options);
    }
    let run = RunSettings { git_log: Some(CommandLog::default()), ..options.run.clone() };
    Cow::Owned(BuildOptions { run, ..options.clone() })
}

pub(super) fn syntax(options: &BuildOptions) -> Option<&str> {
    given(options, SYNTAX)
}

/// The settings of RUN, with those from build arguments.
pub(super) fn run_settings(options: &BuildOptions) -> RunSettings {
    RunSettings {
        hostname: given(options, HOSTNAME).map(str::to_owned).or_else(|| options.run.hostname.clone()),
        cache_namespace: given(options, CACHE_NAMESPACE).unwrap_or(&options.run.cache_namespace).to_owned(),
        ..options.run.clone()
    }
}
