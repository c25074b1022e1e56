//! `rbuild bake`: builds the targets of bake files.

mod building;
mod calls;
mod command;
mod definition;
mod lists;
mod remote;
mod rights;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::base::io_error::AtPath as _;
use crate::build::FailedOutput;
use crate::cli::buildx::Builder;
use crate::cli::global::Global;
use crate::cli::progress::ProgressMode;
use crate::cli::{CliError, output};
use crate::language::bake::{
    self, BakeError, Bakery, Entitlements, Ground, Overrides, Place, Remote, Selection, parse_bool,
};

/// Build the targets of a bake file
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    builder: Builder,
    /// File to read: HCL, JSON or compose; `-` is standard input [default: all of compose.yaml, docker-bake.json,
    /// docker-bake.hcl, docker-bake.override.hcl and the like that are there]
    #[arg(short, long = "file", value_name = "FILE")]
    files: Vec<String>,
    /// Set a value of targets: `PATTERN.KEY=VALUE`, or `PATTERN.KEY+=VALUE` to add one
    #[arg(long = "set", value_name = "TARGET.KEY=VALUE")]
    set: Vec<String>,
    /// Set a variable
    #[arg(long = "var", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// Print what would be built, as JSON, and build nothing
    #[arg(long)]
    print: bool,
    /// List `targets` or `variables`: `TYPE`, or `type=TYPE,format=table|json`
    #[arg(long, value_name = "TYPE")]
    list: Option<String>,
    #[arg(long, hide = true)]
    list_targets: bool,
    #[arg(long, hide = true)]
    list_variables: bool,
    /// Send the results to the registries of their names
    #[arg(long)]
    push: bool,
    /// Keep the results in the store, also when they go elsewhere too
    #[arg(long)]
    load: bool,
    /// Execute every step, whatever the cache has
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    no_cache: Option<bool>,
    /// Ask the registries for newer base images
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pull: Option<bool>,
    /// What to do in place of builds: `check`, `outline` or `targets`
    #[arg(long, value_name = "METHOD[,format=FORMAT]")]
    call: Option<String>,
    /// Only check the Dockerfiles; the same as `--call=check`
    #[arg(long)]
    check: bool,
    /// Shorthand for `--set=*.attest=type=sbom`
    #[arg(long, value_name = "VALUE")]
    sbom: Option<String>,
    /// Shorthand for `--set=*.attest=type=provenance`
    #[arg(long, value_name = "VALUE")]
    provenance: Option<String>,
    /// Grant an entitlement: network.host, security.insecure, device, ssh, buildx.local.delete, or
    /// fs=PATH, fs.read=PATH and fs.write=PATH outside of the working folder
    #[arg(long = "allow", value_name = "ENTITLEMENT")]
    allow: Vec<String>,
    /// How progress is shown
    #[arg(long, value_enum, value_name = "MODE")]
    progress: Option<ProgressMode>,
    /// What a target that fails means for the others. `defer-output`: no result goes anywhere before all are built,
    /// as it
    /// always is with `--push`; `defer-error`: what does not need it is built all the same
    #[arg(long, value_enum, value_name = "MODE", default_value = "fail-fast")]
    execution: building::Execution,
    /// Build at most so many targets at once [default: 16]
    #[arg(short, long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
    /// Write a report of each target into this folder, as one HTML page, TARGET.html
    #[arg(long, value_name = "FOLDER")]
    report: Option<PathBuf>,
    /// Files to write out of the root filesystem of a step that fails, as `build` has it: those of a target go into the
    /// folder DEST/TARGET; several times for several
    #[arg(long, value_name = "PATH=DEST")]
    output_on_failure: Vec<FailedOutput>,
    /// Write facts about the results to this file, as JSON, by target
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<PathBuf>,
    /// Targets and groups, also as shell patterns [default: `default`]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// The content of the files, and where they were read.
struct Found {
    bakery: Bakery,
    environment: BTreeMap<String, String>,
    folder: PathBuf,
    /// The location that paths are relative to, if remote.
    remote: Option<Remote>,
    /// The address of the definition, if remote.
    url: Option<String>,
    /// The requested targets.
    targets: Vec<String>,
}

pub fn run(args: &Args, global: &Global) -> Result<ExitCode, CliError> {
    let list = args.list()?;
    if args.print && list.is_some() {
        return Err(CliError::new("--print and --list are mutually exclusive"));
    }
    let found = definition::read(args, global)?;
    for notice in &found.bakery.notices {
        output::say(format_args!("warning: {}:{}: {}", notice.place.file, notice.place.line, notice.message));
    }
    if let Some(list) = list {
        output::print(&lists::text(&list, &found.bakery)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut allowed = Entitlements::parse(&args.allow).map_err(bake_error)?;
    let selection = args.select(&found, &mut allowed)?;
    if args.print {
        output::print(&format!("{:#}\n", selection.to_json()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let global = &args.builder.meant(global)?;
    let needed = allowed.missing(&selection, &found.folder).map_err(bake_error)?;
    rights::check(&needed, &found, args.progress == Some(ProgressMode::RawJson))?;
    if calls::are_wanted(&selection) {
        return calls::run(args, &selection, &found, global);
    }
    building::run(args, &selection, &found, global)
}

impl Args {
    fn list(&self) -> Result<Option<lists::List>, CliError> {
        match (&self.list, self.list_targets, self.list_variables) {
            (Some(text), ..) => lists::List::parse(text).map(Some),
            (None, true, _) => lists::List::parse("targets").map(Some),
            (None, false, true) => lists::List::parse("variables").map(Some),
            _ => Ok(None),
        }
    }

    /// The fields that flags set in all targets.
    fn overrides(&self) -> Vec<String> {
        let mut all = self.set.clone();
        let mut add = |text: String| all.push(format!("*.{text}"));
        if self.push {
            add("push=true".to_owned());
        }
        if self.load {
            add("load=true".to_owned());
        }
        if let Some(call) = self.call_method() {
            add(format!("call={call}"));
        }
        if let Some(value) = self.no_cache {
            add(format!("no-cache={value}"));
        }
        if let Some(value) = self.pull {
            add(format!("pull={value}"));
        }
        for (kind, value) in [("sbom", &self.sbom), ("provenance", &self.provenance)] {
            match value.as_deref().filter(|value| !value.is_empty()) {
                None => {}
                Some(value) => match parse_bool(value) {
                    Some(is_wanted) => add(format!("attest=type={kind},disabled={}", !is_wanted)),
                    None => add(format!("attest=type={kind},{value}")),
                },
            }
        }
        all
    }

    /// The method of `--call`, under its name in targets.
    fn call_method(&self) -> Option<String> {
        let typed = if self.check { Some("check") } else { self.call.as_deref() };
        let method = typed?.split(',').find(|field| !field.contains('='))?;
        match method {
            "build" => None,
            "check" => Some("lint".to_owned()),
            other => Some(other.to_owned()),
        }
    }

    fn select(&self, found: &Found, allowed: &mut Entitlements) -> Result<Selection, CliError> {
        let config = &found.bakery.config;
        let overrides = Overrides::parse(&self.overrides(), config, &found.environment).map_err(bake_error)?;
        let names = if found.targets.is_empty() { vec!["default".to_owned()] } else { found.targets.clone() };
        let mut selection = config.select(&names, &overrides, allowed).map_err(bake_error)?;
        // The working directory is always allowed.
        allowed.read.push(found.folder.display().to_string());
        allowed.write.push(found.folder.display().to_string());
        if let Some(epoch) = found.environment.get("SOURCE_DATE_EPOCH").filter(|epoch| !epoch.is_empty()) {
            for target in selection.targets.values_mut() {
                target.args.entry("SOURCE_DATE_EPOCH".to_owned()).or_insert_with(|| epoch.clone());
            }
        }
        let (folder, environment) = (found.folder.as_path(), &found.environment);
        let ground = Ground { folder, environment, is_platform, remote: found.remote.as_ref() };
        bake::check(&mut selection, &ground).map_err(bake_error)?;
        Ok(selection)
    }
}

fn is_platform(text: &str) -> Result<(), String> {
    // One entry may list several.
    let parsed: Result<Vec<_>, _> = text.split(',').map(crate::cli::build::values::platform).collect();
    parsed.map(|_| ()).map_err(|error| format!("{error}: each part must match \"^[A-Za-z0-9_.-]+$\""))
}

/// An error with the line it is about.
fn bake_error(error: BakeError) -> CliError {
    match &error {
        BakeError::File { diagnostic, place: Some(place) } => CliError::new(excerpt(place, &diagnostic.to_string())),
        _ => CliError::from(error),
    }
}

/// Longer lines are cut.
const SHOWN_COLUMNS: usize = 160;

/// The message with its location, and the line with the position marked.
fn excerpt(place: &Place, message: &str) -> String {
    let mut text = format!("{}:{}:{}: {message}", place.file, place.line, place.column);
    let width = place.line.to_string().len();
    let first = place.line.saturating_sub(1).max(1);
    let lines = place.source.lines().enumerate().map(|(index, line)| (index + 1, line));
    for (number, line) in lines.skip(first - 1).take(place.line - first + 1) {
        let shown: String = line.chars().take(SHOWN_COLUMNS).collect();
        text.push_str(&format!("\n  {number:>width$} | {shown}"));
    }
    if place.column <= SHOWN_COLUMNS {
        let carets = "^".repeat(place.length.min(SHOWN_COLUMNS + 1 - place.column));
        let line = place.source.lines().nth(place.line - 1).unwrap_or_default();
        let before = line.chars().take(place.column - 1).map(|letter| if letter == '\t' { '\t' } else { ' ' });
        text.push_str(&format!("\n  {:>width$} | {}{carets}", "", before.collect::<String>()));
    }
    text
}

fn working_folder() -> Result<PathBuf, CliError> {
    Ok(std::env::current_dir().at("find", Path::new("."))?)
}
