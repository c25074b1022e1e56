//! The images that there are.

use super::ImageError;
use super::filter::Filters;
use super::info::{self, ImageInfo};
use crate::store::Store;

/// Which images are asked for.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// `KEY=VALUE`
    pub filters: Vec<String>,
    /// A name, or a pattern for names.
    pub name: Option<String>,
    /// Also those that are only part of others: images of an index for other platforms than this one.
    pub all: bool,
}

/// Images, and what decides which of their names are shown.
pub struct Listed {
    /// The youngest first.
    pub images: Vec<ImageInfo>,
    pub filters: Filters,
}

/// All images, and the filters that choose among them.
pub fn find(store: &Store, request: &ListRequest) -> Result<Listed, ImageError> {
    let images = info::all(store)?;
    let filters = Filters::parse(&request.filters, request.name.as_deref(), store, &images)?;
    Ok(Listed { images, filters })
}

/// The images that are asked for.
pub fn list(store: &Store, request: &ListRequest) -> Result<Listed, ImageError> {
    let Listed { mut images, filters } = find(store, request)?;
    images.retain(|image| {
        let is_part = image.tags.is_empty() && image.digests.is_empty() && !image.part_of.is_empty();
        (request.all || !is_part) && filters.keep(image)
    });
    Ok(Listed { images, filters })
}
