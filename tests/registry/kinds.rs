//! Every kind of image that registries contain.

use rbuild::base::digest::BlobDigest;
use serde_json::{Value, json};

use crate::common::TestStore;
use crate::image::{OCI, gzip, layer, put_image, put_varied_image};
use crate::registry::TestRegistry;
use crate::web::{Reply, serve};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn entry(registry: &TestRegistry, repository: &str, digest: &str, more: Value) -> Value {
    let size = registry.manifest(repository, digest).unwrap().len();
    let mut entry = json!({"mediaType": format!("{OCI}manifest.v1+json"), "digest": digest, "size": size});
    for (key, value) in more.as_object().unwrap() {
        entry[key] = value.clone();
    }
    entry
}

fn put_index(registry: &TestRegistry, repository: &str, tag: &str, entries: &[Value]) -> (String, usize) {
    let bytes = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string();
    registry.put_manifest(repository, tag, INDEX, bytes.as_bytes());
    (BlobDigest::of(bytes.as_bytes()).to_string(), bytes.len())
}

#[test]
fn attestations_are_passed_over_and_nested_indexes_followed() {
    let registry = TestRegistry::start();
    let image = put_varied_image(&registry, "a", "image");
    let platform = json!({"os": std::env::consts::OS, "architecture": rbuild::image::host_platform().architecture});
    let attestation = json!({"platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"}});
    let other = put_image(&registry, "a", "other", &[]);
    let entries =
        [entry(&registry, "a", &other, attestation), entry(&registry, "a", &image, json!({"platform": platform}))];
    let (inner, size) = put_index(&registry, "a", "attested", &entries);
    put_index(&registry, "a", "nested", &[json!({"mediaType": INDEX, "digest": inner, "size": size})]);
    // An index that does not name the platform of its only image.
    put_index(&registry, "a", "silent", &[entry(&registry, "a", &image, json!({}))]);
    let id = |tag: &str| {
        let store = TestStore::empty();
        store.run(&["pull", "-q", &registry.name(&format!("a:{tag}"))]).ok();
        store.run(&["images", "-q", "--no-trunc"]).ok().stdout()
    };
    let expected = id("image");
    for tag in ["attested", "nested", "silent"] {
        assert_eq!(id(tag), expected, "{tag}");
    }
}

#[test]
fn indexes_that_are_bombs_are_refused() {
    let registry = TestRegistry::start();
    let image = put_varied_image(&registry, "a", "image");
    let mut inner = (image, 0);
    for depth in 0..6 {
        let size = registry.manifest("a", &inner.0).unwrap().len();
        let media_type = if depth == 0 { format!("{OCI}manifest.v1+json") } else { INDEX.to_owned() };
        let entry = json!({"mediaType": media_type, "digest": inner.0, "size": size});
        inner = put_index(&registry, "a", &format!("deep{depth}"), &[entry]);
    }
    let many = vec![json!({"mediaType": INDEX, "digest": inner.0, "size": inner.1}); 3000];
    put_index(&registry, "a", "many", &many);
    put_index(&registry, "a", "wide", &many[..1000]);
    let said = |tag: &str| TestStore::empty().run(&["pull", &registry.name(&format!("a:{tag}"))]).fails(1).stderr();
    assert!(said("deep5").contains("nested too deeply"), "{}", said("deep5"));
    assert!(said("many").contains("more than 2000 entries"), "{}", said("many"));
    registry.forget();
    assert!(said("wide").contains("nested too deeply"), "{}", said("wide"));
    assert!(registry.count("GET", "/manifests/") < 20);
}

#[test]
fn foreign_layers_come_from_where_their_manifest_says_and_are_not_pushed() {
    let stream = layer(9, 5000);
    let blob = gzip(&stream);
    let served = blob.clone();
    let place = serve(move |_| Reply::new(200, served.clone()));
    let registry = TestRegistry::start();
    put_image(&registry, "a", "1", &[("+gzip", blob.clone(), stream)]);
    let mut manifest: Value = serde_json::from_slice(&registry.manifest("a", "1").unwrap()).unwrap();
    manifest["layers"][0]["mediaType"] = json!(format!("{OCI}layer.nondistributable.v1.tar+gzip"));
    manifest["layers"][0]["urls"] = json!([format!("http://{place}/layer")]);
    registry.put_manifest("a", "1", &format!("{OCI}manifest.v1+json"), manifest.to_string().as_bytes());
    registry.remove_blobs("a", |bytes| bytes == blob);
    let store = TestStore::empty();
    store.run(&["pull", &registry.name("a:1")]).ok();
    store.run(&["tag", &registry.name("a:1"), &registry.name("b:1")]).ok();
    // This registry requires all blobs; others accept manifests with external layers.
    let pushed = store.run(&["push", &registry.name("b:1")]).stdout();
    assert!(pushed.contains("Skipped foreign layer"), "{pushed}");
    assert!(!registry.has_blob("b", &BlobDigest::of(&blob).to_string()));
}

#[test]
fn docker_manifests_keep_their_bytes() {
    let registry = TestRegistry::start();
    let stream = layer(4, 3000);
    put_image(&registry, "a", "1", &[("+gzip", gzip(&stream), stream)]);
    let docker = |text: &str| {
        text.replace(&format!("{OCI}layer.v1.tar+gzip"), "application/vnd.docker.image.rootfs.diff.tar.gzip")
            .replace(&format!("{OCI}config.v1+json"), "application/vnd.docker.container.image.v1+json")
            .replace(&format!("{OCI}manifest.v1+json"), "application/vnd.docker.distribution.manifest.v2+json")
    };
    let text = docker(&String::from_utf8(registry.manifest("a", "1").unwrap()).unwrap());
    registry.put_manifest("a", "1", "application/vnd.docker.distribution.manifest.v2+json", text.as_bytes());
    let store = TestStore::empty();
    store.run(&["pull", &registry.name("a:1")]).ok();
    store.run(&["tag", &registry.name("a:1"), &registry.name("b:1")]).ok();
    store.run(&["push", &registry.name("b:1")]).ok();
    assert_eq!(registry.manifest("b", "1").unwrap(), text.as_bytes());
}

#[test]
fn images_that_lie_are_refused_and_leave_nothing() {
    let registry = TestRegistry::start();
    let stream = layer(5, 3000);
    // The config has another diffID.
    put_image(&registry, "a", "diff", &[("", stream.clone(), layer(6, 3000))]);
    put_image(&registry, "a", "size", &[("", stream.clone(), stream)]);
    let mut manifest: Value = serde_json::from_slice(&registry.manifest("a", "size").unwrap()).unwrap();
    let size = manifest["layers"][0]["size"].as_u64().unwrap();
    manifest["layers"][0]["size"] = json!(size - 1);
    registry.put_manifest("a", "size", &format!("{OCI}manifest.v1+json"), manifest.to_string().as_bytes());
    for (tag, expected) in [("diff", "but the image config says"), ("size", &format!("has {size} bytes, not"))] {
        let store = TestStore::empty();
        let said = store.run(&["pull", &registry.name(&format!("a:{tag}"))]).fails(1).stderr();
        assert!(said.contains(expected), "{tag}: {said}");
        assert_eq!(std::fs::read_dir(store.root().join("blobs/sha256")).unwrap().count(), 0, "{tag}");
        assert_eq!(store.run(&["images", "-q"]).ok().stdout(), "");
    }
}
