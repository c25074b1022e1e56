//! One build from end to end: reads the Dockerfile, plans, executes, makes the image, stores it and writes its outputs.
//!
//! Joins the folders that do the work and does none itself. Must not know terminals or arguments: what it tells goes
//! through [`Observer`]. The whole road of a build, hops 2 to 12.

mod answers;
mod bases;
mod check;
mod contexts;
mod dockerfile;
mod error;
mod findings;
mod lint;
mod named;
mod options;
mod output;
mod result;

pub use check::{Checked, Described, Fault, check, outline, targets};
pub use error::{BuildError, Located};
pub use findings::Findings;
pub use options::{BuildOptions, ContextSource, DockerfileSource, NamedContextSource, Output, OutputKind};
pub use result::BuildResult;

use answers::{Answers, World};

use crate::plan::{self, Plan, PlanRequest};
use crate::sandbox;
use crate::solve::{self, BuildNetwork, Cancellation, Progress, Solver};
use crate::store::Store;

/// Whoever watches a build.
pub trait Observer: Progress {
    /// The plan is made; its steps are executed next.
    fn planned(&self, plan: &Plan);
}

/// Builds what `options` says.
pub fn build(
    store: &Store,
    options: &BuildOptions,
    observer: &dyn Observer,
    cancellation: &Cancellation,
) -> Result<BuildResult, BuildError> {
    let mut source = contexts::Sources::open(store, options)?;
    let file = dockerfile::read(options, &mut source)?;
    let parse = file.parse()?;
    let parsed = file.dockerfile(&parse)?;
    let contexts = contexts::BuildContexts::new(store, options, source, &file);
    let bases = bases::StoreBases::new(store, options, &contexts);
    let answers = Answers::new(&bases);
    let request = request(options);
    let lint_options = lint::options(options, &request, &parse)?;
    lint::read_directive(&file, &parse, &lint_options)?;
    let plan = plan::plan(parsed, &request, &answers).map_err(|error| file.plan_error(error))?;
    answers.close();
    let leaves_out = |path: &str| contexts.leaves_out(path);
    let world = World { answers: &answers, platform: &request.platform, leaves_out: &leaves_out };
    let findings = lint::check(&file, &parse, &lint_options, &world)?;
    observer.planned(&plan);
    let rootless = sandbox::user_namespace::entered().is_some();
    let network = BuildNetwork::new(store.root().to_owned(), rootless);
    let solver =
        Solver { store, contexts: &contexts, run: &options.run, network: &network, progress: observer, cancellation };
    let solved = solve::solve(&plan, &solver).map_err(|error| file.solve_error(error, &plan))?;
    let result = result::make_image(store, &plan, &solved, findings)?;
    contexts.save_stat_caches();
    output::write(store, options, &result)?;
    Ok(result)
}

/// What the plan is made for.
fn request(options: &BuildOptions) -> PlanRequest {
    PlanRequest {
        target: options.target.clone(),
        build_args: options.build_args.clone(),
        labels: options.labels.clone(),
        platform: options.platform.clone(),
        platform_is_explicit: options.platform_is_explicit,
        build_platform: crate::image::host_platform(),
        no_cache: options.no_cache.clone(),
        network: options.network,
        allow_host_network: options.allow_host_network,
        allow_insecure: options.allow_insecure,
    }
}
