//! Images for these tests, and settings that waste no time.

use std::io::Write as _;
use std::time::Duration;

use rbuild::base::digest::BlobDigest;
use rbuild::image::{History, ImageConfig, host_platform};
use rbuild::transport::registry::{Limits, Settings};
use serde_json::json;

use crate::registry::TestRegistry;

pub const OCI: &str = "application/vnd.oci.image.";

/// Short pauses, and chunks so small that a small layer has several.
pub fn settings() -> Settings {
    let limits = Limits {
        tries: 8,
        pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(20),
        piece: 64 << 10,
        ..Limits::default()
    };
    Settings { limits, ..Settings::default() }
}

/// The same for a registry that stalls.
pub fn impatient() -> Settings {
    let usual = settings();
    Settings { limits: Limits { stall: Duration::from_millis(400), ..usual.limits }, ..usual }
}

/// A layer with a file of that many incompressible bytes.
pub fn layer(seed: u8, length: usize) -> Vec<u8> {
    let mut content = vec![0; length];
    let mut state = u32::from(seed) + 1;
    for byte in &mut content {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(length as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, format!("file{seed}"), content.as_slice()).unwrap();
    archive.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Puts an image of these layers (media type suffix, blob, tar stream) into the registry; returns its digest.
pub fn put_image(registry: &TestRegistry, repository: &str, tag: &str, layers: &[(&str, Vec<u8>, Vec<u8>)]) -> String {
    let mut config = ImageConfig::scratch(&host_platform());
    let mut descriptors = Vec::new();
    for (kind, blob, stream) in layers {
        config.push_layer(BlobDigest::of(stream).to_string().parse().unwrap(), History::default());
        let digest = registry.put_blob(repository, blob);
        descriptors
            .push(json!({"mediaType": format!("{OCI}layer.v1.tar{kind}"), "digest": digest, "size": blob.len()}));
    }
    let config = config.to_bytes();
    let digest = registry.put_blob(repository, &config);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": format!("{OCI}manifest.v1+json"),
        "config": {"mediaType": format!("{OCI}config.v1+json"), "digest": digest, "size": config.len()},
        "layers": descriptors,
    });
    let manifest = manifest.to_string();
    registry.put_manifest(repository, tag, &format!("{OCI}manifest.v1+json"), manifest.as_bytes());
    BlobDigest::of(manifest.as_bytes()).to_string()
}

/// An image with a layer for each compression, one of them empty and one in several chunks.
pub fn put_varied_image(registry: &TestRegistry, repository: &str, tag: &str) -> String {
    let plain = layer(1, 300_000);
    let small = layer(2, 1000);
    let empty = vec![0; 1024];
    let zstd = zstd::encode_all(layer(3, 50_000).as_slice(), 1).unwrap();
    put_image(
        registry,
        repository,
        tag,
        &[
            ("", plain.clone(), plain),
            ("+gzip", gzip(&small), small),
            ("+gzip", gzip(&empty), empty),
            ("+zstd", zstd, layer(3, 50_000)),
        ],
    )
}
