//! One build from end to end: reads the Dockerfile, plans, executes, makes the image, stores it and writes its outputs.
//!
//! Joins the folders that do the work and does none itself. Must not know terminals or arguments: what it tells goes
//! through [`Observer`]. The whole road of a build, hops 2 to 12.

mod answers;
mod arguments;
mod attempts;
mod bases;
mod check;
pub mod context;
mod contexts;
mod dockerfile;
mod epoch;
mod error;
pub mod explain;
mod explained;
mod findings;
mod for_engine;
mod git_commands;
mod lint;
mod located;
mod named;
mod options;
mod output;
mod platforms;
mod push;
pub mod remote_cache;
mod result;
mod shared_cache;
pub mod solve;
mod squash;
mod top_names;

pub use check::{Checked, Described, Fault, check, outline, targets};
pub use error::{BuildError, Cause, Located};
pub use findings::Findings;
pub use for_engine::ForEngine;
pub use options::{BuildOptions, ContextSource, DockerfileSource, NamedContextSource, Output, OutputKind};
pub use result::{BuildResult, BuiltImage};

use answers::Answers;
use attempts::Attempts;

use crate::build::solve::{BuildNetwork, Cancellation, Progress, SshAgents};
use crate::container::sandbox;
use crate::language::dockerfile::Dockerfile;
use crate::language::plan::Plan;
use crate::store::Store;
use crate::transport::registry;

/// Whoever watches a build.
pub trait Observer: Progress {
    /// The Dockerfile was read; what it says is looked at next.
    fn read(&self, _: &Dockerfile) {}

    /// The plan is made; its steps are executed next.
    fn planned(&self, plan: &Plan);

    /// The lint has looked at the Dockerfile: whatever becomes of the build, that is to be said.
    fn found(&self, _: &Findings) {}

    /// What the steps did, and why, is kept in the store under this number.
    fn explained(&self, _: i64) {}

    /// Whoever watches the result being pushed.
    fn transfers(&self) -> Box<dyn registry::Progress> {
        Box::new(registry::Silent)
    }
}

/// Builds what `options` says. The observer is told what there is to warn of, also when the build fails.
pub fn build(
    store: &Store,
    options: &BuildOptions,
    observer: &dyn Observer,
    cancellation: &Cancellation,
) -> Result<BuildResult, BuildError> {
    let options: &BuildOptions = &arguments::with_git_log(options);
    let git_commands = git_commands::GitCommands { log: options.run.git_log.as_ref(), progress: observer };
    output::check(options)?;
    push::check(options)?;
    shared_cache::know_buckets(store, options)?;
    let importing = shared_cache::begin(options, observer);
    let mut source = contexts::Sources::open(store, options)?;
    git_commands.show();
    let file = dockerfile::read(options, &mut source)?;
    let parse = file.parse(options)?;
    let contexts = contexts::BuildContexts::new(store, options, source, &file);
    let bases = bases::StoreBases::new(store, options, &contexts);
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
    // What stops the plan may stop the lint, too.
    let (plan, findings) = (planned?, findings?);
    observer.planned(&plan);
    let rootless = sandbox::user_namespace::entered().is_some();
    let network = BuildNetwork::new(store.root().to_owned(), rootless);
    let imports = shared_cache::finish(importing, observer);
    let explainer = explained::explainer(store, options, &plan);
    let (run, agents) = (arguments::run_settings(options), SshAgents::default());
    let attempts = Attempts {
        store,
        file: &file,
        plan: &plan,
        contexts: &contexts,
        run: &run,
        agents: &agents,
        network: &network,
        explainer: &explainer,
        imports: &imports,
        observer,
        cancellation,
    };
    let attempted = attempts.run(|solved| {
        let mut result = result::make_images(store, options, &plan, solved, findings.clone())?;
        contexts.save_stat_caches();
        output::write(store, options, &result)?;
        if let Some(format) = options.push {
            let progress = observer.transfers();
            let watcher = push::Watcher { progress: progress.as_ref(), cancellation };
            result.pushed = push::push(store, options, format, &result, &watcher)?;
        }
        Ok(result)
    });
    if let Some(report) = explainer.finish(attempted.as_ref().ok().map(|(_, result)| &result.outgoing.id)) {
        observer.explained(report);
    }
    let (solved, result) = attempted?;
    shared_cache::export(store, options, (&plan, &solved), observer)?;
    Ok(result)
}
