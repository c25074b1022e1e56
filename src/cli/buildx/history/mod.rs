//! `rbuild buildx history ...`: the build history, under buildx's names.

mod export;

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::builds::{self, list, logs, one, open, show};
use crate::cli::buildx::Builder;
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::history;
use crate::store::Store;

#[derive(Debug, Subcommand)]
enum HistoryCommand {
    Export(export::Args),
    Inspect(Of<show::Args>),
    Logs(Of<logs::Args>),
    Ls(Of<list::Args>),
    Open(Of<open::Args>),
    Rm(Of<builds::RemoveArgs>),
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

/// A request about builds, with the builder.
#[derive(Debug)]
struct Of<T> {
    builder: Builder,
    asked: T,
}

/// clap's derive would use the help text of the builder.
impl<T: clap::Args> clap::Args for Of<T> {
    fn augment_args(command: clap::Command) -> clap::Command {
        T::augment_args(Builder::augment_args(command))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl<T: clap::FromArgMatches> clap::FromArgMatches for Of<T> {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { builder: Builder::from_arg_matches(matches)?, asked: T::from_arg_matches(matches)? })
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
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
        HistoryCommand::Inspect(of) => show::run(of.asked(global)?, &store)?,
        HistoryCommand::Logs(of) => logs::run(of.asked(global)?, &store)?,
        HistoryCommand::Ls(of) => list::run(of.asked(global)?, &store)?,
        HistoryCommand::Open(of) => open::run(of.asked(global)?, &store)?,
        HistoryCommand::Rm(of) => {
            let asked = of.asked(global)?;
            if asked.all != asked.builds.is_empty() {
                return Err(CliError::new("rm requires either --all or at least one argument"));
            }
            builds::remove(asked, &store)?;
        }
        HistoryCommand::Trace(args) => trace(args, global, &store)?,
    }
    Ok(ExitCode::SUCCESS)
}

impl<T> Of<T> {
    fn asked(&self, global: &Global) -> Result<&T, CliError> {
        self.builder.check(global)?;
        Ok(&self.asked)
    }
}

fn trace(args: &TraceArgs, global: &Global, store: &Store) -> Result<(), CliError> {
    args.builder.check(global)?;
    let record = one(store, args.reference.as_deref())?;
    let log = history::log_of(store, &record)?;
    let spans = history::jaeger_spans(&record, log.into_iter().flatten());
    Ok(output::print(&format!("{spans:#}\n"))?)
}
