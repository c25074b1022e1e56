//! Builds targets, those first that others have as contexts.
//!
//! All of them share one cache: what several targets have in common is executed once. Where something is pushed, all
//! targets are built before anything leaves.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;

use tempfile::NamedTempFile;

use super::Args;
use super::command::{Command, output as output_text};
use crate::base::io_error::{AtPath as _, IoError};
use crate::build::{BuildResult, NamedContextSource};
use crate::cli::build::{self, Session};
use crate::cli::global::Global;
use crate::cli::progress::ProgressMode;
use crate::cli::{CliError, output};
use crate::language::bake::{Selection, Target};
use crate::transport::archive;

/// What a target that fails means for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Execution {
    /// Nothing is built behind it.
    FailFast,
    /// The same, and no result goes anywhere before all targets are built.
    DeferOutput,
    /// What does not need it is built, too.
    DeferError,
}

pub(super) fn run(args: &Args, selection: &Selection, global: &Global) -> Result<ExitCode, CliError> {
    let order = order(selection);
    let mode = ProgressMode::wanted(args.progress, false)?;
    let calls = selection.targets.values().any(|target| target.call.as_deref().is_some_and(|call| call != "build"));
    if calls {
        return call(args, selection, &order, global);
    }
    let session = Session::new(global, mode)?;
    let is_pushed = selection.targets.values().any(pushes);
    let mut run = Run { session: &session, selection, global, results: BTreeMap::new() };
    let mut code = ExitCode::SUCCESS;
    let is_held = match args.execution {
        Execution::FailFast => is_pushed,
        Execution::DeferOutput => true,
        Execution::DeferError => false,
    };
    if args.execution == Execution::DeferError {
        code = run.build_what_can_be(&order);
    } else if is_held && order.len() > 1 {
        // Nothing leaves before all is there.
        for name in &order {
            run.build(name, Outgoing::Held)?;
        }
        for name in order.iter().filter(|name| !selection.targets[*name].is_linked) {
            run.build(name, Outgoing::Released)?;
        }
    } else {
        for name in &order {
            run.build(name, Outgoing::AtOnce)?;
        }
    }
    if let Some(path) = &args.metadata_file {
        let mut facts = serde_json::Map::new();
        for (name, made) in &run.results {
            facts.insert(name.clone(), made.facts.clone());
        }
        let text = format!("{:#}\n", serde_json::Value::Object(facts));
        archive::write_file(path, |out| {
            out.write_all(text.as_bytes()).map_err(|source| IoError { action: "write", path: path.clone(), source })
        })?;
    }
    Ok(code)
}

/// When a target's results go where they are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outgoing {
    AtOnce,
    /// Later: for now they are only built.
    Held,
    /// They are built.
    Released,
}

fn pushes(target: &Target) -> bool {
    let is_true = |text: &String| crate::language::bake::parse_bool(text) == Some(true);
    target.outputs.iter().flatten().any(|output| {
        output.kind == "registry" || output.kind == "image" && output.attributes.get("push").is_some_and(is_true)
    })
}

/// All targets, each behind those that it has as contexts.
fn order(selection: &Selection) -> Vec<String> {
    fn visit(name: &str, selection: &Selection, order: &mut Vec<String>) {
        if order.iter().any(|known| known == name) {
            return;
        }
        let Some(target) = selection.targets.get(name) else { return };
        for linked in target.contexts.values().filter_map(|context| context.strip_prefix("target:")) {
            visit(linked, selection, order);
        }
        order.push(name.to_owned());
    }
    let mut order = Vec::new();
    for name in selection.targets.keys() {
        visit(name, selection, &mut order);
    }
    order
}

/// What was made of a target.
struct Made {
    result: BuildResult,
    facts: serde_json::Value,
}

struct Run<'a> {
    session: &'a Session,
    selection: &'a Selection,
    global: &'a Global,
    results: BTreeMap<String, Made>,
}

impl Run<'_> {
    /// Builds all that does not need what failed, and says at the end what is missing.
    fn build_what_can_be(&mut self, order: &[String]) -> ExitCode {
        let mut missing: Vec<&str> = Vec::new();
        for name in order {
            let contexts = self.selection.targets[name].contexts.values();
            let needed = contexts.filter_map(|context| context.strip_prefix("target:"));
            let built = match needed.into_iter().find(|needed| missing.contains(needed)) {
                Some(needed) => Err(CliError::new(format!("target {name}: not built, as it needs target {needed}"))),
                None => self.build(name, Outgoing::AtOnce),
            };
            if let Err(error) = built {
                let code = error.report();
                if self.session.is_interrupted() {
                    return code;
                }
                missing.push(name);
            }
        }
        if missing.is_empty() {
            return ExitCode::SUCCESS;
        }
        let count = format!("{} of {} targets failed", missing.len(), order.len());
        CliError::new(format!("{count}: {}", missing.join(", "))).report()
    }

    fn build(&mut self, name: &str, outgoing: Outgoing) -> Result<(), CliError> {
        let target = &self.selection.targets[name];
        let of_target = |error: CliError| error.context(&format!("target {name}"));
        let dockerfile = inline(target)?;
        let mut command = Command::new(target, dockerfile.as_ref().map(NamedTempFile::path));
        let is_needed_only = target.is_linked || outgoing == Outgoing::Held;
        if is_needed_only {
            command.insert("output", "type=cacheonly");
        } else {
            for wanted in target.outputs.iter().flatten() {
                // Docker's own store is this one.
                let is_store = wanted.kind == "docker" && wanted.destination.is_empty();
                let text = if is_store { "type=image".to_owned() } else { output_text(wanted) };
                command.insert("output", &text);
            }
        }
        let arguments = build::Args::read(&command.words).map_err(of_target)?;
        let mut options = arguments.options().map_err(of_target)?;
        build::work_for(&mut options, self.global);
        for (context, linked) in &target.contexts {
            if let Some(linked) = linked.strip_prefix("target:")
                && let Some(made) = self.results.get(linked)
            {
                let images = made.result.images.clone();
                options.named_contexts.push((context.clone(), NamedContextSource::Built(images)));
            }
        }
        if outgoing == Outgoing::Released {
            options.no_cache = crate::language::plan::NoCache::Never;
            options.pull = false;
            options.cache_to = Vec::new();
        }
        if self.selection.targets.len() > 1 && outgoing != Outgoing::Released {
            self.session.announce(name);
        }
        let (result, facts) = self.session.build(&options, !is_needed_only).map_err(of_target)?;
        self.results.insert(name.to_owned(), Made { result, facts });
        Ok(())
    }
}

/// A file with the Dockerfile that the target has in place of one.
fn inline(target: &Target) -> Result<Option<NamedTempFile>, CliError> {
    let Some(text) = &target.dockerfile_inline else { return Ok(None) };
    let mut file = tempfile::Builder::new().prefix("dockerfile-inline-").tempfile().at("make", std::env::temp_dir())?;
    let path = file.path().to_owned();
    file.write_all(text.as_bytes()).at("write", &path)?;
    Ok(Some(file))
}

/// Checks, outlines or lists targets in place of builds.
fn call(args: &Args, selection: &Selection, order: &[String], global: &Global) -> Result<ExitCode, CliError> {
    let mut code = ExitCode::SUCCESS;
    let mut is_first = true;
    for name in order.iter().filter(|name| !selection.targets[*name].is_linked) {
        let target = &selection.targets[name];
        let Some(method) = target.call.as_deref().filter(|call| *call != "build") else { continue };
        let dockerfile = inline(target)?;
        let mut command = Command::new(target, dockerfile.as_ref().map(NamedTempFile::path));
        let method = if method == "lint" { "check" } else { method };
        let more = args.call.as_deref().and_then(|call| call.split_once(',')).map(|(_, more)| format!(",{more}"));
        command.insert("call", &format!("{method}{}", more.unwrap_or_default()));
        if !std::mem::take(&mut is_first) {
            output::print("\n")?;
        }
        output::print(&format!("{name}\n\n"))?;
        let arguments = build::Args::read(&command.words)?;
        let answered = build::run(arguments, global).map_err(|error| error.context(&format!("target {name}")))?;
        if answered != ExitCode::SUCCESS {
            code = answered;
        }
    }
    Ok(code)
}
