//! `rbuild image prune`

use std::process::ExitCode;

use super::commands::Global;
use super::format::human_size;
use super::image_use::ImageUse;
use super::rmi::{Removal, delete};
use super::{CliError, confirm, image_info, output};

/// Remove images that have no name
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Don't ask
    #[arg(short, long)]
    force: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    if !args.force && !confirm::ask("WARNING! This will remove all dangling images.")? {
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    let mut reclaimed = 0;
    let container_use = ImageUse::of(&store)?;
    for image in image_info::all(&store)? {
        if image.is_dangling() && container_use.user(&image.id()).is_none() {
            reclaimed += image.size(&store);
            text += &delete(&store, &image, Removal { force: false, prune: true })?;
        }
    }
    if !text.is_empty() {
        text = format!("Deleted Images:\n{text}\n");
    }
    output::print(&format!("{text}Total reclaimed space: {}\n", human_size(reclaimed, 4)))?;
    Ok(ExitCode::SUCCESS)
}
