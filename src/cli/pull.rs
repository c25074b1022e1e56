//! `rbuild pull`

use std::process::ExitCode;

use super::commands::Global;
use super::format::truncate_id;
use super::{CliError, output};
use crate::digest::BlobDigest;
use crate::image::{Platform, Reference};
use crate::registry::{Progress, Registry, RegistryError, Settings, pull};

/// Download an image from a registry
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "NAME[:TAG|@DIGEST]")]
    name: String,
    /// Print the image's name only
    #[arg(short, long)]
    quiet: bool,
    /// Of an image for several platforms, take this one
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
}

/// Docker's lines about layers.
struct Lines {
    quiet: bool,
}

impl Lines {
    fn say(&self, line: &str) {
        if !self.quiet {
            // A closed pipe is no reason to stop pulling.
            let _ = output::print(&format!("{line}\n"));
        }
    }
}

impl Progress for Lines {
    fn layer_exists(&mut self, blob: &BlobDigest) {
        self.say(&format!("{}: Already exists", truncate_id(&blob.to_string())));
    }

    fn layer_complete(&mut self, blob: &BlobDigest) {
        self.say(&format!("{}: Pull complete", truncate_id(&blob.to_string())));
    }
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let typed = Reference::parse_without_default_tag(&args.name)?;
    let reference = typed.clone().with_default_tag();
    let store = global.open_store()?;
    let mut lines = Lines { quiet: args.quiet };
    if typed != reference {
        lines.say("Using default tag: latest");
    }
    let what = reference.digest().map_or(reference.tag(), |digest| Some(digest.as_str())).unwrap_or_default();
    lines.say(&format!("{what}: Pulling from {}", reference.path()));
    let pulled = Registry::connect(&reference, &Settings::from_environment())
        .and_then(|registry| pull(&store, &registry, args.platform.as_ref(), &mut lines))
        .map_err(with_hint)?;
    lines.say(&format!("Digest: {}", pulled.digest));
    let familiar = reference.familiar();
    lines.say(&match pulled.is_new {
        true => format!("Status: Downloaded newer image for {familiar}"),
        false => format!("Status: Image is up to date for {familiar}"),
    });
    output::print(&format!("{reference}\n"))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn with_hint(error: RegistryError) -> CliError {
    match error.hint() {
        Some(hint) => CliError::from(error).hint(hint),
        None => error.into(),
    }
}
