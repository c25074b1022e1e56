//! `rbuild rmi`

use std::process::ExitCode;

use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::image::ImageError;
use crate::engine::image::remove::{Removal, Removed, remove};
use crate::image::Platform;
use crate::store::FindImageError;

/// Remove images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names, IDs or beginnings of IDs
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// Remove an image with all of its names; succeed when there is none
    #[arg(short, long)]
    force: bool,
    /// Keep the layers
    #[arg(long)]
    no_prune: bool,
    /// Of an image for several platforms, remove these only
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_delimiter = ',')]
    platform: Vec<Platform>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    store.hold_nothing();
    let removal = Removal { force: args.force, prune: !args.no_prune };
    let mut errors = Vec::new();
    for word in &args.images {
        match remove(&store, word, &args.platform, removal) {
            Ok(removed) => output::print(&lines(&removed))?,
            Err(ImageError::Find(FindImageError::NotFound { .. })) if args.force && args.platform.is_empty() => {
                output::say(format_args!("no such image: {word}"));
            }
            Err(error) => errors.push(CliError::of_image(error)),
        }
    }
    CliError::all(errors).map_or(Ok(ExitCode::SUCCESS), Err)
}

/// docker's lines for what was removed.
pub fn lines(removed: &[Removed]) -> String {
    write(removed, ["Untagged", "Deleted"])
}

/// docker's lines for what `prune` removed.
pub fn pruned_lines(removed: &[Removed]) -> String {
    let lines = write(removed, ["untagged", "deleted"]);
    if lines.is_empty() { lines } else { format!("Deleted Images:\n{lines}\n") }
}

fn write(removed: &[Removed], [untagged, deleted]: [&str; 2]) -> String {
    let line = |removed: &Removed| match removed {
        Removed::Untagged(name) => format!("{untagged}: {}\n", name.familiar()),
        Removed::Image(id) => format!("{deleted}: {id}\n"),
        Removed::Layer(chain) => format!("{deleted}: {chain}\n"),
    };
    removed.iter().map(line).collect()
}
