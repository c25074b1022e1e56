//! `buildx imagetools inspect`, beside what buildx 0.29.1 prints: `fixtures/imagetools` has images and templates.

use serde_json::Value;

use crate::common::TestStore;
use crate::registry::TestRegistry;

const IMAGES: &str = include_str!("../../fixtures/imagetools/images.json");
const EXPECTED: &str = include_str!("../../fixtures/imagetools/expected.json");

/// A registry with the images.
fn with_images() -> TestRegistry {
    let registry = TestRegistry::start();
    let images: Value = serde_json::from_str(IMAGES).unwrap();
    for blob in images["blobs"].as_array().unwrap() {
        registry.put_blob("a", blob.as_str().unwrap().as_bytes());
    }
    for manifest in images["manifests"].as_array().unwrap() {
        let text = |field: &str| manifest[field].as_str();
        let bytes = text("text").unwrap().as_bytes();
        let digest = rbuild::base::digest::BlobDigest::of(bytes).to_string();
        registry.put_manifest("a", text("tag").unwrap_or(&digest), text("mediaType").unwrap(), bytes);
    }
    registry
}

/// Whether a template comes out as with buildx; else what differs.
fn difference(registry: &TestRegistry, store: &TestStore, row: &Value) -> Option<String> {
    let text = |field: &str| row[field].as_str();
    let (tag, template) = (text("tag")?, text("template")?);
    let name = registry.name(&format!("a:{tag}"));
    let answer = store.run(&["buildx", "imagetools", "inspect", &name, "--format", template]);
    let expected = text("output")?.replace("NAME", &name);
    // What went wrong is behind the output up to there.
    let stderr = answer.stderr();
    let own = stderr.lines().rfind(|line| line.starts_with("error: ")).map(|line| &line["error: ".len()..]);
    let wrong = text("error").map(|error| error.replace("NAME", &name));
    let is_same = answer.stdout() == expected && own == wrong.as_deref();
    (!is_same)
        .then(|| format!("{tag} {template}\n  buildx: {expected:?} {wrong:?}\n  own:    {:?} {own:?}", answer.stdout()))
}

#[test]
fn templates_come_out_as_with_buildx() {
    let registry = with_images();
    let store = TestStore::empty();
    let rows: Vec<Value> = serde_json::from_str(EXPECTED).unwrap();
    let compare =
        |rows: &[Value]| -> Vec<String> { rows.iter().filter_map(|row| difference(&registry, &store, row)).collect() };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let parts: Vec<_> =
            rows.chunks(rows.len().div_ceil(3)).map(|part| scope.spawn(move || compare(part))).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    assert!(rows.len() > 250 && wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn the_listing_has_what_an_entry_says_of_itself() {
    let registry = with_images();
    let name = registry.name("a:deco");
    let store = TestStore::empty();
    let inspect = |more: &[&str]| store.run(&[&["buildx", "imagetools", "inspect", &name], more].concat());
    let listed = inspect(&[]).ok().stdout();
    let entries = listed.split("Manifests: \n").nth(1).unwrap();
    let (first, second) = entries.split_once("              \n").unwrap();
    assert!(first.starts_with(&format!("  Name:        {name}@sha256:")), "{first}");
    let annotations =
        "  Platform:    linux/amd64\n  Annotations: \n    b:                    <2>\n    long.annotation.name: 1\n";
    assert!(first.ends_with(annotations), "{first}");
    let more =
        "  Platform:   linux/arm/v7\n  OSVersion:  10.0\n  OSFeatures: x, y\n  URLs:       http://u/1, http://u/2\n";
    assert!(second.ends_with(more), "{second}");
    // A template that begins with the manifest prints the same; the registry's bytes come out as they are.
    assert_eq!(inspect(&["--format", "{{- .Manifest.Digest }} of {{.Name}}"]).ok().stdout(), listed);
    assert_eq!(inspect(&["--raw"]).ok().stdout().into_bytes(), registry.manifest("a", "deco").unwrap());
    let both = inspect(&["--raw", "--format", "{{.Manifest}}"]).fails(1);
    assert!(both.stderr().contains("format and raw cannot be used together"), "{}", both.stderr());
}
