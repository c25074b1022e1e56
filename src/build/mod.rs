//! One build from end to end: reads the Dockerfile, plans, executes, makes the image, stores it and writes its outputs.
//!
//! Connects the folders that do the work and does none itself. Must not know terminals or arguments: reports through
//! [`Observer`]. Hops 2 to 12 of a build.

mod answers;
mod arguments;
mod attempts;
mod bases;
mod batch;
mod brought;
mod built;
mod check;
#[doc(hidden)]
pub mod context;
mod context_files;
mod contexts;
mod dockerfile;
mod entering;
mod epoch;
mod error;
pub(crate) mod explain;
mod explained;
mod failed_files;
mod findings;
mod for_engine;
mod git_commands;
mod kept;
mod lint;
mod located;
mod named;
mod observer;
mod options;
mod output;
mod planned;
mod platforms;
mod push;
#[doc(hidden)]
pub mod remote_cache;
mod result;
mod shared_cache;
pub mod solve;
mod sources;
mod squash;
mod top_names;
mod unused;
mod watched;
mod watching;

pub(crate) use batch::Batch;
pub(crate) use brought::Brought;
pub use built::{BuildResult, BuiltImage};
pub(crate) use check::{Checked, Described, Fault, check, outline, targets};
pub(crate) use context_files::context_files;
pub(crate) use dockerfile::behind as dockerfile_behind;
pub(crate) use entering::enter_step;
pub use error::{BuildError, Cause, Located};
pub use failed_files::{FailedOutput, FailedOutputError};
pub use findings::Findings;
pub(crate) use for_engine::ForEngine;
pub(crate) use kept::{StepsRecord, kept_project};
pub use observer::{Observer, Quiet};
pub use options::{BuildOptions, ContextSource, DockerfileSource, NamedContextSource, Output, OutputKind};
pub(crate) use watched::{Watched, WatchedSlot};

use attempts::Attempts;
use planned::Planned;

use crate::base::rights::Rights;
use crate::build::solve::{Cancellation, SshAgents};
use crate::store::Store;

/// Runs the build of `options`. The observer gets warnings even if the build fails.
///
/// ```no_run
/// use rbuild::base::rights;
/// use rbuild::build::{BuildOptions, build, Quiet};
/// use rbuild::build::solve::Cancellation;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = rbuild::engine::store::open("/var/lib/rbuild".as_ref())?;
/// let options = BuildOptions::of_folder("app".into(), vec!["app:1.0".parse()?]);
/// let built = build(&store, rights::held()?, &options, &Quiet, &Cancellation::default())?;
/// println!("{}", built.id());
/// # Ok(())
/// # }
/// ```
pub fn build(
    store: &Store,
    rights: Rights,
    options: &BuildOptions,
    observer: &dyn Observer,
    cancellation: &Cancellation,
) -> Result<BuildResult, BuildError> {
    build_alone(&Batch::new(store, rights, &[options])?, options, observer, cancellation)
}

/// The same for whoever has no rights yet: the result, where nothing has to be executed or fetched for it. What the
/// observer was told counts only then; otherwise [`build`] tells it again.
pub fn probe(
    store: &Store,
    options: &BuildOptions,
    observer: &dyn Observer,
    cancellation: &Cancellation,
) -> Option<BuildResult> {
    build_alone(&Batch::probe(store), options, observer, cancellation).ok()
}

fn build_alone(
    batch: &Batch<'_>,
    options: &BuildOptions,
    observer: &dyn Observer,
    cancellation: &Cancellation,
) -> Result<BuildResult, BuildError> {
    let before = options.watched.as_ref().and_then(|_| watching::before(options));
    let result = build_in(batch, options, observer, cancellation);
    if let (Some(slot), Some(before)) = (&options.watched, before) {
        slot.put(watching::completed(before, batch));
    }
    let result = result?;
    batch.warnings_of_unused().iter().for_each(|warning| observer.warn(warning));
    Ok(result)
}

/// The same for one of several builds.
pub fn build_in(
    batch: &Batch<'_>,
    options: &BuildOptions,
    observer: &dyn Observer,
    cancellation: &Cancellation,
) -> Result<BuildResult, BuildError> {
    let store = batch.for_result();
    let options: &BuildOptions = &arguments::with_git_log(options);
    output::check(options)?;
    push::check(options)?;
    let importing = shared_cache::begin(options, observer);
    let Planned { file, contexts, plan, findings, .. } = &planned::plan(batch, options, observer)?;
    let imports = shared_cache::finish(importing, observer);
    let explainer = explained::explainer(batch.store, options, plan, findings);
    let (run, agents) = (arguments::run_settings(options), SshAgents::default());
    let kept = kept::Keeper::new(store, options, plan, observer);
    let attempts = Attempts {
        batch,
        file,
        plan,
        contexts,
        run: &run,
        agents: &agents,
        explainer: &explainer,
        imports: &imports,
        results: &kept,
        observer,
        cancellation,
    };
    let attempted = attempts.run(|solved| {
        let mut result = result::make_images(store, options, plan, solved, findings.clone())?;
        contexts.save_stat_caches();
        observer.built(&result);
        if cancellation.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        output::write(store, options, &result, observer)?;
        result.pushed = push::push_result(store, options, &result, cancellation, observer)?;
        Ok(result)
    });
    if batch.is_probe() && attempted.is_err() {
        // Nothing is written down of it: it is not the build.
        return attempted.map(|(_, result)| result);
    }
    if let Some(report) = explainer.finish(store, attempted.as_ref().ok().map(|(_, result)| &result.outgoing.id)) {
        observer.explained(report);
    }
    kept.finish(attempted.as_ref().is_ok_and(|(solved, _)| solved.made_layers));
    let (solved, result) = attempted?;
    shared_cache::export(store, options, (plan, &solved), observer)?;
    Ok(result)
}
