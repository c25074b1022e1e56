//! From options to a plan: the Dockerfile is read, checked and planned. Hops 2 to 4 of a build.

use crate::language::plan::Plan;

use super::answers::Answers;
use super::bases::StoreBases;
use super::batch::Batch;
use super::contexts::BuildContexts;
use super::dockerfile::{self, File};
use super::epoch::Epochs;
use super::error::BuildError;
use super::findings::Findings;
use super::git_commands::GitCommands;
use super::observer::Observer;
use super::options::BuildOptions;
use super::{lint, platforms};

/// What a build is going to do, and what it does it with.
pub(super) struct Planned<'a> {
    pub file: File,
    pub contexts: BuildContexts<'a>,
    pub plan: Plan,
    pub findings: Findings,
    /// Shows what steps told git when the build is over.
    _git_commands: GitCommands<'a>,
}

/// Tells the observer what was read, found and planned.
pub(super) fn plan<'a>(
    batch: &'a Batch<'a>,
    options: &'a BuildOptions,
    observer: &'a dyn Observer,
) -> Result<Planned<'a>, BuildError> {
    let git_commands = GitCommands { log: options.run.git_log.as_ref(), progress: observer };
    let mut source = batch.main_context(options)?;
    git_commands.show();
    let file = dockerfile::read(options, &mut source)?;
    let parse = file.parse(options)?;
    let contexts = BuildContexts::new(batch, options, source, &file);
    let bases = StoreBases::new(batch, options);
    let answers = Answers::new(&bases);
    lint::read_directive(&file, &parse, options)?;
    let epochs = Epochs { batch, options, file: &file, contexts: &contexts, progress: observer };
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
    Ok(Planned { file, contexts, plan, findings, _git_commands: git_commands })
}
