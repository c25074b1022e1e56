//! An image in a registry, as docker's `inspect` would show it here.

use serde_json::{Map, Value, json};

use super::describe::image_config;
use crate::engine::image::ImageError;
use crate::image::{Platform, Reference};
use crate::transport::registry::Client;

/// Everything that is known without downloading layers; their sizes are those of the compressed blobs.
pub fn describe(client: &Client, name: &str, platform: Option<&Platform>) -> Result<Value, ImageError> {
    let reference: Reference = name.parse()?;
    let repository = client.repository(&reference)?;
    let resolved = repository.resolve(&reference, platform)?;
    let config = &*resolved.config;
    let names: Vec<String> = reference.tag().map(|_| reference.without_digest().familiar()).into_iter().collect();
    let text = |key: &str| config.extra.get(key).cloned().unwrap_or_else(|| Value::from(""));
    let mut fields = Map::new();
    let mut add = |key: &str, value: Value| {
        fields.insert(key.to_owned(), value);
    };
    add("Id", json!(resolved.config.digest()));
    add("RepoTags", json!(names));
    add("RepoDigests", json!([reference.with_digest(&resolved.digest).familiar()]));
    add("Comment", json!(config.history.last().map(|entry| entry.comment.clone()).unwrap_or_default()));
    add("Created", config.created.map_or(Value::from(""), |created| json!(created.to_string())));
    add("DockerVersion", text("docker_version"));
    add("Author", json!(config.author));
    add("Config", image_config(&config.config));
    add("Architecture", json!(config.platform.architecture));
    if !config.platform.variant.is_empty() {
        add("Variant", json!(config.platform.variant));
    }
    add("Os", json!(config.platform.os));
    add("Size", json!(resolved.manifest.layers.iter().map(|layer| layer.size).sum::<u64>()));
    add("RootFS", json!({"Type": "layers", "Layers": config.rootfs.diff_ids}));
    add(
        "Descriptor",
        json!({
            "mediaType": resolved.manifest.media_type,
            "digest": resolved.manifest.digest(),
            "size": resolved.manifest.bytes().len(),
        }),
    );
    Ok(Value::Object(fields))
}
