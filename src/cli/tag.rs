//! `rbuild tag`

use std::process::ExitCode;

use super::CliError;
use super::commands::Global;
use crate::image::Reference;

/// Give an image another name
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name, an ID or the beginning of one
    #[arg(value_name = "SOURCE_IMAGE[:TAG]")]
    source: String,
    #[arg(value_name = "TARGET_IMAGE[:TAG]")]
    target: Reference,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    if args.target.digest().is_some() {
        return Err(CliError::new("refusing to create a tag with a digest reference"));
    }
    let store = global.open_store()?;
    let image = store.find_image(&args.source)?;
    store.set_tag(&args.target.to_string(), &image.id)?;
    Ok(ExitCode::SUCCESS)
}
