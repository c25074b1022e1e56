//! The image of a container: looked up, or pulled.

use super::arguments::{ContainerArgs, Pull};
use crate::cli::docker_config::platform_or_default;
use crate::cli::{CliError, output};
use crate::container::{Image, MountPoint};
use crate::engine::container::{self, RequestError};
use crate::image::Reference;
use crate::store::{FindImageError, Store};

/// The image, from the store or else from the registry.
pub(super) fn find_image(store: &Store, args: &ContainerArgs) -> Result<Image, CliError> {
    let program = &args.program;
    if program.pull == Pull::Always {
        fetch(store, args, &args.image.parse()?)?;
    }
    match store.find_image(&args.image) {
        Err(FindImageError::NotFound { .. }) if program.pull == Pull::Missing => {
            let reference = args.image.parse()?;
            if !program.quiet {
                output::say(format_args!("Unable to find image '{}' locally", args.image));
            }
            fetch(store, args, &reference)?;
        }
        Err(error @ FindImageError::NotFound { .. }) => {
            return Err(CliError::from(error).hint("build it, load it or pull it first"));
        }
        found => drop(found?),
    }
    let platform = platform_or_default(program.platform.as_ref())?;
    container::find_image(store, &args.image, platform.as_ref()).map_err(|error| match error {
        RequestError::OtherPlatform { name, wanted, actual } => {
            CliError::new(format!("image `{name}` is for {actual}, not for {wanted}"))
        }
        error => CliError::of_request(error),
    })
}

/// The images whose files are mounted. Like docker, does not pull them.
pub(super) fn find_mounted(store: &Store, mounts: &mut [MountPoint]) -> Result<(), CliError> {
    container::find_mounted(store, mounts).map_err(|error| {
        CliError::of_request(error).context("--mount type=image").hint("build it, load it or pull it first")
    })
}

fn fetch(store: &Store, args: &ContainerArgs, reference: &Reference) -> Result<(), CliError> {
    let platform = platform_or_default(args.program.platform.as_ref())?;
    crate::cli::image::pull::fetch(store, reference, platform.as_ref(), args.program.quiet)
}
