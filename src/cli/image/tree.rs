//! `rbuild images --tree`: names, and below the name of an index its images, one for each platform.

use serde_json::{Value, json};

use crate::cli::CliError;
use crate::cli::format::{Column, Listing, human_size, truncate_id};
use crate::engine::image::filter::Filters;
use crate::engine::image::info::ImageInfo;
use crate::engine::image::users::ImageUse;
use crate::image::Reference;
use crate::store::Store;

const COLUMNS: &[Column] = &[
    Column { field: "Image", heading: "IMAGE" },
    Column { field: "ID", heading: "ID" },
    Column { field: "DiskUsage", heading: "DISK USAGE" },
    Column { field: "Extra", heading: "EXTRA" },
];

/// An image is in use (`U`) if a container was made from it.
pub fn render(store: &Store, images: &[ImageInfo], filters: &Filters) -> Result<String, CliError> {
    let containers = ImageUse::of(store)?;
    let row = |name: String, image: &ImageInfo, size: u64| {
        json!({
            "Image": name,
            "ID": truncate_id(&image.id().to_string()),
            "DiskUsage": human_size(size, 3),
            "Extra": if containers.user(&image.id()).is_some() { "U" } else { "" },
        })
    };
    let mut rows: Vec<Value> = Vec::new();
    for image in images.iter().filter(|image| filters.keep(image)) {
        let names: Vec<&Reference> = image.tags.iter().filter(|name| filters.shows(name)).collect();
        for name in &names {
            let parts = parts_of(store, images, name)?;
            let size = parts.iter().map(|part| part.size(store)).sum::<u64>().max(image.size(store));
            rows.push(row(name.familiar(), image, size));
            for (index, part) in parts.iter().enumerate() {
                let branch = if index + 1 == parts.len() { "└─" } else { "├─" };
                rows.push(row(format!("{branch} {}", part.config.platform), part, part.size(store)));
            }
        }
        if image.tags.is_empty() && image.part_of.is_empty() {
            rows.push(row("<untagged>".to_owned(), image, image.size(store)));
        }
    }
    let default = "{{.Image}}\t{{.ID}}\t{{.DiskUsage}}\t{{.Extra}}";
    Ok(Listing::parse(None, default)?.render(COLUMNS, &rows)?)
}

/// The images of an index, in its order; empty if the name refers to a single image.
fn parts_of<'a>(store: &Store, images: &'a [ImageInfo], name: &Reference) -> Result<Vec<&'a ImageInfo>, CliError> {
    let index = store.whole_tag(&name.to_string())?.map(|tag| tag.index).unwrap_or_default();
    Ok(index.iter().filter_map(|id| images.iter().find(|image| image.id() == *id)).collect())
}
