//! `rbuild builds ...`: the build history. `buildx history` does the same under buildx's names.

pub mod compare;
pub mod list;
pub mod logs;
pub mod open;
pub mod show;

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::CliError;
use crate::cli::global::Global;
use crate::engine::history::{self, BuildRecord, HistoryError};
use crate::store::Store;

#[derive(Debug, Subcommand)]
enum BuildsCommand {
    Compare(compare::Args),
    Logs(logs::Args),
    #[command(visible_alias = "list")]
    Ls(list::Args),
    Open(open::Args),
    #[command(visible_alias = "remove")]
    Rm(RemoveArgs),
    #[command(visible_alias = "inspect")]
    Show(show::Args),
}

/// Show past builds: what they did, printed and used
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: BuildsCommand,
}

/// Forget builds
#[derive(Debug, clap::Args)]
pub struct RemoveArgs {
    /// All of them
    #[arg(long)]
    pub all: bool,
    /// What builds are known by, or `^N` for the N-th before the last [default: the last]
    #[arg(value_name = "BUILD")]
    pub builds: Vec<String>,
}

pub fn run(args: &Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    match &args.command {
        BuildsCommand::Compare(args) => compare::run(args, &store)?,
        BuildsCommand::Logs(args) => logs::run(args, &store)?,
        BuildsCommand::Ls(args) => list::run(args, &store)?,
        BuildsCommand::Open(args) => open::run(args, &store)?,
        BuildsCommand::Rm(args) => remove(args, &store)?,
        BuildsCommand::Show(args) => show::run(args, &store)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Finds all named builds before removing any. With `--all`, running builds stay.
pub fn remove(args: &RemoveArgs, store: &Store) -> Result<(), CliError> {
    let mut records = match args.all {
        true => history::list(store)?,
        false => several(store, &args.builds)?,
    };
    records.retain(|record| !args.all || record.status != history::Status::Running);
    let ids: Vec<String> = records.into_iter().map(|record| record.id).collect();
    Ok(history::remove(store, &ids)?)
}

/// The named build, or the last one.
pub fn one(store: &Store, reference: Option<&str>) -> Result<BuildRecord, CliError> {
    history::find(store, reference.unwrap_or_default()).map_err(|error| {
        let hint = matches!(error, HistoryError::Unknown { .. } | HistoryError::Ambiguous { .. })
            .then_some("`rbuild builds ls` lists those there are");
        CliError::from(error).hint_if(hint)
    })
}

pub fn several(store: &Store, references: &[String]) -> Result<Vec<BuildRecord>, CliError> {
    if references.is_empty() {
        return Ok(vec![one(store, None)?]);
    }
    references.iter().map(|reference| one(store, Some(reference))).collect()
}
