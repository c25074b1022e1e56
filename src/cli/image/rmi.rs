//! `rbuild rmi`

use std::collections::HashSet;
use std::process::ExitCode;

use sha2::Digest as _;

use crate::base::digest::{BlobDigest, DiffId, ImageId};
use crate::cli::global::Global;
use crate::cli::image::info::{self, ImageInfo};
use crate::cli::image::users::ImageUse;
use crate::cli::{CliError, output};
use crate::image::{Platform, Reference};
use crate::store::{Store, Tag};

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

/// How images are removed.
#[derive(Debug, Clone, Copy)]
pub struct Removal {
    pub force: bool,
    pub prune: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    store.hold_nothing();
    let removal = Removal { force: args.force, prune: !args.no_prune };
    let mut errors = Vec::new();
    for word in &args.images {
        match remove_chosen(&store, word, &args.platform, removal) {
            Ok(text) => output::print(&text)?,
            Err(error) => errors.push(error),
        }
    }
    CliError::all(errors).map_or(Ok(ExitCode::SUCCESS), Err)
}

/// Of an image for several platforms, only those that were named.
fn remove_chosen(store: &Store, word: &str, platforms: &[Platform], removal: Removal) -> Result<String, CliError> {
    let chosen = platforms.iter().map(|platform| info::find_for(store, word, Some(platform)));
    let chosen: Vec<ImageId> = chosen.collect::<Result<_, _>>()?;
    let all = info::find_all(store, word);
    if chosen.is_empty() || all.is_ok_and(|all| all.iter().all(|id| chosen.contains(id))) {
        return remove(store, word, removal);
    }
    chosen.iter().map(|id| remove(store, &id.to_string(), Removal { force: true, ..removal })).collect()
}

/// Removes what `word` means: a name only when the image has others, else the image. Gives docker's lines.
fn remove(store: &Store, word: &str, removal: Removal) -> Result<String, CliError> {
    let found = match store.find_image(word) {
        Err(crate::store::FindImageError::NotFound { .. }) if removal.force => {
            output::say(format_args!("no such image: {word}"));
            return Ok(String::new());
        }
        found => found?,
    };
    let image = info::one(store, &found.id)?;
    let Some(name) = found.reference else { return remove_by_id(store, &image, word, removal) };
    let others = image.tags.iter().chain(&image.digests).filter(|other| **other != name);
    // Digests of a repository go with its last tag.
    let same_repository = |other: &&Reference| other.repository() == name.repository();
    let (same, elsewhere): (Vec<_>, Vec<_>) = others.partition(same_repository);
    if !elsewhere.is_empty() || same.iter().any(|other| other.tag().is_some()) {
        let mut text = untag(store, &name, removal)?;
        if name.tag().is_some() && !same.iter().any(|other| other.tag().is_some()) {
            for digest in same {
                text += &untag(store, digest, removal)?;
            }
        }
        return Ok(text);
    }
    let container_use = ImageUse::of(store)?;
    match container_use.user(&image.id()) {
        None => delete(store, &image, removal),
        Some(user) if !removal.force => {
            let message = format!(
                "conflict: unable to remove repository reference \"{word}\" (must force): container {} is using \
                 its referenced image {}",
                user.record.short_id(),
                image.id().short()
            );
            Err(CliError::new(message).hint("remove the container first, or force it with -f"))
        }
        // The image stays under its ID for as long as the container runs.
        Some(user) if user.is_running => untag_all(store, &image, removal),
        Some(_) => delete(store, &image, removal),
    }
}

fn remove_by_id(store: &Store, image: &ImageInfo, word: &str, removal: Removal) -> Result<String, CliError> {
    let repositories: HashSet<String> = image.tags.iter().chain(&image.digests).map(Reference::repository).collect();
    if repositories.len() > 1 && !removal.force {
        let message = format!(
            "conflict: unable to delete {word} (must be forced): the image is referenced in multiple repositories"
        );
        return Err(CliError::new(message).hint("remove its names one by one, or all with -f"));
    }
    if let (Some(index), false) = (image.part_of.first(), removal.force) {
        let index = index.familiar();
        let message = format!("conflict: unable to delete {word} (must be forced): the image is part of {index}");
        return Err(CliError::new(message).hint(format!("remove `{index}`, or this image alone with -f")));
    }
    let container_use = ImageUse::of(store)?;
    if let Some(user) = container_use.user(&image.id()).filter(|user| user.is_running || !removal.force) {
        let (may, state) = match user.is_running {
            true => ("cannot be forced", "running"),
            false => ("must be forced", "stopped"),
        };
        let container = user.record.short_id();
        return Err(CliError::new(format!(
            "conflict: unable to delete {word} ({may}): the image is being used by {state} container {container}"
        )));
    }
    delete(store, image, removal)
}

fn untag_all(store: &Store, image: &ImageInfo, removal: Removal) -> Result<String, CliError> {
    image.tags.iter().chain(&image.digests).map(|name| untag(store, name, removal)).collect()
}

/// Removes the name, and with that of an index the images that nothing else names or uses.
fn untag(store: &Store, name: &Reference, removal: Removal) -> Result<String, CliError> {
    let tag = store.whole_tag(&name.to_string())?;
    store.remove_tag(&name.to_string())?;
    let mut text = format!("Untagged: {}\n", name.familiar());
    let Some(tag) = tag.filter(Tag::is_index) else { return Ok(text) };
    let container_use = ImageUse::of(store)?;
    for image in info::all(store)? {
        let is_part = tag.index.contains(&image.id()) && image.id() != tag.image;
        if is_part && image.is_dangling() && container_use.user(&image.id()).is_none() {
            text += &delete(store, &image, removal)?;
        }
    }
    Ok(text)
}

/// Removes the image with all its names, and the layers that nothing else needs.
pub fn delete(store: &Store, image: &ImageInfo, removal: Removal) -> Result<String, CliError> {
    let mut text = untag_all(store, image, removal)?;
    if !store.remove_nameless_image(&image.id(), image.part_of.is_empty())? {
        // Somebody else has named or removed it since.
        return Ok(text);
    }
    text += &format!("Deleted: {}\n", image.id());
    if removal.prune {
        let diff_ids = &image.config.rootfs.diff_ids;
        let claimed = store.claim_layers(diff_ids)?;
        // A container may have come since.
        let removed = claimed.remove_unused(&ImageUse::of(store)?.layers())?;
        for (diff_id, chain) in diff_ids.iter().zip(chain_ids(diff_ids)).rev() {
            if removed.contains(diff_id) {
                text += &format!("Deleted: {chain}\n");
            }
        }
    }
    Ok(text)
}

/// The IDs of the stacks of layers, one for each layer with all below it (image-spec, config.md, "Layer ChainID"): what
/// docker prints of a layer.
fn chain_ids(diff_ids: &[DiffId]) -> Vec<BlobDigest> {
    let mut chain: Vec<BlobDigest> = Vec::new();
    for diff_id in diff_ids {
        let next = match chain.last() {
            None => BlobDigest::from(*diff_id),
            Some(parent) => BlobDigest::from_bytes(sha2::Sha256::digest(format!("{parent} {diff_id}")).into()),
        };
        chain.push(next);
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_begins_with_its_lowest_layer() {
        let (a, b) = (DiffId::from_bytes([1; 32]), DiffId::from_bytes([2; 32]));
        let chain = chain_ids(&[a, b]);
        assert_eq!(chain[0], BlobDigest::from(a));
        assert_eq!(chain[1], BlobDigest::of(format!("{a} {b}").as_bytes()));
    }
}
