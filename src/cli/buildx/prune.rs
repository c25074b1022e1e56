//! `rbuild buildx prune`, `rbuild builder prune`

use std::process::ExitCode;

use super::Builder;
use crate::base::bytes;
use crate::cli::format::human_size;
use crate::cli::global::Global;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, confirm, output};
use crate::engine::image::build_cache::{self, Bounds, Selection};
use crate::store::Store;

/// Remove what only makes builds faster, the least recently used first
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    builder: Builder,
    /// Also forget how the layers of images were made
    #[arg(short, long)]
    all: bool,
    /// until=DURATION|TIME, type=TYPE, id=PREFIX, inuse=, shared= or private=BOOL
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::base::form)]
    filter: Vec<String>,
    /// Don't ask
    #[arg(short, long)]
    force: bool,
    /// This much of the cache stays
    #[arg(long, visible_alias = "keep-storage", value_name = "BYTES", value_parser = bytes)]
    reserved_space: Option<u64>,
    /// Remove only until the cache takes no more than this
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_used_space: Option<u64>,
    /// Remove only until this much of the disk is free
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    min_free_space: Option<u64>,
    /// Taken: what is removed is listed in any case
    #[arg(long)]
    verbose: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    args.builder.check(global)?;
    // An invalid filter is an error before anything is asked or removed.
    let mut selection = Selection { all: args.all, ..Selection::of(&args.filter).map_err(CliError::of_image)? };
    let store = global.open_store()?;
    let warning = match args.all {
        true => "WARNING! This will remove all build cache.",
        false => "WARNING! This will remove all dangling build cache.",
    };
    if !args.force && !confirm::ask(warning)? {
        return Ok(ExitCode::SUCCESS);
    }
    let bounds = Bounds {
        reserved_space: args.reserved_space,
        max_used_space: args.max_used_space,
        min_free_space: args.min_free_space,
    };
    selection.most = bounds.most(&store)?;
    let (text, reclaimed) = prune(&store, &selection, "builder prune")?;
    output::print(&format!("{text}Total:\t{}\n", human_size(reclaimed, 4)))?;
    Ok(ExitCode::SUCCESS)
}

/// Removes what is selected; returns docker's lines, and the number of freed bytes.
pub fn prune(store: &Store, selection: &Selection, by: &str) -> Result<(String, u64), CliError> {
    let work = Work::of_things("removing build cache", None);
    let pruned = build_cache::prune(store, selection, by, &work).map_err(CliError::of_image)?;
    let lines: String = pruned.removed.iter().map(|id| format!("{id}\n")).collect();
    let text = if lines.is_empty() { lines } else { format!("Deleted build cache objects:\n{lines}\n") };
    Ok((text, pruned.reclaimed))
}
