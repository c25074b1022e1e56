//! Resolves a name in its registry.

use serde_json::{Value, json};

use super::ImageError;
use crate::image::Reference;
use crate::transport::registry::{Client, ManifestList};

/// The manifest or index, and the platforms of its images, as in docker's API.
pub fn describe(client: &Client, name: &Reference) -> Result<Value, ImageError> {
    let repository = client.repository(name)?;
    let identifier = name.digest().map_or(name.tag(), |digest| Some(digest.as_str())).unwrap_or_default();
    let top = repository.manifest(identifier)?;
    let mut list = ManifestList::new(name);
    list.add(client, name)?;
    let platforms: Vec<_> = list.entries.iter().filter_map(|entry| entry.descriptor.platform.as_ref()).collect();
    Ok(json!({
        "Descriptor": {"mediaType": top.media_type, "digest": top.digest, "size": top.bytes.len()},
        "Platforms": platforms,
    }))
}
