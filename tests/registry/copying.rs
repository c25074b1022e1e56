//! Images copied from place to place keep their digests.

use rbuild::image::Descriptor;
use rbuild::transport::registry::{Client, Silent};

use crate::common::TestStore;
use crate::image::{OCI, put_varied_image, settings};
use crate::registry::TestRegistry;

#[test]
fn an_image_goes_through_all_places_unchanged() {
    let registry = TestRegistry::start();
    let digest = put_varied_image(&registry, "a", "1");
    let store = TestStore::empty();
    let registry_place = |name: &str| format!("docker://{}", registry.name(name));
    let way = [
        registry_place("a:1"),
        "oci:layout:one".to_owned(),
        "oci-archive:image.tar:two".to_owned(),
        "store:kept:1".to_owned(),
        registry_place("b:1"),
        registry_place("c:1"),
    ];
    for step in way.windows(2) {
        let answer = store.run(&["copy", "-q", &step[0], &step[1]]).ok();
        assert_eq!(answer.stdout(), format!("{digest}\n"), "{step:?}");
    }
    assert_eq!(registry.manifest("c", "1"), registry.manifest("a", "1"));
    let mounts = registry.requests().iter().filter(|request| request.query.contains("mount=")).count();
    assert!(mounts > 0, "within a registry blobs are mounted");
    // The store's name is one like any other.
    assert!(store.run(&["images", "-q", "kept:1"]).ok().stdout().lines().count() == 1);
}

#[test]
fn docker_archives_lose_their_manifests_but_keep_the_image() {
    let registry = TestRegistry::start();
    put_varied_image(&registry, "a", "1");
    let store = TestStore::empty();
    let from = format!("docker://{}", registry.name("a:1"));
    store.run(&["copy", "-q", &from, "docker-archive:image.tar"]).fails(1);
    store.run(&["copy", "-q", &from, "docker-archive:image.tar:copied:1"]).ok();
    store.run(&["load", "-q", "-i", "image.tar"]).ok();
    store.run(&["copy", "-q", "docker-archive:image.tar", &format!("docker://{}", registry.name("b:1"))]).ok();
    let remote =
        |name: &str| store.run(&["image", "inspect", "--remote", "-f", "{{.Id}}", &registry.name(name)]).ok().stdout();
    assert_eq!(remote("a:1"), remote("b:1"));
    assert_eq!(store.run(&["inspect", "-f", "{{.Id}}", "copied:1"]).ok().stdout(), remote("a:1"));
}

#[test]
fn all_platforms_are_copied_when_they_are_asked_for() {
    let registry = TestRegistry::start();
    let digest = put_varied_image(&registry, "a", "amd64");
    let size = registry.manifest("a", &digest).unwrap().len();
    let entry = |architecture: &str| {
        serde_json::json!({"mediaType": format!("{OCI}manifest.v1+json"), "digest": digest, "size": size,
            "platform": {"os": "linux", "architecture": architecture}})
    };
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [entry("amd64"), entry("riscv64")]}).to_string();
    registry.put_manifest("a", "all", &format!("{OCI}index.v1+json"), index.as_bytes());
    let store = TestStore::empty();
    let from = format!("docker://{}", registry.name("a:all"));
    let whole = store.run(&["copy", "-q", "--all", &from, "oci:layout:all"]).ok().stdout();
    assert_eq!(whole.trim(), rbuild::base::digest::BlobDigest::of(index.as_bytes()).to_string());
    store.run(&["copy", "-q", "--all", "oci:layout:all", &format!("docker://{}", registry.name("b:all"))]).ok();
    assert_eq!(registry.manifest("b", "all"), Some(index.into_bytes()));
    assert_eq!(store.run(&["copy", "-q", &from, "oci:layout:one"]).ok().stdout().trim(), digest);
    let said = store.run(&["copy", "--platform", "linux/s390x", &from, "oci:layout:x"]).fails(1).stderr();
    assert!(said.contains("there are linux/amd64, linux/riscv64"), "{said}");
    let said = store.run(&["copy", "oci:layout:none", "kept"]).fails(1).stderr();
    assert!(said.contains("has no image `none`; it has all, one"), "{said}");
}

/// In several chunks; each is read from the other registry where the last one ended.
#[test]
fn a_large_blob_goes_from_registry_to_registry() {
    let (from, to) = (TestRegistry::start(), TestRegistry::start());
    for size in [300_000usize, 4 * (64 << 10)] {
        let bytes: Vec<u8> = (0..size).map(|number| (number % 251) as u8).collect();
        let digest = from.put_blob("a", &bytes);
        let client = Client::new(&settings()).unwrap();
        let repository = |name: String| client.repository(&name.parse().unwrap()).unwrap();
        let blob = Descriptor::new("application/octet-stream", digest.parse().unwrap(), size as u64);
        repository(to.name("b:1")).take_blob(&repository(from.name("a:1")), &blob, &Silent).unwrap();
        assert_eq!(to.blob("b", &digest), Some(bytes));
    }
}
