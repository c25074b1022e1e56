//! `rbuild network prune`

use std::process::ExitCode;

use crate::base::Filters;
use crate::cli::docker_config::prune_filters;
use crate::cli::global::Global;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, confirm, output};
use crate::engine::network;
use crate::store::Store;

/// Remove networks that no container has
#[derive(Debug, clap::Args)]
pub struct Args {
    /// label=, label!= or until=
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::base::form)]
    filter: Vec<String>,
    /// Don't ask
    #[arg(short, long)]
    force: bool,
}

pub(super) fn run(args: &Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let filters = Filters::parse(&prune_filters(&args.filter), &["label", "label!", "until"])?;
    filters.until()?;
    let warning = "WARNING! This will remove all custom networks not used by at least one container.";
    if !args.force && !confirm::ask(warning)? {
        return Ok(ExitCode::SUCCESS);
    }
    output::print(&prune(&store, &filters)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Removes the networks; returns docker's output.
pub fn prune(store: &Store, filters: &Filters) -> Result<String, CliError> {
    let work = Work::of_things("removing networks", None);
    let removed = network::prune(store.root(), filters, &work)?;
    let text: String = removed.iter().map(|name| format!("{name}\n")).collect();
    Ok(if text.is_empty() { text } else { format!("Deleted Networks:\n{text}\n") })
}
