//! Builds targets: each is turned into the options of a build, and the engine builds them together.

use std::path::Path;
use std::process::ExitCode;

use super::command::{Command, output as output_text};
use super::{Args, Found, remote};
use crate::base::io_error::chain;
use crate::base::{input, outgoing};
use crate::build::{BuildOptions, BuildResult, ContextSource, DockerfileSource, Observer};
use crate::cli::build::{self, Session};
use crate::cli::global::Global;
use crate::cli::progress::{Display, Part, ProgressMode};
use crate::cli::{CliError, builder_registries, output, report};
use crate::engine::bake::{self, Answer, Outcome, Request, Target, USUAL_JOBS};
use crate::engine::history;
use crate::language::bake::{Selection, Target as Definition};
use crate::store::Store;

/// What a target that fails means for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Execution {
    /// All are stopped
    FailFast,
    /// The same, and no result goes anywhere before all targets are built
    DeferOutput,
    /// What does not need it is built all the same
    DeferError,
}

impl From<Execution> for bake::Execution {
    fn from(typed: Execution) -> Self {
        match typed {
            Execution::FailFast => Self::FailFast,
            Execution::DeferOutput => Self::DeferOutput,
            Execution::DeferError => Self::DeferError,
        }
    }
}

pub(super) fn run(args: &Args, selection: &Selection, found: &Found, global: &Global) -> Result<ExitCode, CliError> {
    let mode = ProgressMode::wanted(args.progress, false)?;
    let mut targets = Vec::new();
    for (name, definition) in &selection.targets {
        let options = options(definition, found).map_err(|error| error.context(&format!("target {name}")))?;
        let linked = definition.contexts.iter().filter_map(|(context, source)| {
            let linked = source.strip_prefix("target:")?;
            Some((context.clone(), linked.to_owned()))
        });
        targets.push(Target { name: name.clone(), options, contexts: linked.collect() });
    }
    complete(&mut targets, args, global)?;
    let jobs = args.jobs.map_or(USUAL_JOBS, |jobs| jobs as usize);
    let request = Request { targets, execution: args.execution.into(), jobs };
    let session = Session::new(global, mode)?;
    let display = mode.display();
    let answer = {
        let screen = Screen::new(&display, &session, selection, &request);
        let answer = bake::bake(&session.store, &request, &screen, &session.cancellation);
        answer.map_err(build::build_error)?
    };
    let outcomes = || request.targets.iter().zip(&answer.outcomes);
    for target in &request.targets {
        build::telemetry::tell(&session.store, &target.options.reference);
    }
    tell_results(&display, &request, &answer);
    answer.warnings.iter().for_each(|warning| display.warn(warning));
    display.close();
    let reported = args.report.as_deref().map_or(Ok(()), |folder| write_reports(folder, &session.store, &request));
    session.sync(outcomes().any(|(_, outcome)| match outcome {
        Outcome::Built(built) => built.made_layers,
        Outcome::Failed(_) => true,
        Outcome::Stopped | Outcome::NotBegun { .. } => false,
    }));
    if session.is_interrupted() {
        return Err(build::build_error(crate::build::BuildError::Cancelled));
    }
    if !answer.failures.is_empty() {
        if let Err(unwritten) = &reported {
            output::say(format_args!("warning: {}", unwritten.message()));
        }
    } else {
        reported?;
    }
    if !answer.failures.is_empty() && args.execution != Execution::DeferError {
        return Err(first_failure(&session, &request, answer));
    }
    print_results(args, selection, &session, &request, &answer)?;
    Ok(tell_failures(&session, &request, answer))
}

/// What the targets get that their definitions do not say.
fn complete(targets: &mut [Target], args: &Args, global: &Global) -> Result<(), CliError> {
    let engine = build::engine_of(global);
    let mut going_nowhere = Vec::new();
    for target in targets {
        if build::work_for(&mut target.options, global, engine.clone()) {
            going_nowhere.push(target.name.as_str());
        }
        if args.metadata_file.is_some() {
            build::note_origin(&target.options, &target.name, global);
        }
        builder_registries::configure(&mut target.options.registry, global)?;
        target.options.failed_outputs =
            args.output_on_failure.iter().map(|wanted| wanted.into_folder(&target.name)).collect();
    }
    match going_nowhere.as_slice() {
        [] => {}
        [one] => build::warn_of_no_output(global, &format!("target {one}: ")),
        several => build::warn_of_no_output(global, &format!("targets {}: ", several.join(", "))),
    }
    Ok(())
}

/// What was built, for programs.
fn print_results(
    args: &Args,
    selection: &Selection,
    session: &Session,
    request: &Request,
    answer: &bake::Answer,
) -> Result<(), CliError> {
    let outcomes = || request.targets.iter().zip(&answer.outcomes);
    if session.mode == ProgressMode::Quiet {
        for (target, built) in outcomes().filter_map(built) {
            if !selection.targets[&target.name].is_linked {
                output::print(&format!("{}\n", build::identity(&session.store, built)?))?;
            }
        }
    }
    if let Some(path) = &args.metadata_file {
        write_metadata(path, &session.store, outcomes().filter_map(built))?;
    }
    Ok(())
}

/// The build options of a target.
pub(super) fn options(target: &Definition, found: &Found) -> Result<BuildOptions, CliError> {
    if target.needs_policies() {
        let text = format!("target `{}`: rbuild evaluates no policies of where files come from", target.name);
        let hint = format!("to build without: `--set {}.policy=disabled=true`", target.name);
        return Err(CliError::new(text).hint(hint));
    }
    let mut command = Command::new(target);
    if target.is_linked {
        command.insert("output", "type=cacheonly");
    }
    for wanted in target.outputs.iter().flatten().filter(|_| !target.is_linked) {
        // docker's own store is this one.
        let is_store = wanted.kind == "docker" && wanted.destination.is_empty();
        command.insert("output", &if is_store { "type=image".to_owned() } else { output_text(wanted) });
    }
    if target.is_without_policies() {
        command.insert("policy", "disabled=true");
    }
    let mut options = build::Args::read(&command.words)?.options()?;
    if let Some(text) = &target.dockerfile_inline {
        options.dockerfile = DockerfileSource::Inline(text.clone());
    }
    let local = target.dockerfile.as_deref().and_then(|path| path.strip_prefix("cwd://"));
    if let (Some(path), ContextSource::Remote(_), None) = (local, &options.context, &target.dockerfile_inline) {
        let text = input::named(Path::new(path))?;
        options.dockerfile = DockerfileSource::Inline(String::from_utf8_lossy(&text).into_owned());
    }
    if let Some(url) = &found.url {
        remote::tell_git(&mut options, url, &found.environment);
    }
    Ok(options)
}

fn built<'a>((target, outcome): (&'a Target, &'a Outcome)) -> Option<(&'a Target, &'a BuildResult)> {
    match outcome {
        Outcome::Built(built) => Some((target, built)),
        _ => None,
    }
}

/// Shows the targets, with their names if there are several.
struct Screen<'a> {
    parts: Vec<Part<'a>>,
    session: &'a Session,
    selection: &'a Selection,
    request: &'a Request,
}

impl<'a> Screen<'a> {
    fn new(display: &'a Display, session: &'a Session, selection: &'a Selection, request: &'a Request) -> Self {
        let are_several = request.targets.len() > 1;
        let names = request.targets.iter().map(|target| are_several.then_some(target.name.as_str()));
        Self { parts: names.map(|name| Part::of(display, name)).collect(), session, selection, request }
    }
}

impl bake::Watcher for Screen<'_> {
    fn begins(&self, place: usize) -> &dyn Observer {
        self.parts[place].begin();
        &self.parts[place]
    }

    fn ends(&self, place: usize, outcome: &Outcome) {
        let (part, target) = (&self.parts[place], &self.request.targets[place]);
        match outcome {
            Outcome::Built(_) if self.selection.targets[&target.name].is_linked => {}
            Outcome::Built(built) => part.built(build::built_of(&self.session.store, &target.options, built)),
            Outcome::Failed(error) => part.failed(&chain(error)),
            Outcome::Stopped | Outcome::NotBegun { .. } => part.failed("canceled"),
        }
    }
}

/// buildx's name for the step that lists the outcome of each target.
const RESULTS: &str = "[internal] target results";

/// If only some of several targets were built: shows the outcome of each.
fn tell_results(display: &Display, request: &Request, answer: &Answer) {
    use crate::build::solve::TaskEvent;
    if request.targets.len() < 2 || answer.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Built(_))) {
        return;
    }
    display.task(TaskEvent::Started { task: RESULTS });
    for (target, outcome) in request.targets.iter().zip(&answer.outcomes) {
        let word = match outcome {
            Outcome::Built(_) => "succeeded",
            Outcome::Failed(_) => "failed",
            Outcome::Stopped => "aborted",
            Outcome::NotBegun { .. } => "not started",
        };
        display.task(TaskEvent::Note { task: RESULTS, text: &format!("{}: {word}", target.name) });
    }
    display.task(TaskEvent::Done { task: RESULTS, took: std::time::Duration::ZERO });
}

fn first_failure(session: &Session, request: &Request, answer: Answer) -> CliError {
    let Answer { failures, outcomes, .. } = answer;
    let first = failures.first().copied();
    let failed = outcomes.into_iter().enumerate().find(|(place, _)| Some(*place) == first);
    match failed {
        Some((place, Outcome::Failed(error))) => session.worded(of_target(request, place, error)),
        _ => CliError::new("no target was built"),
    }
}

fn of_target(request: &Request, place: usize, error: crate::build::BuildError) -> CliError {
    build::build_error(error).context(&format!("target {}", request.targets[place].name))
}

/// Reports why targets were not built.
fn tell_failures(session: &Session, request: &Request, answer: Answer) -> ExitCode {
    let count = answer.outcomes.len();
    let mut missing: Vec<&str> = Vec::new();
    for (place, outcome) in answer.outcomes.into_iter().enumerate() {
        let name = request.targets[place].name.as_str();
        let error = match outcome {
            Outcome::Built(_) => continue,
            Outcome::Failed(error) => of_target(request, place, error),
            Outcome::NotBegun { needs: Some(needed) } => {
                CliError::new(format!("target {name}: not built, as it needs target {needed}"))
            }
            Outcome::Stopped | Outcome::NotBegun { needs: None } => CliError::new(format!("target {name}: not built")),
        };
        session.worded(error).report();
        missing.push(name);
    }
    match missing.is_empty() {
        true => ExitCode::SUCCESS,
        false => {
            let names = missing.join(", ");
            session.worded(CliError::new(format!("{} of {count} targets failed: {names}", missing.len()))).report()
        }
    }
}

/// Writes a report of each target that was started.
fn write_reports(folder: &Path, store: &Store, request: &Request) -> Result<(), CliError> {
    outgoing::folder(folder)?;
    for target in &request.targets {
        let id = target.options.reference.rsplit('/').next().unwrap_or_default();
        if let Ok(record) = history::find(store, id) {
            report::write_to(store, &record, &folder.join(format!("{}.html", target.name)))?;
        }
    }
    Ok(())
}

/// Writes facts about the results, by target.
fn write_metadata<'a>(
    path: &std::path::Path,
    store: &Store,
    results: impl Iterator<Item = (&'a Target, &'a BuildResult)>,
) -> Result<(), CliError> {
    let mut facts = serde_json::Map::new();
    for (target, built) in results {
        facts.insert(target.name.clone(), build::metadata(store, &target.options, built)?);
    }
    build::write_metadata(path, &serde_json::Value::Object(facts))
}
