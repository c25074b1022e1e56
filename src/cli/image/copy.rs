//! `rbuild copy`

use std::process::ExitCode;

use crate::cli::global::Global;
use crate::cli::image::pull::with_hint;
use crate::cli::transfers::{self, Kind};
use crate::cli::{CliError, output};
use crate::image::Platform;
use crate::transport::copy::{CopyError, CopyOptions, Place, copy};
use crate::transport::registry::{Client, Settings};

/// Copy an image between registries, archives, layouts and the store without unpacking it
///
/// Places are docker://NAME, docker-archive:PATH[:NAME], oci:PATH[:TAG], oci-archive:PATH[:TAG] and store:NAME; a plain
/// name is one in the store.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "SOURCE")]
    from: Place,
    #[arg(value_name = "TARGET")]
    to: Place,
    /// Copy the images for all platforms, and what belongs to them
    #[arg(short, long, conflicts_with = "platform")]
    all: bool,
    /// Of an image for several platforms, copy this one [default: this machine's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// Print the digest only
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let client = Client::new(&Settings::from_environment()?)?;
    let options = CopyOptions { all: args.all, platform: args.platform };
    let display = transfers::display(Kind::Push, args.quiet);
    let copied = copy(&store, &client, (&args.from, &args.to), &options, display.as_ref());
    drop(display);
    let copied = copied.map_err(|error| match error {
        CopyError::Registry(error) => with_hint(error),
        other => other.into(),
    })?;
    output::print(&format!("{}\n", copied.digest))?;
    Ok(ExitCode::SUCCESS)
}
