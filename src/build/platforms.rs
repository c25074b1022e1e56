//! Plans one Dockerfile for each platform of a build.

use crate::image::{Platform, host_platform};
use crate::language::dockerfile::{Dockerfile, Parse};
use crate::language::plan::{self, Epoch, Plan, PlanRequest};

use super::answers::{Answers, World};
use super::arguments;
use super::dockerfile::File;
use super::epoch::Epochs;
use super::error::BuildError;
use super::findings::Findings;
use super::lint;
use super::options::BuildOptions;

/// The plan request of one platform.
pub(super) fn request(options: &BuildOptions, platform: &Platform) -> PlanRequest {
    PlanRequest {
        target: options.target.clone(),
        build_args: options.build_args.clone(),
        labels: options.labels.clone(),
        platform: platform.clone(),
        platform_is_explicit: options.platform_is_explicit,
        epoch: Epoch::AsWritten,
        ignores_triggers: arguments::ignores_triggers(options),
        reproducible: options.reproducible,
        several_platforms: makes_index(options),
        build_platform: host_platform(),
        no_cache: options.no_cache.clone(),
        network: options.network,
        allow_host_network: options.allow_host_network,
        allow_insecure: options.allow_insecure,
    }
}

/// Whether the result is an index, not a single image.
pub(super) fn makes_index(options: &BuildOptions) -> bool {
    arguments::asks_for_index(options) || options.platforms.len() > 1
}

/// The plan for all platforms.
pub(super) fn plan(epochs: &Epochs<'_>, parsed: &Dockerfile, answers: &Answers<'_>) -> Result<Plan, BuildError> {
    let Epochs { options, file, .. } = *epochs;
    let mut plans = Vec::new();
    for platform in &options.platforms {
        let mut request = request(options, platform);
        epochs.settle(parsed, &mut request)?;
        let planned = plan::plan(parsed, &request, answers);
        let blamed = Some(platform).filter(|_| options.platforms.len() > 1);
        plans.push(planned.map_err(|error| file.plan_error(error, blamed))?);
    }
    Ok(Plan::join(plans))
}

/// The lint's findings for all platforms, without duplicates.
pub(super) fn lint(
    file: &File,
    parse: &Parse,
    options: &BuildOptions,
    answers: &Answers<'_>,
    leaves_out: &dyn Fn(&str) -> bool,
) -> Result<Findings, BuildError> {
    let mut all = Findings::default();
    for platform in &options.platforms {
        let request = request(options, platform);
        let world = World { answers, platform: &request.platform, leaves_out };
        let lint_options = lint::options(options, &request, parse)?;
        all.add(lint::check(file, parse, &lint_options, &world)?);
    }
    Ok(all)
}
