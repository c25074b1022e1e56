//! `rbuild image prune`

use std::process::ExitCode;

use crate::base::Filters;
use crate::cli::docker_config::prune_filters;
use crate::cli::format::human_size;
use crate::cli::global::Global;
use crate::cli::image::info;
use crate::cli::image::info::ImageInfo;
use crate::cli::image::rmi::{Removal, delete};
use crate::cli::image::users::ImageUse;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, confirm, output};
use crate::store::{Store, Usage};

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
    let filters = Filters::parse(&prune_filters(&args.filter), &["until", "label", "label!", "dangling"])?;
    let (until, dangling) = (filters.until()?, filters.boolean("dangling")?);
    let store = global.open_store()?;
    let warning = match args.all {
        true => "WARNING! This will remove all images without at least one container associated to them.",
        false => "WARNING! This will remove all dangling images.",
    };
    if !args.force && !confirm::ask(warning)? {
        return Ok(ExitCode::SUCCESS);
    }
    let wants_all = args.all || dangling == Some(false);
    let keep = |image: &ImageInfo| {
        (wants_all || image.is_dangling())
            && filters.labels(&image.config.config.labels)
            && until.is_none_or(|until| image.created_second() < until.as_second())
    };
    let (text, reclaimed) = prune(&store, &keep)?;
    crate::container::tell_of_prune(store.root(), "image", reclaimed);
    output::print(&format!("{text}Total reclaimed space: {}\n", human_size(reclaimed, 4)))?;
    Ok(ExitCode::SUCCESS)
}

/// Removes the images that are asked for and that no container uses; gives docker's lines, and the bytes that are free now.
pub fn prune(store: &Store, is_asked_for: &dyn Fn(&ImageInfo) -> bool) -> Result<(String, u64), CliError> {
    store.hold_nothing();
    let before = store.usage()?;
    let images = info::all(store)?;
    let mut text = String::new();
    let work = Work::of_things("removing images", None);
    for image in images {
        if is_asked_for(&image) && ImageUse::of(store)?.user(&image.id()).is_none() {
            text += &delete(store, &image, Removal { force: true, prune: true })?;
            work.count();
        }
    }
    remove_copies_of_unnamed(store)?;
    if !text.is_empty() {
        let lines = text.replace("Untagged: ", "untagged: ").replace("Deleted: ", "deleted: ");
        text = format!("Deleted Images:\n{lines}\n");
    }
    Ok((text, gone(store, &before)))
}

/// Layers that are kept only by the cache are not pushed: they need no compressed copies.
fn remove_copies_of_unnamed(store: &Store) -> Result<(), CliError> {
    let copies = store.compressed_copies()?;
    if !copies.is_empty() {
        let of_images = store.layers_of_images()?;
        for copy in copies.iter().filter(|copy| !of_images.contains(&copy.diff_id)) {
            store.remove_compressed_copy(copy)?;
        }
    }
    Ok(())
}

/// The room of the layers and blobs that are not there any more.
pub fn gone(store: &Store, before: &Usage) -> u64 {
    let layers = before.layers.iter().filter(|(diff_id, _)| !store.layer_path(diff_id).exists());
    let blobs = before.blobs.iter().filter(|(digest, _)| !store.has_blob(digest));
    layers.map(|(_, bytes)| bytes).chain(blobs.map(|(_, bytes)| bytes)).sum()
}
