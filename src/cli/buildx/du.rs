//! `rbuild buildx du`: what is in the build cache.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::Builder;
use crate::cli::format::{Column, Listing, ago, human_size};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::image::build_cache::{self, Selection};
use crate::store::CacheItem;

/// Show how much room the build cache takes
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    builder: Builder,
    /// until=DURATION|TIME, type=TYPE, id=PREFIX
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::base::form)]
    filter: Vec<String>,
    /// `table`, `json` or a Go template
    #[arg(long, value_name = "FORMAT", conflicts_with = "verbose")]
    format: Option<String>,
    /// Show all that is known of each thing
    #[arg(long)]
    verbose: bool,
}

const COLUMNS: &[Column] = &[
    Column { field: "ID", heading: "ID" },
    Column { field: "Reclaimable", heading: "RECLAIMABLE" },
    Column { field: "Size", heading: "SIZE" },
    Column { field: "LastUsedAt", heading: "LAST ACCESSED" },
    Column { field: "Type", heading: "TYPE" },
    Column { field: "Shared", heading: "SHARED" },
    Column { field: "CreatedAt", heading: "CREATED AT" },
];

pub fn run(args: &Args, global: &Global) -> Result<ExitCode, CliError> {
    args.builder.check(global)?;
    let selection = Selection::of(&args.filter)?;
    let store = global.open_store()?;
    store.hold_nothing();
    let items = build_cache::items(&store)?;
    let shown: Vec<&CacheItem> = items.iter().rev().filter(|item| selection.speaks_of(item)).collect();
    let text = match (args.verbose, args.format.as_deref()) {
        (true, _) => shown.iter().map(|item| details(item)).collect::<String>() + &sums(&shown),
        (_, None) => table(None, &shown)? + &sums(&shown),
        (_, format) => table(format, &shown)?,
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn table(format: Option<&str>, items: &[&CacheItem]) -> Result<String, CliError> {
    let default = "{{.ID}}\t{{.Reclaimable}}\t{{.Size}}\t{{.LastUsedAt}}";
    let rows: Vec<Value> = items.iter().map(|item| row(item)).collect();
    Ok(Listing::parse(format, default)?.render(COLUMNS, &rows)?)
}

fn row(item: &CacheItem) -> Value {
    let time = |second| ago(jiff::Timestamp::from_second(second).ok(), jiff::Timestamp::now());
    json!({
        "ID": item.what.id(),
        "Reclaimable": !item.in_use,
        "Size": human_size(item.size, 4),
        "LastUsedAt": time(item.used_at),
        "Type": item.what.kind(),
        "Shared": item.shared,
        "CreatedAt": time(item.created_at),
    })
}

fn details(item: &CacheItem) -> String {
    let time = |second| jiff::Timestamp::from_second(second).map(|time| time.to_string()).unwrap_or_default();
    format!(
        "ID:\t\t{}\nCreated at:\t{}\nReclaimable:\t{}\nShared:\t\t{}\nSize:\t\t{}\nLast used:\t{}\nType:\t\t{}\n\n",
        item.what.id(),
        time(item.created_at),
        !item.in_use,
        item.shared,
        human_size(item.size, 4),
        time(item.used_at),
        item.what.kind(),
    )
}

fn sums(items: &[&CacheItem]) -> String {
    let sum =
        |keep: fn(&CacheItem) -> bool| -> u64 { items.iter().filter(|item| keep(item)).map(|item| item.size).sum() };
    let total = sum(|_| true);
    let (shared, reclaimable) = (sum(|item| item.shared), sum(|item| !item.in_use));
    let parts = match shared {
        0 => String::new(),
        shared => {
            format!("Shared:\t\t{}\nPrivate:\t{}\n", human_size(shared, 4), human_size(total - shared, 4))
        }
    };
    format!("{parts}Reclaimable:\t{}\nTotal:\t\t{}\n", human_size(reclaimable, 4), human_size(total, 4))
}
