//! `rbuild image prune`

use std::process::ExitCode;

use crate::base::Filters;
use crate::cli::docker_config::prune_filters;
use crate::cli::format::human_size;
use crate::cli::global::Global;
use crate::cli::image::rmi;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, confirm, output};
use crate::engine::image::prune::{self, FILTERS};

/// Remove images that have no name, or all that no container uses
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also images that have names, if no container uses them
    #[arg(short, long)]
    all: bool,
    /// until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE], dangling=BOOL
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::base::form)]
    filter: Vec<String>,
    /// Don't ask
    #[arg(short, long)]
    force: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let filters = Filters::parse(&prune_filters(&args.filter), &FILTERS)?;
    filters.until()?;
    // docker's CLI adds the opposite value, and its daemon then refuses both.
    if filters.boolean("dangling")? == Some(false) && !args.all {
        let text = "invalid filter 'dangling=[false true]'";
        return Err(CliError::new(text).hint("with -a, images that have names go, too"));
    }
    let store = global.open_store()?;
    let warning = match args.all {
        true => "WARNING! This will remove all images without at least one container associated to them.",
        false => "WARNING! This will remove all dangling images.",
    };
    if !args.force && !confirm::ask(warning)? {
        return Ok(ExitCode::SUCCESS);
    }
    let work = Work::of_things("removing images", None);
    let pruned = prune::prune(&store, args.all, &filters, &work).map_err(CliError::of_image)?;
    drop(work);
    let text = rmi::pruned_lines(&pruned.removed);
    output::print(&format!("{text}Total reclaimed space: {}\n", human_size(pruned.reclaimed, 4)))?;
    Ok(ExitCode::SUCCESS)
}
