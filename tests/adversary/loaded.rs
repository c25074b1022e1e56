//! Image archives with duplicates, or with names that lead elsewhere: what is loaded matches its digests, and no file
//! of the host is read or written.

use rbuild::base::digest::BlobDigest;
use serde_json::{Value, json};

use crate::fixtures::{Canary, Tar, ends, everybody};
use crate::machine::Machine;

/// A layer with one file, `/which`.
fn layer(text: &str) -> Vec<u8> {
    Tar::new().file("which", 0o644, text).bytes()
}

fn config(layers: &[&[u8]]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| BlobDigest::of(layer).to_string()).collect();
    let config =
        json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ids}});
    config.to_string().into_bytes()
}

fn manifest(name: &str, config: &str, layers: &[&str]) -> Vec<u8> {
    json!([{"Config": config, "RepoTags": [format!("{name}:latest")], "Layers": layers}]).to_string().into_bytes()
}

/// The same as an OCI layout.
fn layout(name: &str, config: &[u8], layer: &[u8]) -> Vec<(String, Vec<u8>)> {
    let of = |kind: &str, bytes: &[u8]| -> Value {
        json!({"mediaType": format!("application/vnd.oci.image.{kind}"), "digest": BlobDigest::of(bytes).to_string(), "size": bytes.len()})
    };
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": of("config.v1+json", config), "layers": [of("layer.v1.tar", layer)]});
    let manifest = manifest.to_string().into_bytes();
    let mut listed = of("manifest.v1+json", &manifest);
    listed["annotations"] = json!({"org.opencontainers.image.ref.name": "latest", "io.containerd.image.name": format!("docker.io/library/{name}:latest")});
    let index = json!({"schemaVersion": 2, "manifests": [listed]}).to_string().into_bytes();
    let blob = |bytes: &[u8]| (format!("blobs/sha256/{}", BlobDigest::of(bytes).hex()), bytes.to_vec());
    vec![
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        blob(config),
        blob(layer),
        blob(&manifest),
        ("index.json".to_owned(), index),
    ]
}

/// Archives that contain something twice, or in which a name leads elsewhere.
fn archives(canary: &Canary) -> Vec<(&'static str, Vec<u8>)> {
    let (one, two) = (layer("one"), layer("two"));
    let (of_one, of_two) = (config(&[&one]), config(&[&two]));
    let first = |archive: Tar| archive.file("1.tar", 0o644, &one).file("1.json", 0o644, &of_one);
    let (good, other) = (manifest("made", "1.json", &["1.tar"]), manifest("busybox", "1.json", &["1.tar"]));
    let (secret, up) = (canary.at("secret"), format!("../../../../../../..{}", canary.at("secret")));
    let named = |name: &str| {
        let archive = Tar::new().file(name, 0o644, &one).file("1.json", 0o644, &of_one);
        archive.file("manifest.json", 0o644, manifest("made", "1.json", &[name])).bytes()
    };
    let whole = layout("made", &of_one, &one).into_iter();
    let twice = whole.clone().chain(layout("made", &of_two, &two));
    let join = |archive: Tar, files: &mut dyn Iterator<Item = (String, Vec<u8>)>| {
        files.fold(archive, |archive, (name, bytes)| archive.file(&name, 0o644, bytes)).bytes()
    };
    vec![
        (
            "two manifests",
            first(Tar::new()).file("manifest.json", 0o644, &good).file("manifest.json", 0o644, &other).bytes(),
        ),
        ("two of a layer", {
            let archive =
                Tar::new().file("1.tar", 0o644, &two).file("1.tar", 0o644, &one).file("1.json", 0o644, &of_one);
            archive.file("manifest.json", 0o644, &good).bytes()
        }),
        ("two of a layer, the wrong one last", {
            let archive =
                Tar::new().file("1.tar", 0o644, &one).file("1.json", 0o644, &of_one).file("1.tar", 0o644, &two);
            archive.file("manifest.json", 0o644, &good).bytes()
        }),
        (
            "two configurations",
            first(Tar::new()).file("1.json", 0o644, &of_two).file("manifest.json", 0o644, &good).bytes(),
        ),
        ("a layer named twice", {
            first(Tar::new()).file("manifest.json", 0o644, manifest("made", "1.json", &["1.tar", "1.tar"])).bytes()
        }),
        ("a folder, then a link", {
            let archive = Tar::new().folder("d", 0o755).link("d", canary.path().to_str().unwrap());
            let archive = archive.file("d/secret", 0o666, &one).file("1.json", 0o644, &of_one);
            archive.file("manifest.json", 0o644, manifest("made", "1.json", &["d/secret"])).bytes()
        }),
        ("a link, then a file", {
            let archive = Tar::new().link("1.tar", &secret).file("1.tar", 0o666, &one).file("1.json", 0o644, &of_one);
            archive.file("manifest.json", 0o644, &good).bytes()
        }),
        ("a layer that is a link", {
            let archive = Tar::new().link("1.tar", &secret).file("1.json", 0o644, &of_one);
            archive.file("manifest.json", 0o644, &good).bytes()
        }),
        ("a layer that is another file's name", {
            let archive = Tar::new().hard_link("1.tar", &secret).file("1.json", 0o644, &of_one);
            archive.file("manifest.json", 0o644, &good).bytes()
        }),
        ("links in a circle", {
            let archive = Tar::new().link("1.tar", "2.tar").hard_link("2.tar", "1.tar").file("1.json", 0o644, &of_one);
            archive.file("manifest.json", 0o644, &good).bytes()
        }),
        ("a manifest that is a link", first(Tar::new()).link("manifest.json", &secret).bytes()),
        ("a manifest that is a FIFO", first(Tar::new()).fifo("manifest.json", 0o644).bytes()),
        ("a manifest that is a folder", first(Tar::new()).folder("manifest.json", 0o755).bytes()),
        ("a layer that is a device", {
            let archive = Tar::new().device("1.tar", tar::EntryType::Char, (1, 5)).file("1.json", 0o644, &of_one);
            archive.file("manifest.json", 0o644, &good).bytes()
        }),
        ("a name from the root", named(&secret)),
        ("a name that goes up", named(&up)),
        ("blobs that are a link", {
            join(Tar::new().link("blobs", canary.path().to_str().unwrap()), &mut whole.clone())
        }),
        ("two indexes", join(Tar::new(), &mut twice.clone())),
        ("an index and a manifest", {
            let archive = Tar::new().file("1.tar", 0o644, &two).file("1.json", 0o644, &of_two);
            join(archive.file("manifest.json", 0o644, &good), &mut whole.clone())
        }),
        ("a blob that is another's", {
            let other = layout("made", &of_two, &two);
            join(
                Tar::new(),
                &mut whole
                    .clone()
                    .map(|(name, bytes)| if bytes == one { (name, other[2].1.clone()) } else { (name, bytes) }),
            )
        }),
    ]
}

/// Checks that a loaded image has what its configuration says.
#[track_caller]
fn is_what_it_says(machine: &Machine, canary: &Canary, name: &str, what: &str) {
    let image = machine.run(&["inspect", "-f", "{{json .RootFS.Layers}}", name]);
    if image.code() != Some(0) {
        return;
    }
    let ids: Vec<String> = serde_json::from_str(image.stdout().trim()).unwrap();
    let out = machine.0.work().join("rootfs");
    machine.0.write("ctx-of/Dockerfile", format!("FROM {name}\n"));
    let output = format!("type=local,dest={}", out.display());
    machine.run(&["build", "-q", "-o", &output, "ctx-of"]).ok();
    if let Ok(which) = std::fs::read_to_string(out.join("which")) {
        assert_eq!(ids.last().unwrap(), &BlobDigest::of(&layer(&which)).to_string(), "{what}: {which}");
    }
    canary.assert_not_below(&out);
    canary.assert_not_in(machine.run(&["save", name]).ok().stdout_bytes());
    std::fs::remove_dir_all(&out).unwrap();
}

#[test]
fn what_is_said_twice_is_what_its_digests_say() {
    for (_, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        for (what, archive) in archives(&canary) {
            machine.0.write("loaded.tar", &archive);
            let mut loaded = 0;
            for arguments in [
                &["load", "-q", "-i", "loaded.tar"][..],
                &["copy", "-q", "docker-archive:loaded.tar", "store:made"],
                &["copy", "-q", "oci-archive:loaded.tar", "store:made"],
            ] {
                let answer = ends(machine.0.command(arguments));
                canary.assert_not_in(answer.stdout() + &answer.stderr());
                canary.assert_untouched_by(&(what, arguments));
                loaded += usize::from(answer.code() == Some(0));
                is_what_it_says(&machine, &canary, "made", what);
                machine.run(&["rmi", "-f", "made"]);
            }
            // The last duplicate counts, as when they are unpacked: a name may move, and its image is complete.
            is_what_it_says(&machine, &canary, "busybox", what);
            let wrong = [
                "a layer that is",
                "links in",
                "a manifest that is",
                "the wrong one last",
                "a blob that is",
                "goes up",
            ];
            assert!(loaded == 0 || !wrong.iter().any(|word| what.contains(word)), "{what} was loaded");
        }
        machine.run(&["system", "check"]).ok();
    }
}

/// The same as files of a layout's folder.
#[test]
fn what_leads_out_of_a_layout_is_not_in_it() {
    for (_, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        let one = layer("one");
        for (name, bytes) in layout("made", &config(&[&one]), &one) {
            machine.0.write(&format!("layout/{name}"), bytes);
        }
        let blob = machine.0.work().join("layout/blobs/sha256").join(BlobDigest::of(&one).hex());
        std::fs::remove_file(&blob).unwrap();
        std::os::unix::fs::symlink(canary.path().join("secret"), &blob).unwrap();
        machine.0.write("ctx/Dockerfile", "FROM base\nCOPY Dockerfile /\n");
        for arguments in [
            &["copy", "-q", "oci:layout", "store:made"][..],
            &["build", "-q", "--build-context", "base=oci-layout://layout", "-t", "made", "ctx"],
        ] {
            let answer = ends(machine.0.command(arguments));
            assert_ne!(answer.code(), Some(0), "{arguments:?}");
            canary.assert_not_in(answer.stdout() + &answer.stderr());
        }
        canary.assert_untouched();
    }
}
