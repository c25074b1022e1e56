//! An image's documents: config, manifest, index, and those of `docker save`. Each input is parsed as each of them and,
//! if it is JSON, used as each of them in an archive that is loaded.

use std::cell::RefCell;

use rbuild::base::digest::BlobDigest;
use rbuild::image::{Document, ImageConfig, Index, Manifest};
use rbuild::store::Store;
use rbuild::transport::archive::{LoadOptions, Source, load};
use serde_json::{Value, json};

pub const PIECES: super::Pieces = &[
    b"null",
    b"\"sha256:",
    b"..",
    b"{}",
    b"[]",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"\\u0000",
    b"application/vnd.oci.image.",
];

pub fn run(bytes: &[u8]) -> String {
    let mut said = String::new();
    match Document::<ImageConfig>::parse("image config", bytes.to_vec()) {
        Ok(config) => {
            let written = config.to_bytes();
            let again = Document::<ImageConfig>::parse("image config", written.clone()).expect("it was one");
            assert_eq!(again.to_bytes(), written, "what is written is read as the same");
            assert!(!config.child().to_bytes().is_empty());
            said.push_str(&format!("config {:?} {:?};", config.validate().is_ok(), config.validate_loaded().is_ok()));
        }
        Err(error) => said.push_str(&super::chain(&error)),
    }
    match Document::<Manifest>::parse("manifest", bytes.to_vec()) {
        Ok(manifest) => {
            said.push_str(&format!("manifest {};", manifest.layers.iter().any(|layer| layer.is_attestation())));
        }
        Err(error) => said.push_str(&super::chain(&error)),
    }
    match Document::<Index>::parse("index", bytes.to_vec()) {
        Ok(index) => said.push_str(&format!("index {};", index.to_bytes().is_empty())),
        Err(error) => said.push_str(&super::chain(&error)),
    }
    if serde_json::from_slice::<Value>(bytes).is_ok() {
        for archive in archives(bytes) {
            said.push_str(&loaded(&archive));
        }
    }
    said
}

const LAYER: &[u8] = &[0; 1024];

/// A document under its digest, as in an OCI layout.
fn blob(bytes: &[u8]) -> (String, Vec<u8>) {
    (format!("blobs/sha256/{}", BlobDigest::of(bytes).hex()), bytes.to_vec())
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    let media_type = format!("application/vnd.oci.image.{kind}");
    json!({"mediaType": media_type, "digest": BlobDigest::of(bytes).to_string(), "size": bytes.len()})
}

fn config() -> Vec<u8> {
    let layers = [BlobDigest::of(LAYER).to_string()];
    json!({"os": "linux", "architecture": "amd64", "config": {"Env": ["A=b"]}, "rootfs": {"type": "layers", "diff_ids": layers}})
        .to_string()
        .into_bytes()
}

fn manifest(config: &[u8]) -> Vec<u8> {
    json!({"schemaVersion": 2, "config": descriptor("config.v1+json", config), "layers": [descriptor("layer.v1.tar", LAYER)]})
        .to_string()
        .into_bytes()
}

fn index(manifest: &[u8]) -> Vec<u8> {
    json!({"schemaVersion": 2, "manifests": [descriptor("manifest.v1+json", manifest)]}).to_string().into_bytes()
}

fn saved() -> Vec<u8> {
    json!([{"Config": "config.json", "RepoTags": ["a:b"], "Layers": ["layer.tar"]}]).to_string().into_bytes()
}

/// The input as the config, the manifest and the index of an OCI layout, and as both documents of `docker save`.
fn archives(bytes: &[u8]) -> Vec<Vec<u8>> {
    let named = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
    let right = config();
    let layout = |config: &[u8], manifest: Vec<u8>, index: Option<&[u8]>| {
        let own = self::index(&manifest);
        vec![
            blob(LAYER),
            blob(config),
            blob(&manifest),
            named("index.json", index.unwrap_or(&own)),
            named("oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}"),
        ]
    };
    let docker = |config: &[u8], manifest: &[u8]| {
        vec![named("layer.tar", LAYER), named("config.json", config), named("manifest.json", manifest)]
    };
    let all = [
        layout(bytes, manifest(bytes), None),
        layout(&right, bytes.to_vec(), None),
        layout(&right, manifest(&right), Some(bytes)),
        docker(bytes, &saved()),
        docker(&right, bytes),
    ];
    all.iter().map(|files| archive(files)).collect()
}

fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content.as_slice()).expect("memory takes it");
    }
    builder.into_inner().expect("memory takes it")
}

/// The result of loading it, into a store that many inputs share.
fn loaded(archive: &[u8]) -> String {
    const USES: usize = 500;
    thread_local! {
        static STORE: RefCell<Option<(Store, tempfile::TempDir, usize)>> = const { RefCell::new(None) };
    }
    STORE.with_borrow_mut(|store| {
        if store.as_ref().is_some_and(|(_, _, uses)| *uses > USES) {
            *store = None;
        }
        let (store, _, uses) = store.get_or_insert_with(|| {
            let folder = super::folder();
            (Store::open(&folder.path().join("store")).expect("a store can be made"), folder, 0)
        });
        *uses += 1;
        let result = load(store, Source::Stream(Box::new(archive)), &LoadOptions::default());
        let left = std::fs::read_dir(store.root().join("tmp")).expect("it is there").count();
        assert_eq!(left, 0, "what was begun is gone");
        result.map_or_else(|error| super::chain(&error), |images| format!("{} images;", images.len()))
    })
}

pub fn seeds() -> Vec<Vec<u8>> {
    let rich = json!({
        "created": "2024-01-02T03:04:05.678Z", "author": "somebody", "os": "linux", "architecture": "arm64", "variant": "v8",
        "os.version": "1", "os.features": ["x"],
        "config": {
            "User": "1:2", "Env": ["PATH=/bin", "A="], "Cmd": ["sh"], "Entrypoint": null, "Volumes": {"/v": {}},
            "WorkingDir": "/w", "Labels": {"a": "b"}, "StopSignal": "SIGINT", "ExposedPorts": {"80/tcp": {}},
            "Healthcheck": {"Test": ["CMD", "x"], "Interval": 1_000_000_000u64, "Retries": 3}, "OnBuild": ["RUN x"],
            "Shell": ["/bin/sh", "-c"], "ArgsEscaped": true
        },
        "rootfs": {"type": "layers", "diff_ids": [BlobDigest::of(LAYER).to_string()]},
        "history": [{"created": "2024-01-02T03:04:05Z", "created_by": "ADD x", "comment": "c"}, {"empty_layer": true}]
    });
    let config = config();
    let manifest = manifest(&config);
    vec![rich.to_string().into_bytes(), config.clone(), manifest.clone(), index(&manifest), saved()]
}
