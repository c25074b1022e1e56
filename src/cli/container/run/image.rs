//! The image that a container is made from: looked up, or pulled first.

use super::arguments::{ContainerArgs, Pull};
use crate::cli::docker_config::platform_or_default;
use crate::cli::{CliError, output};
use crate::container::{Image, MountKind, MountPoint};
use crate::engine::image::info;
use crate::store::snapshot::Stack;
use crate::store::{FindImageError, Store};

/// The image, from the store or else from the registry.
pub(super) fn find_image(store: &Store, args: &ContainerArgs) -> Result<Image, CliError> {
    let program = &args.program;
    if program.pull == Pull::Always {
        fetch(store, args)?;
    }
    let found = match store.find_image(&args.image) {
        Err(FindImageError::NotFound { .. }) if program.pull == Pull::Missing => {
            if !program.quiet {
                output::say(format_args!("Unable to find image '{}' locally", args.image));
            }
            fetch(store, args)?;
            store.find_image(&args.image)?
        }
        Err(error @ FindImageError::NotFound { .. }) => {
            return Err(CliError::from(error).hint("build it, load it or pull it first"));
        }
        found => found?,
    };
    let config = info::read_config(store, &found.id)?.into_value();
    if let Some(wanted) = platform_or_default(program.platform.as_ref())?
        && wanted.normalized() != config.platform.normalized()
    {
        let text = format!("image `{}` is for {}, not for {wanted}", args.image, config.platform);
        return Err(CliError::new(text));
    }
    Ok(Image {
        id: found.id.to_string(),
        name: args.image.clone(),
        platform: config.platform.os.clone(),
        layers: Stack::of_image(&config.rootfs.diff_ids).unpacked(store)?,
        config: config.config,
    })
}

/// The images whose files are mounted. They are not pulled, as docker doesn't.
pub(super) fn find_mounted(store: &Store, mounts: &mut [MountPoint]) -> Result<(), CliError> {
    for mount in mounts.iter_mut().filter(|mount| mount.kind == MountKind::Image) {
        let found = store.find_image(&mount.name).map_err(|error| {
            CliError::from(error).context("--mount type=image").hint("build it, load it or pull it first")
        })?;
        let config = info::read_config(store, &found.id)?;
        mount.image.id = found.id.to_string();
        mount.image.layers = Stack::of_image(&config.rootfs.diff_ids).unpacked(store)?;
    }
    Ok(())
}

fn fetch(store: &Store, args: &ContainerArgs) -> Result<(), CliError> {
    let platform = platform_or_default(args.program.platform.as_ref())?;
    crate::cli::image::pull::fetch(store, &args.image.parse()?, platform.as_ref())
}
