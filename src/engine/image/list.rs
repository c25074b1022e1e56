//! Lists images.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::ImageError;
use super::filter::Filters;
use super::info::{self, ImageInfo};
use super::users::ImageUse;
use crate::image::Reference;
use crate::store::Store;

/// Which images to list.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ListRequest {
    /// `KEY=VALUE`
    pub filters: Vec<String>,
    /// A name, or a pattern of names.
    pub name: Option<String>,
    /// Also images that are only part of an index, for other platforms than this one.
    pub all: bool,
}

/// Images, and the filters that decide which of their names are shown.
pub struct Listed {
    /// Newest first.
    pub images: Vec<ImageInfo>,
    /// The filters.
    pub filters: Filters,
}

/// All images, and the parsed filters.
pub fn find(store: &Store, request: &ListRequest) -> Result<Listed, ImageError> {
    let images = info::all(store)?;
    let filters = Filters::parse(&request.filters, request.name.as_deref(), store, &images)?;
    Ok(Listed { images, filters })
}

/// The matching images.
pub fn list(store: &Store, request: &ListRequest) -> Result<Listed, ImageError> {
    let Listed { mut images, filters } = find(store, request)?;
    images.retain(|image| {
        let is_part = image.tags.is_empty() && image.digests.is_empty() && !image.part_of.is_empty();
        (request.all || !is_part) && filters.keep(image)
    });
    Ok(Listed { images, filters })
}

/// What docker shows about an image in a list, in addition to the image itself.
#[derive(Debug, Clone, Copy)]
pub struct RowFacts {
    /// Bytes.
    pub size: u64,
    /// Bytes that are shared with other images, if they were counted.
    pub shared: Option<u64>,
    /// The number of containers that were created from it.
    pub containers: usize,
}

/// An image as a row of docker's list.
pub fn row(image: &ImageInfo, filters: &Filters, facts: RowFacts) -> Value {
    let shown = |names: &[Reference]| -> Vec<String> {
        names.iter().filter(|name| filters.shows(name)).map(Reference::familiar).collect()
    };
    let labels = &image.config.config.labels;
    json!({
        "Containers": facts.containers,
        "Created": image.config.created.map_or(0, |created| created.as_second()),
        "Id": image.id(),
        "Labels": if labels.is_empty() { Value::Null } else { json!(labels) },
        "ParentId": "",
        "RepoDigests": shown(&image.digests),
        "RepoTags": shown(&image.tags),
        "SharedSize": facts.shared.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        "Size": facts.size,
    })
}

/// The matching images, as docker's API lists them.
pub fn rows(store: &Store, request: &ListRequest, counts_shared: bool) -> Result<Vec<Value>, ImageError> {
    let listed = list(store, request)?;
    let users = ImageUse::of(store)?;
    // An image may share layers with any other, not just with listed ones.
    let shared = if counts_shared { info::shared_sizes(store)? } else { HashMap::new() };
    let facts = |image: &ImageInfo| RowFacts {
        size: image.size(store),
        shared: counts_shared.then(|| shared.get(&image.id()).copied().unwrap_or(0)),
        containers: users.count(&image.id()),
    };
    Ok(listed.images.iter().map(|image| row(image, &listed.filters, facts(image))).collect())
}
