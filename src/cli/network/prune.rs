//! `rbuild network prune`

use std::collections::BTreeSet;
use std::process::ExitCode;

use crate::base::Filters;
use crate::cli::docker_config::prune_filters;
use crate::cli::global::Global;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, confirm, output};
use crate::container::{Containers, networks_of, tell_of_network, tell_of_prune};
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

/// Removes them; gives what docker prints.
pub fn prune(store: &Store, filters: &Filters) -> Result<String, CliError> {
    let until = filters.until()?;
    let networks = networks_of(store.root());
    // One that has stopped needs its network when it is started again.
    let entries = Containers::of(store.root()).list()?;
    let used: BTreeSet<String> = entries.into_iter().flat_map(|entry| entry.record.networks.into_keys()).collect();
    networks.forget_deleted_stores();
    let mut text = String::new();
    let work = Work::of_things("removing networks", None);
    for record in networks.list()?.into_iter().filter(|record| !record.is_predefined()) {
        let is_used = used.contains(&record.name) || used.iter().any(|name| record.id.starts_with(name.as_str()));
        if !is_used && filters.labels(&record.labels) && until.is_none_or(|until| record.created < until) {
            networks.remove(&record)?;
            tell_of_network(store.root(), &record, "destroy", None);
            text += &format!("{}\n", record.name);
            work.count();
        }
    }
    tell_of_prune(store.root(), "network", 0);
    Ok(if text.is_empty() { text } else { format!("Deleted Networks:\n{text}") })
}
