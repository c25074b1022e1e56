//! `rbuild volume prune`

use std::process::ExitCode;

use crate::base::Filters;
use crate::cli::docker_config::prune_filters;
use crate::cli::format::human_size;
use crate::cli::global::Global;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, confirm, output};
use crate::engine::volume;
use crate::store::Store;

/// Remove volumes that no container has
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Those with a name, too
    #[arg(short, long)]
    all: bool,
    /// label= or label!=
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::base::form)]
    filter: Vec<String>,
    /// Don't ask
    #[arg(short, long)]
    force: bool,
}

pub(super) fn run(args: &Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let filters = Filters::parse(&prune_filters(&args.filter), &volume::PRUNE_FILTERS)?;
    let all = args.all || filters.boolean("all")?.unwrap_or(false);
    let which = if all { "local" } else { "anonymous local" };
    let warning = format!("WARNING! This will remove {which} volumes not used by at least one container.");
    if !args.force && !confirm::ask(&warning)? {
        return Ok(ExitCode::SUCCESS);
    }
    let (mut text, reclaimed) = prune(&store, all, &filters)?;
    if !text.is_empty() {
        text += "\n";
    }
    output::print(&format!("{text}Total reclaimed space: {}\n", human_size(reclaimed, 4)))?;
    Ok(ExitCode::SUCCESS)
}

/// Removes the volumes; returns docker's output, and the number of freed bytes.
pub fn prune(store: &Store, all: bool, filters: &Filters) -> Result<(String, u64), CliError> {
    let work = Work::of_things("removing volumes", None);
    let pruned = volume::prune(store.root(), all, filters, &work)?;
    let text: String = pruned.removed.iter().map(|name| format!("{name}\n")).collect();
    Ok((if text.is_empty() { text } else { format!("Deleted Volumes:\n{text}") }, pruned.reclaimed))
}
