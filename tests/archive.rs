//! Image archives: what is written can be read again, and invalid ones are refused without leaving anything behind.

mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use rbuild::base::digest::BlobDigest;
use rbuild::image::{History, ImageConfig, Platform, host_platform};
use rbuild::store::Store;
use rbuild::transport::archive::{ArchiveError, LoadOptions, Loaded, NamedImage, SaveFormat, Source, load, save};
use rbuild::transport::transfer::{LayerForm, LayerFormat, Outgoing, documents};
use serde_json::json;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/busybox.tar.gz")
}

fn load_bytes(store: &Store, bytes: &[u8]) -> Result<Vec<Loaded>, ArchiveError> {
    load(store, Source::Stream(Box::new(bytes)), &LoadOptions::default())
}

/// A failed load must not leave anything visible, or use space.
fn assert_empty(store: &Store) {
    assert!(store.images().unwrap().is_empty());
    assert!(store.tags().unwrap().is_empty());
    for folder in ["blobs/sha256", "tmp"] {
        let left: Vec<_> = std::fs::read_dir(store.root().join(folder)).unwrap().collect();
        assert!(left.is_empty(), "{folder}: {left:?}");
    }
}

/// A layer with one file.
fn layer(content: &[u8]) -> Vec<u8> {
    archive(&[("file".to_owned(), content.to_vec())])
}

fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn config(platform: &Platform, layer: &[u8]) -> Vec<u8> {
    let mut config = ImageConfig::scratch(platform);
    config.push_layer(BlobDigest::of(layer).to_string().parse().unwrap(), History::default());
    config.to_bytes()
}

fn blob_name(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", BlobDigest::of(bytes).hex())
}

fn descriptor(media_type: &str, bytes: &[u8]) -> serde_json::Value {
    json!({
        "mediaType": format!("application/vnd.oci.image.{media_type}"),
        "digest": BlobDigest::of(bytes).to_string(),
        "size": bytes.len(),
    })
}

fn manifest(config: &[u8], layer: &[u8]) -> Vec<u8> {
    json!({
        "schemaVersion": 2,
        "config": descriptor("config.v1+json", config),
        "layers": [descriptor("layer.v1.tar", layer)],
    })
    .to_string()
    .into_bytes()
}

/// An OCI archive of one image, as a list of files to corrupt.
fn oci_files() -> Vec<(String, Vec<u8>)> {
    let layer = layer(b"content");
    let config = config(&host_platform(), &layer);
    let manifest = manifest(&config, &layer);
    let mut entry = descriptor("manifest.v1+json", &manifest);
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "example.com/a/b:c"});
    let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string().into_bytes();
    let mut files: Vec<_> = [layer, config, manifest].into_iter().map(|bytes| (blob_name(&bytes), bytes)).collect();
    files.push(("index.json".to_owned(), index));
    files
}

#[test]
fn an_oci_archive_is_loaded_under_its_name() {
    let (_folder, store) = store();
    let loaded = load_bytes(&store, &archive(&oci_files())).unwrap();
    assert_eq!(loaded[0].names[0].to_string(), "example.com/a/b:c");
    assert_eq!(store.tag("example.com/a/b:c").unwrap(), Some(loaded[0].id));
}

#[test]
fn what_is_saved_loads_to_the_same_image_whatever_the_compression() {
    let (_folder, store) = store();
    let file = std::fs::File::open(fixture()).unwrap();
    let loaded = load(&store, Source::Stream(Box::new(file)), &LoadOptions::default()).unwrap();
    let image = NamedImage { image: Outgoing::single(loaded[0].id), names: loaded[0].names.clone() };
    for format in [SaveFormat::Docker, SaveFormat::Oci(LayerFormat::Gzip), SaveFormat::Oci(LayerFormat::Zstd)] {
        let mut saved = Vec::new();
        save(&store, std::slice::from_ref(&image), format, &mut saved).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&saved).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
        xz.write_all(&saved).unwrap();
        let zstd = zstd::encode_all(saved.as_slice(), 1).unwrap();
        for bytes in [saved, gzip.finish().unwrap(), xz.finish().unwrap(), zstd] {
            let (_folder, other) = self::store();
            assert_eq!(load_bytes(&other, &bytes).unwrap(), loaded);
        }
    }
}

#[test]
fn a_save_is_the_same_every_time() {
    let (_folder, store) = store();
    let loaded = load_bytes(&store, &archive(&oci_files())).unwrap();
    let images = [NamedImage { image: Outgoing::single(loaded[0].id), names: loaded[0].names.clone() }];
    let save = |format| {
        let mut bytes = Vec::new();
        save(&store, &images, format, &mut bytes).unwrap();
        bytes
    };
    assert!(save(SaveFormat::Docker) == save(SaveFormat::Docker));
    let oci = SaveFormat::Oci(LayerFormat::Gzip);
    assert!(save(oci) == save(oci));
}

#[test]
fn an_old_docker_archive_with_linked_layers_loads() {
    let layer = layer(b"content");
    let config = config(&host_platform(), &layer);
    let manifest = json!([{"Config": "c.json", "RepoTags": ["old:1", "old:2"], "Layers": ["b/layer.tar"]}]);
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in
        [("a/layer.tar", &layer), ("c.json", &config), ("manifest.json", &manifest.to_string().into_bytes())]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "b/layer.tar", "../a/layer.tar").unwrap();
    let (_folder, store) = store();
    let loaded = load_bytes(&store, &builder.into_inner().unwrap()).unwrap();
    assert_eq!(loaded[0].names.iter().map(|name| name.familiar()).collect::<Vec<_>>(), ["old:1", "old:2"]);
}

/// An OCI archive of an image for three platforms, with annotations at each level, and with a missing attestation.
fn several_platforms() -> Vec<u8> {
    let mut files = Vec::new();
    let mut entries = Vec::new();
    for (text, content) in [("linux/arm64", b"arm"), ("linux/s390x", b"390"), ("linux/amd64", b"amd")] {
        let platform: Platform = text.parse().unwrap();
        let layer = layer(content);
        let config = config(&platform, &layer);
        let manifest = manifest(&config, &layer);
        let mut entry = descriptor("manifest.v1+json", &manifest);
        entry["platform"] = json!(platform);
        entry["annotations"] = json!({"for": text});
        entries.push(entry);
        files.extend([layer, config, manifest].into_iter().map(|bytes| (blob_name(&bytes), bytes)));
    }
    let attestation = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let mut unknown = descriptor("manifest.v1+json", b"absent");
    unknown["annotations"] = attestation;
    unknown["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    entries.push(unknown);
    let nested = json!({"schemaVersion": 2, "manifests": entries, "annotations": {"a": "b"}});
    let nested = nested.to_string().into_bytes();
    let mut entry = descriptor("index.v1+json", &nested);
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "example.com/a/b:c", "d": "e"});
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    files.push((blob_name(&nested), nested));
    files.push(("index.json".to_owned(), index.to_string().into_bytes()));
    archive(&files)
}

#[test]
fn of_several_platforms_all_are_kept_and_written_again() {
    let (_folder, store) = store();
    let loaded = load_bytes(&store, &several_platforms()).unwrap();
    assert_eq!(loaded.len(), 1);
    let tag = store.whole_tag("example.com/a/b:c").unwrap().unwrap();
    let platforms: Vec<_> = tag.index.iter().map(|id| store.platform_of(id).unwrap().architecture).collect();
    assert_eq!(platforms, ["arm64", "s390x", "amd64"]);
    assert_eq!(tag.image, loaded[0].id);
    let named = NamedImage { image: Outgoing::of_tag(&tag).unwrap(), names: loaded[0].names.clone() };
    let documents = documents(&store, &named.image, LayerForm::Blobs(LayerFormat::Gzip)).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&documents.index.as_ref().unwrap().bytes).unwrap();
    assert_eq!(index["annotations"], json!({"a": "b"}));
    assert_eq!(index["manifests"][1]["annotations"], json!({"for": "linux/s390x"}));
    assert_eq!(index["manifests"][1]["platform"], json!({"architecture": "s390x", "os": "linux"}));
    assert_eq!(documents.top().annotations.get("d").map(String::as_str), Some("e"));
    let mut digests = Vec::new();
    for format in [SaveFormat::Docker, SaveFormat::Oci(LayerFormat::Gzip)] {
        let mut saved = Vec::new();
        digests.extend(save(&store, std::slice::from_ref(&named), format, &mut saved).unwrap());
        let (_folder, other) = self::store();
        assert_eq!(load_bytes(&other, &saved).unwrap(), loaded);
        assert_eq!(other.whole_tag("example.com/a/b:c").unwrap().unwrap(), tag);
    }
    assert_eq!(digests[1], documents.top().digest);
}

#[test]
fn of_several_platforms_the_one_asked_for_is_loaded() {
    let bytes = several_platforms();
    for wanted in ["linux/s390x", "linux/arm64/v8"] {
        let (_folder, store) = store();
        let platform: Platform = wanted.parse().unwrap();
        let options = LoadOptions { platform: Some(platform.clone()), ..LoadOptions::default() };
        let loaded = load(&store, Source::Stream(Box::new(bytes.as_slice())), &options).unwrap();
        let config: ImageConfig =
            serde_json::from_slice(&store.read_blob(&loaded[0].id.into(), 1 << 20).unwrap()).unwrap();
        assert_eq!(config.platform.architecture, platform.architecture);
    }
    let (_folder, store) = store();
    let options = LoadOptions { platform: Some("linux/riscv64".parse().unwrap()), ..LoadOptions::default() };
    let error = load(&store, Source::Stream(Box::new(bytes.as_slice())), &options).unwrap_err();
    assert!(matches!(error, ArchiveError::NoPlatform { .. }), "{error}");
    assert_empty(&store);
}

#[test]
fn a_spoiled_archive_is_refused_and_leaves_nothing() {
    type Spoil = fn(&mut Vec<(String, Vec<u8>)>);
    let cases: &[(&str, Spoil)] = &[
        ("not valid", |files| files[3].1 = b"{".to_vec()),
        ("is missing", |files| drop(files.remove(0))),
        ("is missing", |files| drop(files.remove(2))),
        ("has the digest", |files| files[0].1[600] ^= 1),
        ("has the digest", |files| files[1].1[5] ^= 1),
        ("manifest.json", |files| drop(files.remove(3))),
        ("two different entries", |files| files.push(("index.json".to_owned(), b"{}".to_vec()))),
        ("holds no image", |files| files[3].1 = br#"{"schemaVersion":2,"manifests":[]}"#.to_vec()),
        ("more than", |files| files[3].1 = [b"[".as_slice(), &vec![b' '; 17 << 20]].concat()),
    ];
    for (expected, spoil) in cases {
        let mut files = oci_files();
        spoil(&mut files);
        let (_folder, store) = store();
        let error = load_bytes(&store, &archive(&files)).expect_err(expected);
        assert!(format!("{error:?} {error}").contains(expected), "{expected}: {error}");
        assert_empty(&store);
    }
}

#[test]
fn a_layer_that_is_not_what_the_config_says_is_refused() {
    let layer = layer(b"content");
    let config = config(&host_platform(), b"another");
    let manifest = manifest(&config, &layer);
    let index = json!({"schemaVersion": 2, "manifests": [descriptor("manifest.v1+json", &manifest)]});
    let mut files: Vec<_> = [layer, config, manifest].into_iter().map(|bytes| (blob_name(&bytes), bytes)).collect();
    files.push(("index.json".to_owned(), index.to_string().into_bytes()));
    let (_folder, store) = store();
    let error = load_bytes(&store, &archive(&files)).unwrap_err();
    assert!(error.to_string().contains("the image config says"), "{error}");
    assert_empty(&store);
}

#[test]
fn an_archive_cut_anywhere_is_refused_and_leaves_nothing() {
    let bytes = archive(&oci_files());
    // The two blocks at the end are optional; without them the archive is complete.
    let content = bytes.len() - 1024;
    for length in (0..content).step_by(256).chain([1, 511, content - 513]) {
        let (_folder, store) = store();
        assert!(load_bytes(&store, &bytes[..length]).is_err(), "{length} of {}", bytes.len());
        assert_empty(&store);
    }
}

#[test]
fn names_that_leave_the_archive_are_refused() {
    for (name, target) in
        [("../evil", None), ("a/../../evil", None), ("link", Some("/etc/passwd")), ("link", Some("../../x"))]
    {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(0);
        if let Some(target) = target {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_link_name_literal(target).unwrap();
        }
        header.set_cksum();
        builder.append(&header, std::io::empty()).unwrap();
        let (_folder, store) = store();
        let error = load_bytes(&store, &builder.into_inner().unwrap()).unwrap_err();
        assert!(matches!(error, ArchiveError::BadEntry { .. }), "{name}: {error}");
        assert_empty(&store);
    }
}

#[test]
fn links_in_a_circle_are_refused() {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, target) in [("index.json", "b"), ("b", "index.json")] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, name, target).unwrap();
    }
    let (_folder, store) = store();
    let error = load_bytes(&store, &builder.into_inner().unwrap()).unwrap_err();
    assert!(matches!(error, ArchiveError::BadLink { .. }), "{error}");
    assert_empty(&store);
}

#[test]
fn too_many_entries_are_refused() {
    let mut header = tar::Header::new_ustar();
    header.set_path("dir/").unwrap();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(0);
    header.set_cksum();
    let endless = std::iter::repeat_n(*header.as_bytes(), 100_001).flatten().collect::<Vec<u8>>();
    let (_folder, store) = store();
    let error = load_bytes(&store, &endless).unwrap_err();
    assert!(error.to_string().contains("100000"), "{error}");
    assert_empty(&store);
}
