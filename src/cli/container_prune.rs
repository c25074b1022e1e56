//! `rbuild container prune`

use std::process::ExitCode;

use jiff::Timestamp;

use super::commands::Global;
use super::format::human_size;
use super::progress::work::Work;
use super::time::point_in_time;
use super::{CliError, confirm, containers, output};
use crate::container::{Entry, Removal, tell_of_prune};

/// Remove all containers that don't run
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Don't ask
    #[arg(short, long)]
    force: bool,
    /// until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::cli::filters::form)]
    filter: Vec<String>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let filters = args.filter.iter().map(|word| Filter::parse(word)).collect::<Result<Vec<_>, _>>()?;
    if !args.force && !confirm::ask("WARNING! This will remove all stopped containers.")? {
        return Ok(ExitCode::SUCCESS);
    }
    let containers = containers::open(global)?;
    let (mut removed, mut reclaimed, mut errors) = (Vec::new(), 0, Vec::new());
    let work = Work::of_things("removing containers", None);
    for entry in containers.list()? {
        if entry.is_running || entry.state.status.is_alive() || !filters.iter().all(|filter| filter.fits(&entry)) {
            continue;
        }
        let size = super::sizes::folder_size(&entry.upper());
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

enum Filter {
    Until(Timestamp),
    Label { key: String, value: Option<String>, wanted: bool },
}

impl Filter {
    fn parse(word: &str) -> Result<Self, CliError> {
        let label = |text: &str, wanted| match text.split_once('=') {
            Some((key, value)) => Self::Label { key: key.to_owned(), value: Some(value.to_owned()), wanted },
            None => Self::Label { key: text.to_owned(), value: None, wanted },
        };
        if let Some(text) = word.strip_prefix("label!=") {
            return Ok(label(text, false));
        }
        match word.split_once('=') {
            Some(("until", time)) => point_in_time(time).map(Self::Until).map_err(CliError::new),
            Some(("label", text)) => Ok(label(text, true)),
            _ => Err(CliError::new(format!("invalid filter '{word}'")).hint("there are: until, label, label!")),
        }
    }

    fn fits(&self, entry: &Entry) -> bool {
        match self {
            Self::Until(time) => entry.record.created < *time,
            Self::Label { key, value, wanted } => {
                let found = entry.record.config.run.labels.get(key);
                let has = found.is_some_and(|found| value.as_ref().is_none_or(|value| value == found));
                has == *wanted
            }
        }
    }
}
