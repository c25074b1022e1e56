//! `rbuild container prune`

use std::process::ExitCode;

use crate::base::Filters;
use crate::cli::container::each;
use crate::cli::docker_config::prune_filters;
use crate::cli::format::human_size;
use crate::cli::global::Global;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, confirm, output};
use crate::container::Containers;
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
    let Cleared { text, reclaimed, error } = clear(&each::open(global)?, &filters)?;
    let text = if text.is_empty() { text } else { text + "\n" };
    output::print(&format!("{text}Total reclaimed space: {}\n", human_size(reclaimed, 4)))?;
    error.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// The result of a prune.
pub(in crate::cli) struct Cleared {
    /// docker's output.
    pub text: String,
    /// The number of freed bytes.
    pub reclaimed: u64,
    /// The containers that could not be removed.
    pub error: Option<CliError>,
}

/// Removes the selected containers.
pub(in crate::cli) fn clear(containers: &Containers, filters: &Filters) -> Result<Cleared, CliError> {
    let work = Work::of_things("removing containers", None);
    let Pruned { removed, reclaimed, errors } = prune(containers, filters, &work).map_err(CliError::of_request)?;
    let lines: String = removed.iter().map(|id| format!("{id}\n")).collect();
    let text = if lines.is_empty() { lines } else { format!("Deleted Containers:\n{lines}") };
    Ok(Cleared { text, reclaimed, error: CliError::all(errors.into_iter().map(CliError::of_request).collect()) })
}
