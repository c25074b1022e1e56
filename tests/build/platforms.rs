//! One build for several platforms: an index of images, with shared steps executed once.

use serde_json::Value;

use crate::common::{Answer, TestStore};

const PLATFORMS: &[&str] = &["--platform", "linux/amd64,linux/arm64"];
const DOCKERFILE: &str = "FROM --platform=$BUILDPLATFORM busybox AS tools\nRUN echo shared > /shared\n\
    FROM tools AS cross\nARG TARGETPLATFORM TARGETARCH\nRUN echo $TARGETPLATFORM $TARGETARCH > /made\n\
    FROM scratch\nCOPY --from=cross /made /shared /\nLABEL a=b\n";

fn built(arguments: &[&str]) -> Option<(TestStore, Answer)> {
    let store = TestStore::with_busybox()?;
    let answer = store.build_text(DOCKERFILE, &[PLATFORMS, arguments].concat()).ok();
    Some((store, answer))
}

fn json(store: &TestStore, path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(store.work().join(path)).unwrap()).unwrap()
}

fn blob(store: &TestStore, layout: &str, descriptor: &Value) -> Value {
    json(store, &format!("{layout}/blobs/sha256/{}", descriptor["digest"].as_str().unwrap().replace("sha256:", "")))
}

#[test]
fn what_the_platforms_share_is_executed_once_and_steps_name_theirs() {
    let Some((_store, answer)) = built(&["-t", "multi"]) else { return };
    let text = answer.stderr();
    assert_eq!(text.matches("RUN echo shared").count(), 1, "{text}");
    let (amd64, arm64) = ("[linux/amd64 cross 1/1] RUN echo", "[linux/amd64->arm64 cross 1/1] RUN echo");
    assert!(text.contains(amd64) && text.contains(arm64), "{text}");
    assert!(text.contains("[linux/arm64 stage-2 1/1] COPY"), "{text}");
}

#[test]
fn a_name_means_the_index_and_all_its_images_go_with_it() {
    let Some((store, _)) = built(&["-t", "multi"]) else { return };
    let ids = |arguments: &[&str]| {
        let text = store.run(&[&["images", "-q", "--no-trunc"], arguments].concat()).ok().stdout();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(ids(&["multi"]).len(), 1, "only the image that stands for the index is listed");
    assert_eq!(ids(&["--filter", "dangling=true"]), Vec::<String>::new());
    assert_eq!(ids(&["-a"]).len(), 3, "busybox and both images");
    store.run(&["image", "prune", "-f"]).ok();
    assert_eq!(ids(&["-a"]).len(), 3, "what is part of an index is no waste");
    let part = ids(&["-a"]).into_iter().find(|id| !ids(&[]).contains(id)).unwrap();
    let refused = store.run(&["rmi", &part]).fails(1).stderr();
    assert!(refused.contains("is part of multi:latest"), "{refused}");
    store.run(&["tag", "multi", "other:1"]).ok();
    store.run(&["rmi", "multi"]).ok();
    assert_eq!(ids(&["-a"]).len(), 3, "the other name still means both");
    let removed = store.run(&["rmi", "other:1"]).ok().stdout();
    assert!(removed.matches("Deleted: ").count() >= 2, "{removed}");
    assert_eq!(ids(&["-a"]).len(), 1);
}

#[test]
fn an_oci_layout_holds_the_index_and_its_annotations() {
    let arguments = [
        "-t",
        "multi",
        "--output",
        "type=oci,tar=false,dest=layout",
        "--metadata-file",
        "facts.json",
        "--annotation",
        "manifest[linux/arm64]:only=arm",
        "--annotation",
        "index,manifest-descriptor:both=1",
        "--annotation",
        "index-descriptor:top=1",
        "--annotation",
        "plain=x",
    ];
    let Some((store, _)) = built(&arguments) else { return };
    let top = &json(&store, "layout/index.json")["manifests"];
    assert_eq!(top.as_array().unwrap().len(), 1);
    assert_eq!(top[0]["mediaType"], "application/vnd.oci.image.index.v1+json");
    assert_eq!(top[0]["annotations"]["top"], "1");
    assert_eq!(json(&store, "facts.json")["containerimage.digest"], top[0]["digest"]);
    let index = blob(&store, "layout", &top[0]);
    assert_eq!(index["annotations"], serde_json::json!({"both": "1"}));
    let mut seen = Vec::new();
    for entry in index["manifests"].as_array().unwrap() {
        assert_eq!(entry["annotations"]["both"], "1");
        let manifest = blob(&store, "layout", entry);
        assert_eq!(manifest["annotations"]["plain"], "x");
        let config = blob(&store, "layout", &manifest["config"]);
        assert_eq!(config["architecture"], entry["platform"]["architecture"]);
        seen.push((config["architecture"].clone(), manifest["annotations"].get("only").is_some()));
    }
    assert_eq!(seen, [(Value::from("amd64"), false), (Value::from("arm64"), true)]);
}

#[test]
fn what_is_saved_or_kept_is_the_same_index_everywhere() {
    let Some((store, _)) = built(&["-t", "multi", "--annotation", "index:a=b", "--iidfile", "id"]) else { return };
    let digest = std::fs::read_to_string(store.work().join("id")).unwrap();
    let quiet = store.run(&["build", "-q", PLATFORMS[0], PLATFORMS[1], "--annotation", "index:a=b", "ctx"]).ok();
    assert_eq!(quiet.stdout().trim(), digest);
    store.run(&["save", "-o", "all.tar", "multi"]).ok();
    let other = TestStore::empty();
    let archive = store.work().join("all.tar").display().to_string();
    other.run(&["load", "-i", &archive]).ok();
    other.write("ctx/Dockerfile", "FROM --platform=linux/arm64 multi\n");
    other.build(&["-o", "type=local,dest=out"]).ok();
    let made = std::fs::read_to_string(other.work().join("out/made")).unwrap();
    assert_eq!(made, "linux/arm64 arm64\n", "a base is the index's image for the platform");
    store.run(&["save", "--platform", "linux/arm64", "-o", "one.tar", "multi"]).ok();
    let third = TestStore::empty();
    third.run(&["load", "-i", &store.work().join("one.tar").display().to_string()]).ok();
    let architecture = third.run(&["inspect", "--format", "{{.Architecture}}", "multi"]).ok().stdout();
    assert_eq!(architecture, "arm64\n");
    let missing = store.run(&["save", "--platform", "linux/s390x", "-o", "no.tar", "multi"]).fails(1).stderr();
    assert!(missing.contains("has no image for linux/s390x; it has linux/amd64, linux/arm64"), "{missing}");
}

#[test]
fn folders_and_tars_have_a_folder_for_each_platform() {
    let Some((store, _)) = built(&["-o", "type=local,dest=out", "-o", "type=tar,dest=out.tar"]) else { return };
    for (folder, wanted) in [("linux_amd64", "linux/amd64 amd64\n"), ("linux_arm64", "linux/arm64 arm64\n")] {
        assert_eq!(std::fs::read_to_string(store.work().join("out").join(folder).join("made")).unwrap(), wanted);
    }
    let mut archive = tar::Archive::new(std::fs::File::open(store.work().join("out.tar")).unwrap());
    let names: Vec<String> =
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    assert_eq!(
        names,
        [
            "linux_amd64",
            "linux_amd64/made",
            "linux_amd64/shared",
            "linux_arm64",
            "linux_arm64/made",
            "linux_arm64/shared"
        ]
    );
    let conflict = store.build(&[PLATFORMS, &["-o", "type=local,dest=flat,platform-split=false"]].concat()).fails(1);
    assert!(
        conflict.stderr().contains("`made` is in the root filesystems of several platforms"),
        "{}",
        conflict.stderr()
    );
    let own_names = "FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /file-$TARGETARCH\n";
    let flat = [PLATFORMS, &["-o", "type=local,dest=flat,platform-split=false"]].concat();
    store.build_text(own_names, &flat).ok();
    assert!(store.work().join("flat/file-arm64").is_file() && store.work().join("flat/file-amd64").is_file());
}

#[test]
fn what_several_platforms_cannot_have_is_refused_at_once() {
    let Some(store) = TestStore::loaded() else { return };
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let refused = |arguments: &[&str]| store.build(arguments).fails(1).stderr();
    let docker = refused(&[PLATFORMS, &["-o", "type=docker,dest=x.tar"]].concat());
    assert!(docker.contains("type=docker holds one image"), "{docker}");
    let single = refused(&["--annotation", "index:a=b"]);
    assert!(single.contains("there is no index to annotate"), "{single}");
    assert!(!store.work().join("x.tar").exists());
    let wrong =
        store.build_text("FROM scratch\nARG TARGETARCH\nCOPY none-$TARGETARCH /\n", PLATFORMS).fails(1).stderr();
    assert!(wrong.contains("linux/amd64: ") || wrong.contains("linux/arm64: "), "{wrong}");
}

#[test]
fn one_platform_makes_an_index_when_it_is_asked_to() {
    let Some(store) = TestStore::loaded() else { return };
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let arguments = ["--build-arg", "BUILDKIT_MULTI_PLATFORM=1", "--platform", "linux/arm/v7", "-o", "out"];
    store.build(&arguments).ok();
    assert!(store.work().join("out/linux_arm_v7/Dockerfile").is_file());
}

/// A warning that applies to every platform is printed once.
#[test]
fn warnings_are_not_repeated() {
    let Some(store) = TestStore::loaded() else { return };
    let text = store.build_text("FROM scratch\nENV A b\nCOPY Dockerfile /\n", PLATFORMS).ok().stderr();
    assert_eq!(text.matches("LegacyKeyValueFormat").count(), 1, "{text}");
    let checked = store.run(&["build", "--check", PLATFORMS[0], PLATFORMS[1], "ctx"]).fails(1).stdout();
    assert_eq!(checked.matches("LegacyKeyValueFormat").count(), 1, "{checked}");
}
