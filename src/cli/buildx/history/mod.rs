//! `rbuild buildx history ...`: builds that are remembered.

mod export;
mod inspect;
mod list;
mod logs;

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::buildx::Builder;
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::history::{self, BuildRecord, HistoryError};
use crate::store::Store;

#[derive(Debug, Subcommand)]
enum HistoryCommand {
    Export(export::Args),
    Inspect(inspect::Args),
    Logs(logs::Args),
    Ls(list::Args),
    Rm(RemoveArgs),
    Trace(TraceArgs),
}

/// Look at builds that are remembered
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    builder: Builder,
    #[command(subcommand)]
    command: HistoryCommand,
}

/// Forget builds
#[derive(Debug, clap::Args)]
struct RemoveArgs {
    #[command(flatten)]
    builder: Builder,
    /// All of them
    #[arg(long)]
    all: bool,
    /// What builds are known by, or `^N` for the N-th before the last [default: the last]
    #[arg(value_name = "REF")]
    references: Vec<String>,
}

/// Print a build as spans, in Jaeger's JSON
#[derive(Debug, clap::Args)]
struct TraceArgs {
    #[command(flatten)]
    builder: Builder,
    /// What the build is known by, or `^N` for the N-th before the last [default: the last]
    #[arg(value_name = "REF")]
    reference: Option<String>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    args.builder.check(global)?;
    let store = global.open_store()?;
    match &args.command {
        HistoryCommand::Export(args) => export::run(args, global, &store)?,
        HistoryCommand::Inspect(args) => inspect::run(args, global, &store)?,
        HistoryCommand::Logs(args) => logs::run(args, global, &store)?,
        HistoryCommand::Ls(args) => list::run(args, global, &store)?,
        HistoryCommand::Rm(args) => remove(args, global, &store)?,
        HistoryCommand::Trace(args) => trace(args, global, &store)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// All that is named is found before anything is forgotten.
fn remove(args: &RemoveArgs, global: &Global, store: &Store) -> Result<(), CliError> {
    args.builder.check(global)?;
    let records = match args.all {
        true => history::list(store)?,
        false => several(store, &args.references)?,
    };
    let ids: Vec<String> = records.into_iter().map(|record| record.id).collect();
    Ok(history::remove(store, &ids)?)
}

fn trace(args: &TraceArgs, global: &Global, store: &Store) -> Result<(), CliError> {
    args.builder.check(global)?;
    let record = one(store, args.reference.as_deref())?;
    let log = history::log_of(store, &record)?;
    let spans = history::spans(&record, log.into_iter().flatten());
    Ok(output::print(&format!("{spans:#}\n"))?)
}

/// The build that is named, or the last.
fn one(store: &Store, reference: Option<&str>) -> Result<BuildRecord, CliError> {
    history::find(store, reference.unwrap_or_default()).map_err(|error| {
        let hint = matches!(error, HistoryError::Unknown { .. } | HistoryError::Ambiguous { .. })
            .then_some("`buildx history ls` lists those there are");
        CliError::from(error).hint_if(hint)
    })
}

fn several(store: &Store, references: &[String]) -> Result<Vec<BuildRecord>, CliError> {
    if references.is_empty() {
        return Ok(vec![one(store, None)?]);
    }
    references.iter().map(|reference| one(store, Some(reference))).collect()
}
