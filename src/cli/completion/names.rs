//! The names of things in the store, to complete with.

use crate::cli::commands::Global;
use crate::cli::{CliError, image_info};
use crate::container::{Containers, networks_of};
use crate::store::Store;
use crate::volume::Volumes;

pub(super) fn names(kind: &str, global: &Global) -> Result<Vec<String>, CliError> {
    let root = global.store_root()?;
    // Looking is no reason to make a store.
    if !root.join("store.db").exists() {
        return Ok(Vec::new());
    }
    let store = Store::open(&root)?;
    let kinds = if kind == "ANY" { vec!["CONTAINER", "IMAGE", "NETWORK", "VOLUME"] } else { vec![kind] };
    let mut all = Vec::new();
    for kind in kinds {
        match kind {
            "CONTAINER" => {
                let entries = Containers::of(&root).list()?;
                all.extend(
                    entries.iter().map(|entry| format!("{}\t{}", entry.record.plain_name(), entry.record.config.image)),
                );
            }
            "IMAGE" => {
                let images = image_info::all(&store)?;
                all.extend(images.iter().flat_map(|image| &image.tags).map(|tag| format!("{}\timage", tag.familiar())));
            }
            "NETWORK" => {
                all.extend(
                    networks_of(&root).list()?.iter().map(|record| format!("{}\t{}", record.name, record.driver)),
                );
            }
            "VOLUME" => {
                all.extend(Volumes::of(&root).list()?.iter().map(|record| format!("{}\tvolume", record.name)));
            }
            _ => {}
        }
    }
    Ok(all)
}
