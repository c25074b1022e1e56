//! Runs a program in a step.

use std::collections::BTreeMap;

use super::{Begun, DebugError, Found, Program, Request, shell};
use crate::build::solve::{EnteredStep, LeftBehind, Progress, Start};
use crate::build::{StepsRecord, enter_step};
use crate::container::run_in_foreground;
use crate::container::sandbox::Container;
use crate::image::SCRATCH_PATH;
use crate::language::plan::{NetworkMode, RunStep, StepId};
use crate::store::Store;
use crate::store::snapshot::{Stack, View};

/// Enters the step, runs the program until it ends, and returns its exit code. `begins` is told what is entered.
pub fn run(
    store: &Store,
    found: &Found,
    request: &Request,
    progress: &dyn Progress,
    begins: impl FnOnce(&Begun),
) -> Result<u8, DebugError> {
    let (below, upper, has_changes) = found.place()?;
    let (step, mounts) = program_of(found, request)?;
    let settings = found.record.settings(request.settings.clone());
    let entered = EnteredStep { run: &step, parent: &below, mounts: &mounts, upper: &upper };
    let begun = begun((found, has_changes), &step, request);
    let prepare = |view: &View, container: &mut Container| {
        let shell_from = choose(store, (view, container), request)?;
        begins(&Begun { shell_from, ..begun });
        Ok(())
    };
    enter_step(store, &settings, &entered, progress, prepare, |start| execute(request.terminal.is_some(), start))
}

/// Sets the requested program in the container; returns where its shell comes from, if it is not in the root.
fn choose(
    store: &Store,
    (view, container): (&View, &mut Container),
    request: &Request,
) -> Result<Option<String>, DebugError> {
    let mut from = None;
    match &request.program {
        Program::Own => {}
        Program::Command(words) => container.process.arguments.clone_from(words),
        Program::Shell => {
            let shell = shell::find(store, view, request)?;
            container.process.arguments = shell.arguments;
            container.mounts.extend(shell.mounts);
            from = shell.from;
        }
    }
    if let Some(kind) = &request.terminal {
        container.process.terminal = true;
        container.process.environment.push(format!("TERM={kind}").into());
    }
    Ok(from)
}

fn execute(is_terminal: bool, start: &Start<'_>) -> Result<(u8, LeftBehind), DebugError> {
    let mut left = LeftBehind::default();
    let code = run_in_foreground(is_terminal, |stdio| {
        let mut running = start(stdio)?;
        left = LeftBehind::by(&mut running);
        Ok(running)
    })?;
    Ok((code, left))
}

fn begun((found, has_changes): (&Found, bool), step: &RunStep, request: &Request) -> Begun {
    let kept = &found.record.steps[found.step];
    let missing = kept.withheld.iter().filter(|name| !request.build_args.contains_key(*name));
    Begun {
        build: found.record.build.clone(),
        title: kept.title.clone(),
        line: kept.lines.0,
        is_failed: has_changes && found.record.failed == Some(found.step),
        user: if step.user.is_empty() { "root".to_owned() } else { step.user.clone() },
        folder: if step.working_directory.is_empty() { "/".to_owned() } else { step.working_directory.clone() },
        shell_from: None,
        missing: missing.cloned().collect(),
    }
}

/// The step as it ran, with the given values for what was not kept; and the initial contents of its mounts. A step
/// without a program gets the environment of a nearby one.
fn program_of(found: &Found, request: &Request) -> Result<(RunStep, Vec<Option<Stack>>), DebugError> {
    let kept = &found.record.steps[found.step];
    let Some(run) = &kept.run else {
        if request.program == Program::Own {
            return Err(DebugError::NoProgram { title: kept.title.clone() });
        }
        return Ok((near(&found.record, found.step), Vec::new()));
    };
    let mut run = run.as_ref().clone();
    let given: BTreeMap<&String, &String> =
        request.build_args.iter().filter(|(name, _)| kept.withheld.contains(name)).collect();
    run.environment.extend(given.into_iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok((run, kept.mounts.clone()))
}

/// The environment, user and working directory of the nearest RUN before the step, or else of one after it.
fn near(record: &StepsRecord, step: usize) -> RunStep {
    let parent = |at: &usize| record.steps.get(*at)?.parent;
    let below = std::iter::successors(Some(step), parent).find_map(|at| record.steps[at].run.as_ref());
    let stands_on_it = |at: usize| std::iter::successors(Some(at), parent).any(|at| at == step);
    let above = || (0..record.steps.len()).filter(|at| stands_on_it(*at)).find_map(|at| record.steps[at].run.as_ref());
    match below.or_else(above) {
        Some(run) => RunStep { mounts: Vec::new(), devices: Vec::new(), script: None, ..run.as_ref().clone() },
        None => RunStep {
            parent: StepId(step),
            arguments: Vec::new(),
            environment: vec![("PATH".to_owned(), SCRATCH_PATH.to_owned())],
            argument_names: Vec::new(),
            proxies: Vec::new(),
            working_directory: "/".to_owned(),
            user: String::new(),
            network: NetworkMode::Default,
            insecure: false,
            mounts: Vec::new(),
            devices: Vec::new(),
            script: None,
            epoch: None,
        },
    }
}
