//! `rbuild container prune`

use std::process::ExitCode;

use crate::base::Filters;
use crate::cli::container::each;
use crate::cli::docker_config::prune_filters;
use crate::cli::format::human_size;
use crate::cli::global::Global;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, confirm, output};
use crate::container::{Removal, tell_of_prune};
use crate::engine::Counter as _;

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
    let filters = Filters::parse(&prune_filters(&args.filter), &["until", "label", "label!"])?;
    let until = filters.until()?;
    if !args.force && !confirm::ask("WARNING! This will remove all stopped containers.")? {
        return Ok(ExitCode::SUCCESS);
    }
    let containers = each::open(global)?;
    let (mut removed, mut reclaimed, mut errors) = (Vec::new(), 0, Vec::new());
    let work = Work::of_things("removing containers", None);
    for entry in containers.list()? {
        let record = &entry.record;
        let is_asked_for =
            filters.labels(&record.config.run.labels) && until.is_none_or(|until| record.created < until);
        if entry.is_running || entry.state.status.is_alive() || !is_asked_for {
            continue;
        }
        let size = crate::engine::system::folder_size(&entry.upper());
        match containers.remove_with(&entry, Removal { force: false, volumes: true }) {
            Ok(()) => {
                work.count();
                reclaimed += size;
                removed.push(format!("{}\n", entry.record.id));
            }
            // Started, or removed by somebody else, meanwhile.
            Err(error) => errors.push(CliError::from(error)),
        }
    }
    tell_of_prune(containers.store_root(), "container", reclaimed);
    let mut text = String::new();
    if !removed.is_empty() {
        text = format!("Deleted Containers:\n{}\n", removed.concat());
    }
    output::print(&format!("{text}Total reclaimed space: {}\n", human_size(reclaimed, 4)))?;
    CliError::all(errors).map_or(Ok(ExitCode::SUCCESS), Err)
}
