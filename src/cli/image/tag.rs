//! `rbuild tag`

use std::process::ExitCode;

use crate::cli::CliError;
use crate::cli::global::Global;
use crate::image::Reference;
use crate::store::Tag;

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
    let target = args.target.to_string();
    // Of an index all images get the new name, with what is annotated.
    let source = image.reference.map(|name| store.whole_tag(&name.to_string())).transpose()?.flatten();
    store.write_tag(
        &source.map_or_else(|| Tag::single(&target, &image.id), |tag| Tag { name: target.clone(), ..tag }),
    )?;
    Ok(ExitCode::SUCCESS)
}
