//! `rbuild container prune`

use std::process::ExitCode;

use crate::base::Filters;
use crate::cli::container::each;
use crate::cli::docker_config::prune_filters;
use crate::cli::format::human_size;
use crate::cli::global::Global;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, confirm, output};
use crate::engine::container::{PRUNE_FILTERS, Pruned, prune};

/// Remove all containers that don't run
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Don't ask
    #[arg(short, long)]
    force: bool,
    /// until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::base::form)]
    filter: Vec<String>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let filters = Filters::parse(&prune_filters(&args.filter), &PRUNE_FILTERS)?;
    filters.until()?;
    if !args.force && !confirm::ask("WARNING! This will remove all stopped containers.")? {
        return Ok(ExitCode::SUCCESS);
    }
    let containers = each::open(global)?;
    let work = Work::of_things("removing containers", None);
    let Pruned { removed, reclaimed, errors } = prune(&containers, &filters, &work).map_err(CliError::of_request)?;
    let removed: Vec<String> = removed.into_iter().map(|id| id + "\n").collect();
    let mut text = String::new();
    if !removed.is_empty() {
        text = format!("Deleted Containers:\n{}\n", removed.concat());
    }
    output::print(&format!("{text}Total reclaimed space: {}\n", human_size(reclaimed, 4)))?;
    CliError::all(errors.into_iter().map(CliError::of_request).collect()).map_or(Ok(ExitCode::SUCCESS), Err)
}
