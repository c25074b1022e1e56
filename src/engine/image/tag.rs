//! Gives an image another name.

use super::ImageError;
use crate::base::digest::ImageId;
use crate::image::Reference;
use crate::store::{Store, Tag};

/// Makes `target` a name for what `source` refers to: for an index, all images, including annotations.
pub fn tag(store: &Store, source: &str, target: &Reference) -> Result<ImageId, ImageError> {
    check_target(target)?;
    let image = store.find_image(source)?;
    let name = target.to_string();
    let source = image.reference.map(|name| store.whole_tag(&name.to_string())).transpose()?.flatten();
    store.write_tag(&source.map_or_else(|| Tag::single(&name, &image.id), |tag| Tag { name: name.clone(), ..tag }))?;
    Ok(image.id)
}

/// Names with a digest can't be given to images here.
pub fn check_target(target: &Reference) -> Result<(), ImageError> {
    match target.digest() {
        Some(_) => Err(ImageError::TagOfDigest),
        None if target.familiar().split(':').next() == Some("sha256") => Err(ImageError::TagOfAlgorithm),
        None => Ok(()),
    }
}
