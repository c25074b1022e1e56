//! `rbuild system prune`

use std::process::ExitCode;

use crate::base::Filters;
use crate::cli::buildx::prune as cache_prune;
use crate::cli::container::prune::{Cleared, clear};
use crate::cli::docker_config::prune_filters;
use crate::cli::format::human_size;
use crate::cli::global::Global;
use crate::cli::image::rmi;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, confirm, network, output, volume};
use crate::container::Containers;
use crate::engine::image::build_cache::Selection;
use crate::engine::image::prune as image_prune;
use crate::store::Store;

/// Remove what nothing uses: stopped containers, networks and images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// All images that no container has, not only those without a name
    #[arg(short, long)]
    all: bool,
    /// Volumes without a name, too
    #[arg(long)]
    volumes: bool,
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
    // Parsed before anything is removed.
    let until = filters.until()?;
    // docker's message: a volume has no time of last use.
    if args.volumes && until.is_some() {
        return Err(CliError::new("the \"until\" filter is not supported with \"--volumes\""));
    }
    if !args.force && !confirm::ask(&warning(args))? {
        return Ok(ExitCode::SUCCESS);
    }
    let Cleared { text, mut reclaimed, error } = clear(&Containers::of(store.root()), &filters)?;
    let mut text = section(text);
    text += &section(network::prune(&store, &filters)?);
    if args.volumes {
        let (removed, bytes) = volume::prune(&store, false, &filters)?;
        text += &section(removed);
        reclaimed += bytes;
    }
    let (removed, bytes) = images(&store, args.all, &filters)?;
    text += &removed;
    reclaimed += bytes;
    // The build cache has no labels.
    if filters.has("label") || filters.has("label!") {
        output::print(&format!("{text}Total reclaimed space: {}\n", human_size(reclaimed, 4)))?;
        return error.map_or(Ok(ExitCode::SUCCESS), Err);
    }
    let selection = Selection { all: args.all, before: until.map(jiff::Timestamp::as_second), ..Selection::default() };
    let (removed, bytes) = cache_prune::prune(&store, &selection, "system prune")?;
    text += &removed;
    output::print(&format!("{text}Total reclaimed space: {}\n", human_size(reclaimed + bytes, 4)))?;
    error.map_or(Ok(ExitCode::SUCCESS), Err)
}

fn warning(args: &Args) -> String {
    let volumes = if args.volumes { "\n  - all anonymous volumes not used by at least one container" } else { "" };
    let images = if args.all { "images without at least one container associated to them" } else { "dangling images" };
    let cache = if args.all { "all" } else { "unused" };
    format!(
        "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one \
         container{volumes}\n  - all {images}\n  - {cache} build cache\n"
    )
}

fn section(text: String) -> String {
    if text.is_empty() { text } else { text + "\n" }
}

fn images(store: &Store, all: bool, filters: &Filters) -> Result<(String, u64), CliError> {
    let work = Work::of_things("removing images", None);
    let pruned = image_prune::prune(store, all, filters, &work).map_err(CliError::of_image)?;
    Ok((rmi::pruned_lines(&pruned.removed), pruned.reclaimed))
}
