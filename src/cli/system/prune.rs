//! `rbuild system prune`

use std::process::ExitCode;

use crate::base::Filters;
use crate::cli::buildx::prune as cache_prune;
use crate::cli::docker_config::prune_filters;
use crate::cli::format::human_size;
use crate::cli::global::Global;
use crate::cli::image::rmi;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, confirm, network, output, volume};
use crate::container::{Containers, tell_of_prune};
use crate::engine::Counter as _;
use crate::engine::image::build_cache::Selection;
use crate::engine::image::prune as image_prune;
use crate::engine::system::folder_size;
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
    // All of it is read before anything is removed.
    let until = filters.until()?;
    // docker refuses it in these words: a volume has no time at which it was used last.
    if args.volumes && until.is_some() {
        return Err(CliError::new("the \"until\" filter is not supported with \"--volumes\""));
    }
    if !args.force && !confirm::ask(&warning(args))? {
        return Ok(ExitCode::SUCCESS);
    }
    let (mut text, mut reclaimed) = containers(&store, &filters)?;
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
        return Ok(ExitCode::SUCCESS);
    }
    let selection = Selection { all: args.all, before: until.map(jiff::Timestamp::as_second), ..Selection::default() };
    let (removed, bytes) = cache_prune::prune(&store, &selection, "system prune")?;
    text += &removed;
    output::print(&format!("{text}Total reclaimed space: {}\n", human_size(reclaimed + bytes, 4)))?;
    Ok(ExitCode::SUCCESS)
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

fn containers(store: &Store, filters: &Filters) -> Result<(String, u64), CliError> {
    let until = filters.until()?;
    let containers = Containers::of(store.root());
    let (mut text, mut reclaimed) = (String::new(), 0);
    let work = Work::of_things("removing containers", None);
    for entry in containers.list()?.into_iter().filter(|entry| !entry.is_running) {
        if filters.labels(&entry.record.config.run.labels) && until.is_none_or(|until| entry.record.created < until) {
            let size = folder_size(&entry.upper());
            containers.remove(&entry)?;
            reclaimed += size;
            text += &format!("{}\n", entry.record.id);
            work.count();
        }
    }
    tell_of_prune(store.root(), "container", reclaimed);
    Ok((section(if text.is_empty() { text } else { format!("Deleted Containers:\n{text}") }), reclaimed))
}

fn images(store: &Store, all: bool, filters: &Filters) -> Result<(String, u64), CliError> {
    let work = Work::of_things("removing images", None);
    let pruned = image_prune::prune(store, all, filters, &work).map_err(CliError::of_image)?;
    let text = rmi::lines(&pruned.removed);
    let text = if text.is_empty() { text } else { format!("Deleted Images:\n{text}") };
    Ok((section(text), pruned.reclaimed))
}
