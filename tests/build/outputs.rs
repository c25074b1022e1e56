//! What a build leaves behind: archives, folders, metadata files, messages.

use std::collections::BTreeSet;

use crate::common::{Answer, TestStore};

const DOCKERFILE: &str = "FROM busybox\nWORKDIR /made\nRUN echo content > file\nCMD [\"cat\", \"file\"]\n";

fn store() -> Option<TestStore> {
    let store = TestStore::with_busybox()?;
    store.write("ctx/Dockerfile", DOCKERFILE);
    Some(store)
}

fn names_in(archive: &[u8]) -> BTreeSet<String> {
    let mut archive = tar::Archive::new(archive);
    let name = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| entry.unwrap().path().unwrap().display().to_string();
    archive.entries().unwrap().map(name).collect()
}

fn id_of(answer: &Answer) -> String {
    answer.stdout().trim_end().to_owned()
}

#[test]
fn quiet_prints_the_id_alone_and_iidfile_holds_it() {
    let Some(store) = store() else { return };
    let answer = store.run(&["build", "-q", "--iidfile", "id", "-t", "named:1", "ctx"]).ok();
    let id = id_of(&answer);
    let is_progress = |line: &str| !line.starts_with("warning: ");
    assert!(!answer.stderr().lines().any(is_progress), "{}", answer.stderr());
    assert!(id.starts_with("sha256:") && id.len() == 71, "{id}");
    assert_eq!(std::fs::read_to_string(store.work().join("id")).unwrap(), id);
    let images = store.run(&["images", "-q", "--no-trunc", "named:1"]).ok();
    assert_eq!(id_of(&images), id);
}

#[test]
fn metadata_names_the_image() {
    let Some(store) = store() else { return };
    let answer = store.run(&["build", "-q", "-t", "named:1", "--metadata-file", "facts.json", "ctx"]).ok();
    let text = std::fs::read_to_string(store.work().join("facts.json")).unwrap();
    let facts: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(facts["containerimage.config.digest"], id_of(&answer));
    assert_eq!(facts["image.name"], "docker.io/library/named:1");
}

#[test]
fn a_tar_output_is_the_root_filesystem() {
    let Some(store) = store() else { return };
    let answer = store.run(&["build", "-o", "-", "ctx"]).ok();
    let names = names_in(answer.stdout_bytes());
    assert!(names.contains("made/file") && names.contains("bin/busybox"), "{names:?}");
    store.run(&["build", "-o", "type=tar,dest=root.tar", "ctx"]).ok();
    assert_eq!(names_in(&std::fs::read(store.work().join("root.tar")).unwrap()), names);
}

#[test]
fn a_folder_output_is_the_root_filesystem() {
    let Some(store) = store() else { return };
    store.run(&["build", "-o", "out", "ctx"]).ok();
    assert_eq!(std::fs::read_to_string(store.work().join("out/made/file")).unwrap(), "content\n");
}

#[test]
fn a_link_of_an_earlier_output_is_not_followed() {
    let Some(store) = TestStore::loaded() else { return };
    store.write("host/file", "the host's own");
    let link = store.work().join("host").display().to_string();
    store.write("ctx/file", "the image's");
    std::fs::create_dir(store.work().join("out")).unwrap();
    std::os::unix::fs::symlink(&link, store.work().join("out/folder")).unwrap();
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY file /folder/file\n");
    store.build(&["-o", "out"]).ok();
    assert_eq!(std::fs::read_to_string(store.work().join("host/file")).unwrap(), "the host's own");
    assert_eq!(std::fs::read_to_string(store.work().join("out/folder/file")).unwrap(), "the image's");
}

/// A result that is written elsewhere is not stored under a name; `--load` stores it, too.
#[test]
fn an_archive_can_be_loaded_into_another_store() {
    for kind in ["docker", "oci"] {
        let Some(store) = store() else { return };
        let output = format!("type={kind},dest=image.tar");
        let id = id_of(&store.run(&["build", "-q", "-t", "app:3", "-o", &output, "ctx"]).ok());
        assert_eq!(id_of(&store.run(&["images", "-q", "app"]).ok()), "");
        let other = TestStore::empty();
        let archive = store.work().join("image.tar");
        other.run(&["load", "-i", &archive.to_string_lossy()]).ok();
        assert_eq!(id_of(&other.run(&["images", "-q", "--no-trunc", "app:3"]).ok()), id, "{kind}");
        store.run(&["build", "-q", "-t", "app:3", "-o", &output, "--load", "ctx"]).ok();
        assert_eq!(id_of(&store.run(&["images", "-q", "--no-trunc", "app:3"]).ok()), id);
    }
}

#[test]
fn an_archive_has_the_names_of_its_output() {
    let Some(store) = store() else { return };
    let loaded = |arguments: &[&str]| {
        store.build(arguments).ok();
        let archive = store.work().join("image.tar");
        TestStore::empty().run(&["load", "-i", &archive.to_string_lossy()]).ok().stdout()
    };
    for kind in ["oci", "docker"] {
        let output = format!("type={kind},dest=image.tar,name=own/name:2");
        assert_eq!(loaded(&["-o", &output]), "Loaded image: own/name:2\n");
        assert_eq!(loaded(&["-o", &output, "-t", "other:1"]), "Loaded image: other:1\n");
    }
}

#[test]
fn an_archive_can_go_to_standard_output() {
    let Some(store) = store() else { return };
    let answer = store.run(&["build", "-t", "app", "-o", "type=docker,dest=-", "ctx"]).ok();
    assert!(names_in(answer.stdout_bytes()).contains("manifest.json"));
}

/// As in buildx, where `--load` is short for that.
#[test]
fn a_docker_image_without_a_place_goes_into_the_store() {
    let Some(store) = store() else { return };
    let id = id_of(&store.run(&["build", "-q", "-t", "app:4", "-o", "type=docker", "ctx"]).ok());
    assert_eq!(id_of(&store.run(&["images", "-q", "--no-trunc", "app:4"]).ok()), id);
}

#[test]
fn several_tags_name_one_image() {
    let Some(store) = store() else { return };
    store.run(&["build", "-t", "one", "-t", "example.com/two:2", "ctx"]).ok();
    let text = store.run(&["images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]).ok().stdout();
    let id = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    assert!(id("one:latest ").is_some(), "{text}");
    assert_eq!(id("one:latest "), id("example.com/two:2 "));
}

#[test]
fn labels_and_instructions_stand_in_the_config() {
    let Some(store) = store() else { return };
    store.build(&["-t", "app", "--label", "from.outside=yes"]).ok();
    let config = store.run(&["inspect", "--format", "{{json .Config}}", "app"]).ok().stdout();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["Labels"]["from.outside"], "yes");
    assert_eq!(config["WorkingDir"], "/made");
    assert_eq!(config["Cmd"], serde_json::json!(["cat", "file"]));
}

#[test]
fn a_fixed_epoch_makes_the_same_bytes_in_two_stores() {
    let build = |store: &TestStore| {
        let arguments = ["-t", "app", "--build-arg", "SOURCE_DATE_EPOCH=1700000000", "-o", "type=oci,dest=image.tar"];
        store.build(&arguments).ok();
        std::fs::read(store.work().join("image.tar")).unwrap()
    };
    let (Some(one), Some(two)) = (store(), store()) else { return };
    let made = "FROM scratch\nCOPY file /file\nLABEL a=b\n";
    for store in [&one, &two] {
        store.write("ctx/Dockerfile", made);
        store.write("ctx/file", "content");
    }
    assert!(build(&one) == build(&two), "the archives differ");
}

/// The top manifest and the sizes of its layers in a layout or an archive.
fn manifest_of(store: &TestStore, options: &str) -> serde_json::Value {
    std::fs::remove_dir_all(store.work().join("layout")).ok();
    let output = format!("type=oci,tar=false,dest=layout{options}");
    store.run(&["build", "--build-arg", "SOURCE_DATE_EPOCH=1700000000", "-o", &output, "ctx"]).ok();
    let read = |path: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(store.work().join("layout").join(path)).unwrap()).unwrap()
    };
    let index = read("index.json");
    let digest = index["manifests"][0]["digest"].as_str().unwrap().replace("sha256:", "blobs/sha256/");
    read(&digest)
}

#[test]
fn media_types_are_dockers_where_that_is_asked_for() {
    let Some(store) = store() else { return };
    let types = |manifest: &serde_json::Value| {
        let of = |value: &serde_json::Value| value["mediaType"].as_str().unwrap().to_owned();
        [of(manifest), of(&manifest["config"]), of(&manifest["layers"][0])]
    };
    let docker = [
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ];
    let oci = [
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.layer.v1.tar+gzip",
    ];
    assert_eq!(types(&manifest_of(&store, "")), oci);
    assert_eq!(types(&manifest_of(&store, ",oci-mediatypes=true")), oci);
    assert_eq!(types(&manifest_of(&store, ",oci-mediatypes=false")), docker);
    // Such an archive can be read like any other.
    store.run(&["build", "-o", "type=oci,oci-mediatypes=false,dest=docker.tar", "ctx"]).ok();
    let other = TestStore::empty();
    let archive = store.work().join("docker.tar");
    other.run(&["load", "-i", archive.to_str().unwrap()]).ok();
    assert_eq!(
        other.run(&["images", "-aq"]).ok().stdout(),
        store.run(&["build", "-q", "ctx"]).ok().stdout()[7..19].to_owned() + "\n"
    );
}

#[test]
fn a_level_of_compression_changes_sizes_and_nothing_else() {
    let text: String = (0..20_000).map(|number| format!("line {} of many\n", number * 7919 % 10_007)).collect();
    // An existing copy is used again, whatever its level: each has its own store.
    let store = || {
        let store = TestStore::empty();
        store.write("ctx/text", &text);
        store.write("ctx/Dockerfile", "FROM scratch\nCOPY text /\n");
        store
    };
    let layer = |options: &str| {
        // Whatever the time when each is created.
        let manifest = manifest_of(&store(), &format!(",rewrite-timestamp=true{options}"));
        (manifest["config"]["digest"].clone(), manifest["layers"][0]["size"].as_u64().unwrap())
    };
    let (config, usual) = layer("");
    let (same, none) = layer(",compression-level=0");
    let (_, fast) = layer(",compression-level=1");
    let (other, best) = layer(",compression=gzip,compression-level=9");
    assert!(none > fast && fast > best && none > usual, "{none} {fast} {usual} {best}");
    let (zstandard, low) = layer(",compression=zstd,compression-level=1");
    let (_, high) = layer(",compression=zstd,compression-level=19");
    assert_ne!(low, high, "which is smaller depends on the text");
    assert_eq!([&same, &other, &zstandard], [&config; 3], "the image is the same");
    for wrong in ["compression-level=10", "compression=zstd,compression-level=23", "compression-level=x"] {
        store().run(&["build", "-o", &format!("type=oci,dest=x.tar,{wrong}"), "ctx"]).fails(1);
    }
}

/// `mode=delete` makes the folder equal to the result: other files in it are removed, and nothing outside of it.
#[test]
fn an_output_that_deletes_leaves_the_result_alone() {
    let Some(store) = TestStore::loaded() else { return };
    store.write("ctx/file", "new");
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY file /sub/file\n");
    store.write("out/old", "");
    store.write("out/sub/old", "");
    store.write("outside/kept", "");
    std::os::unix::fs::symlink("../outside", store.work().join("out/link")).unwrap();
    let output = "type=local,dest=out,mode=delete";
    // Below the working folder this needs no permission; elsewhere, and for that folder itself, it does.
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("old"), "").unwrap();
    let outside = format!("type=local,dest={},mode=delete", elsewhere.path().display());
    for output in [outside.as_str(), "type=local,dest=.,mode=delete"] {
        let answer = store.run(&["build", "-o", output, "ctx"]).fails(1).stderr();
        assert!(answer.contains("buildx.local.delete"), "{answer}");
    }
    assert!(store.work().join("out/old").exists() && elsewhere.path().join("old").exists());
    store.run(&["build", "-o", "type=local,dest=out", "ctx"]).ok();
    assert!(store.work().join("out/old").exists(), "mode=copy is what is usual");
    store.run(&["build", "-o", output, "ctx"]).ok();
    store.run(&["build", "--allow", "buildx.local.delete", "-o", &outside, "ctx"]).ok();
    assert!(!elsewhere.path().join("old").exists() && elsewhere.path().join("sub/file").exists());
    let mut names: Vec<String> = walkdir::WalkDir::new(store.work().join("out"))
        .min_depth(1)
        .into_iter()
        .map(|entry| entry.unwrap().path().strip_prefix(store.work().join("out")).unwrap().display().to_string())
        .collect();
    names.sort();
    assert_eq!(names, ["sub", "sub/file"]);
    assert!(store.work().join("outside/kept").exists(), "a link is not followed");
    store.run(&["build", "--allow", "buildx.local.delete", "-o", "type=tar,dest=x.tar,mode=delete", "ctx"]).fails(1);
}
