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
pub mod context;
mod context_files;
mod contexts;
mod dockerfile;
mod entering;
mod epoch;
mod error;
pub mod explain;
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
mod platforms;
mod push;
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

pub use batch::Batch;
pub use brought::Brought;
pub use built::{BuildResult, BuiltImage};
pub use check::{Checked, Described, Fault, check, outline, targets};
pub use context_files::{ContextFiles, context_files};
pub use dockerfile::behind as dockerfile_behind;
pub use entering::enter_step;
pub use error::{BuildError, Cause, Located};
pub use failed_files::{FailedOutput, FailedOutputError};
pub use findings::Findings;
pub use for_engine::ForEngine;
pub use kept::{KeptStep, StepsRecord, kept_project};
pub use observer::Observer;
pub use options::{BuildOptions, ContextSource, DockerfileSource, NamedContextSource, Output, OutputKind};
pub use watched::{Watched, WatchedSlot};

use answers::Answers;
use attempts::Attempts;

use crate::build::solve::{Cancellation, SshAgents};
use crate::store::Store;

/// Runs the build of `options`. The observer gets warnings even if the build fails.
pub fn build(
    store: &Store,
    options: &BuildOptions,
    observer: &dyn Observer,
    cancellation: &Cancellation,
) -> Result<BuildResult, BuildError> {
    let batch = Batch::new(store, &[options])?;
    let before = options.watched.as_ref().and_then(|_| watching::before(options));
    let result = build_in(&batch, options, observer, cancellation);
    if let (Some(slot), Some(before)) = (&options.watched, before) {
        slot.put(watching::completed(before, &batch));
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
    let store = batch.store;
    let options: &BuildOptions = &arguments::with_git_log(options);
    let git_commands = git_commands::GitCommands { log: options.run.git_log.as_ref(), progress: observer };
    output::check(options)?;
    push::check(options)?;
    let importing = shared_cache::begin(options, observer);
    let mut source = batch.main_context(options)?;
    git_commands.show();
    let file = dockerfile::read(options, &mut source)?;
    let parse = file.parse(options)?;
    let contexts = contexts::BuildContexts::new(batch, options, source, &file);
    let bases = bases::StoreBases::new(batch, options);
    let answers = Answers::new(&bases);
    lint::read_directive(&file, &parse, options)?;
    let epochs = epoch::Epochs { store, options, file: &file, contexts: &contexts, progress: observer };
    let parsed = file.dockerfile(&parse).inspect(|parsed| observer.read(parsed));
    let planned = parsed.and_then(|parsed| platforms::plan(&epochs, parsed, &answers));
    answers.close();
    let leaves_out = |path: &str| contexts.leaves_out(path);
    let findings = platforms::lint(&file, &parse, options, &answers, &leaves_out);
    if let Ok(findings) = &findings {
        observer.found(findings);
    }
    // What stops the plan may also stop the lint.
    let (plan, findings) = (planned?, findings?);
    observer.planned(&plan);
    let imports = shared_cache::finish(importing, observer);
    let explainer = explained::explainer(store, options, &plan, &findings);
    let (run, agents) = (arguments::run_settings(options), SshAgents::default());
    let kept = kept::Keeper::new(store, options, &plan, observer);
    let attempts = Attempts {
        batch,
        file: &file,
        plan: &plan,
        contexts: &contexts,
        run: &run,
        agents: &agents,
        explainer: &explainer,
        imports: &imports,
        results: &kept,
        observer,
        cancellation,
    };
    let attempted = attempts.run(|solved| {
        let mut result = result::make_images(store, options, &plan, solved, findings.clone())?;
        contexts.save_stat_caches();
        observer.built(&result);
        if cancellation.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        output::write(store, options, &result, observer)?;
        if let Some(format) = options.push {
            let progress = observer.transfers();
            let watcher = push::Watcher { progress: progress.as_ref(), cancellation, observer };
            result.pushed = push::push(store, options, format, &result, &watcher)?;
        }
        Ok(result)
    });
    if let Some(report) = explainer.finish(attempted.as_ref().ok().map(|(_, result)| &result.outgoing.id)) {
        observer.explained(report);
    }
    kept.finish(attempted.as_ref().is_ok_and(|(solved, _)| solved.made_layers));
    let (solved, result) = attempted?;
    shared_cache::export(store, options, (&plan, &solved), observer)?;
    Ok(result)
}
