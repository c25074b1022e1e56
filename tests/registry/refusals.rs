//! Answers of a registry that must not be accepted.

use std::collections::HashMap;

use rbuild::base::digest::BlobDigest;
use rbuild::image::{History, ImageConfig, Reference, host_platform};
use rbuild::store::Store;
use rbuild::transport::registry::{Client, Limits, PullOptions, RegistryError, Settings, Silent, pull};
use serde_json::json;

use crate::image::OCI;
use crate::web::{Reply, serve};

/// The answers by path.
type Answers = HashMap<String, Reply>;

fn ok(media_type: &str, body: Vec<u8>) -> Reply {
    Reply::new(200, body).with("Content-Type", media_type)
}

/// A registry's answers for `a/b:1`, an image of one layer.
fn image() -> Answers {
    let layer = vec![0; 1024];
    let mut config = ImageConfig::scratch(&host_platform());
    config.push_layer(BlobDigest::of(&layer).to_string().parse().unwrap(), History::default());
    let config = config.to_bytes();
    let describe = |kind: &str, bytes: &[u8]| json!({"mediaType": format!("{OCI}{kind}"), "digest": BlobDigest::of(bytes).to_string(), "size": bytes.len()});
    let manifest = json!({
        "schemaVersion": 2,
        "config": describe("config.v1+json", &config),
        "layers": [describe("layer.v1.tar", &layer)],
    });
    let mut answers: HashMap<_, _> = [config, layer]
        .into_iter()
        .map(|blob| (format!("/v2/a/b/blobs/{}", BlobDigest::of(&blob)), ok("application/octet-stream", blob)))
        .collect();
    let manifest = ok(&format!("{OCI}manifest.v1+json"), manifest.to_string().into_bytes());
    answers.insert("/v2/a/b/manifests/1".to_owned(), manifest);
    answers.insert("/v2/".to_owned(), ok("application/json", b"{}".to_vec()));
    answers
}

fn settings() -> Settings {
    let limits = Limits { tries: 3, ..crate::image::settings().limits };
    Settings { limits, ..Settings::default() }
}

fn pull_from(answers: Answers) -> (tempfile::TempDir, Store, Result<(), RegistryError>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let address = serve(move |request| answers.get(&request.path).cloned().unwrap_or_else(|| Reply::new(404, "")));
    let reference: Reference = format!("{address}/a/b:1").parse().unwrap();
    let repository = Client::new(&settings()).unwrap().repository(&reference).unwrap();
    let pulled = pull(&store, &repository, &reference, &PullOptions::default(), &Silent);
    let outcome = pulled.map(|pulled| assert_eq!(store.tag(&reference.to_string()).unwrap(), Some(pulled.id)));
    (folder, store, outcome)
}

/// A failed pull leaves nothing behind.
fn assert_refused(answers: Answers, expected: &str) {
    let (_folder, store, outcome) = pull_from(answers);
    let error = outcome.expect_err(expected);
    let message = error.to_string();
    assert!(message.contains(expected), "{expected}: {message}");
    assert!(store.images().unwrap().is_empty() && store.tags().unwrap().is_empty());
    assert_eq!(std::fs::read_dir(store.root().join("blobs/sha256")).unwrap().count(), 0, "{expected}");
}

fn blob_path(answers: &Answers, is_layer: bool) -> String {
    let is_wanted = |path: &&String| path.contains("/blobs/") && (answers[*path].body[0] == 0) == is_layer;
    answers.keys().find(is_wanted).unwrap().clone()
}

#[test]
fn an_image_is_pulled_and_tagged() {
    let (_folder, store, outcome) = pull_from(image());
    outcome.unwrap();
    let names: Vec<String> = store.tags().unwrap().into_iter().map(|tag| tag.name).collect();
    assert_eq!(names.len(), 2, "by tag and by digest: {names:?}");
    assert!(names.iter().any(|name| name.contains("@sha256:")));
}

#[test]
fn what_is_missing_or_forbidden_is_said() {
    let mut answers = image();
    answers.remove("/v2/a/b/manifests/1");
    assert_refused(answers, "has no image");
    let mut answers = image();
    answers.get_mut("/v2/a/b/manifests/1").unwrap().status = 403;
    assert_refused(answers, "is denied");
    let mut answers = image();
    answers.get_mut("/v2/a/b/manifests/1").unwrap().status = 500;
    assert_refused(answers, "answered 500 (GET http://127.0.0.1");
}

#[test]
fn blobs_that_are_not_what_their_digest_says_are_refused() {
    for (is_layer, expected) in [(true, "is wrong: its content is"), (false, "the image config of")] {
        let mut answers = image();
        let path = blob_path(&answers, is_layer);
        answers.get_mut(&path).unwrap().body[3] ^= 1;
        assert_refused(answers, expected);
    }
}

#[test]
fn a_layer_that_is_cut_short_or_too_long_is_refused() {
    let mut answers = image();
    let path = blob_path(&answers, true);
    answers.get_mut(&path).unwrap().cut = Some(512);
    assert_refused(answers, "gave up after 3 tries: the connection to");
    let mut answers = image();
    answers.get_mut(&path).unwrap().body.extend([0; 4096]);
    assert_refused(answers, "not 1024");
}

#[test]
fn documents_that_are_none_or_endless_are_refused() {
    let with_manifest = |reply: Reply| {
        let mut answers = image();
        answers.insert("/v2/a/b/manifests/1".to_owned(), reply);
        answers
    };
    assert_refused(with_manifest(ok("text/html", b"<html>".to_vec())), "is not an image");
    let media_type = format!("{OCI}manifest.v1+json");
    assert_refused(with_manifest(ok(&media_type, b"{}".to_vec())), "is not valid");
    assert_refused(with_manifest(ok(&media_type, vec![b' '; 5 << 20])), "has more than");
    let five_gigabytes = ok(&media_type, vec![b' '; 1 << 20]).with("Content-Length", 5u64 << 30);
    assert_refused(with_manifest(five_gigabytes), "has more than 4194304 bytes");
    let endless = Reply { endless: true, ..ok(&media_type, vec![b' '; 64 << 10]) };
    assert_refused(with_manifest(endless), "has more than 4194304 bytes");
    let schema_1 = ok("application/vnd.docker.distribution.manifest.v1+prettyjws", b"{}".to_vec());
    assert_refused(with_manifest(schema_1), "schema 1");
    let index = json!({"schemaVersion": 2, "manifests": [{
        "mediaType": media_type, "digest": BlobDigest::of(b"x").to_string(), "size": 1,
        "platform": {"os": "plan9", "architecture": "mips"},
    }]});
    let index = ok(&format!("{OCI}index.v1+json"), index.to_string().into_bytes());
    assert_refused(with_manifest(index), "it has plan9/mips");
}

#[test]
fn a_registry_that_is_not_there_is_named() {
    let reference: Reference = "127.0.0.1:1/a/b:1".parse().unwrap();
    let repository = Client::new(&settings()).unwrap().repository(&reference).unwrap();
    let error = repository.resolve(&reference, None).unwrap_err();
    assert!(error.to_string().contains("cannot reach the registry 127.0.0.1:1"), "{error}");
}
