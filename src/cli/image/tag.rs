//! `rbuild tag`

use std::process::ExitCode;

use crate::cli::CliError;
use crate::cli::global::Global;
use crate::engine::image::tag::{check_target, tag};
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
    check_target(&args.target)?;
    tag(&global.open_store()?, &args.source, &args.target)?;
    Ok(ExitCode::SUCCESS)
}
