//! The commands as users type them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::TestStore;
use crate::common::screen::Screen;
use crate::image::{OCI, layer, put_image, put_varied_image};
use crate::registry::TestRegistry;

#[test]
fn all_tags_are_pulled_and_pushed() {
    let registry = TestRegistry::start();
    for tag in ["1", "2"] {
        let layer = layer(tag.as_bytes()[0], 500);
        put_image(&registry, "a", tag, &[("", layer.clone(), layer)]);
    }
    let store = TestStore::empty();
    store.run(&["pull", "-a", &registry.name("a")]).ok();
    let one = store.run(&["pull", &registry.name("a:1")]).ok().stdout();
    assert!(!one.contains("Already exists\n") && one.contains("Status: Image is up to date for"), "{one}");
    let all = store.run(&["pull", "-a", &registry.name("a")]).ok().stdout();
    let status = format!("Status: Image is up to date for {0}\n{0}\n", registry.name("a"));
    assert!(all.ends_with(&status) && all.matches("Status").count() == 1, "{all}");
    for tag in ["1", "2"] {
        store.run(&["tag", &registry.name(&format!("a:{tag}")), &registry.name(&format!("b:{tag}"))]).ok();
    }
    let pushed = store.run(&["push", "-a", &registry.name("b")]).ok().stdout();
    assert!(pushed.contains("Mounted from a\n") && pushed.contains("2: digest: sha256:"), "{pushed}");
    assert_eq!(registry.tags("b"), ["1", "2"]);
    assert_eq!(registry.manifest("b", "2"), registry.manifest("a", "2"));
    registry.forget();
    let again = store.run(&["push", "-q", &registry.name("b:1")]).ok().stdout();
    assert_eq!(again, format!("{}\n", registry.name("b:1")));
    assert_eq!(registry.count("PATCH", "") + registry.count("POST", ""), 0, "what is there is not sent again");
}

#[test]
fn a_tag_that_is_not_there_brings_up_the_nearest() {
    let registry = TestRegistry::start();
    put_varied_image(&registry, "a", "3.12-slim");
    let answer = TestStore::empty().run(&["pull", &registry.name("a:3.12-slin")]).fails(1);
    assert!(answer.stderr().contains("hint: the nearest tags are 3.12-slim"), "{}", answer.stderr());
}

#[test]
fn a_build_is_pushed_under_all_its_names_or_none() {
    let registry = TestRegistry::start();
    put_varied_image(&registry, "base", "1");
    let store = TestStore::empty();
    store.write("ctx/file", "content");
    let text = format!("FROM {}\nCOPY --link file /file\n", registry.name("base:1"));
    let (one, two) = (registry.name("app:1"), registry.name("other:2"));
    let answer = store.build_text(&text, &["--push", "-t", &one, "-t", &two, "--metadata-file", "facts"]).ok();
    assert!(answer.stderr().contains("Mounted from base"), "{}", answer.stderr());
    let manifest = registry.manifest("app", "1").unwrap();
    assert_eq!(registry.manifest("other", "2"), Some(manifest.clone()));
    let facts = std::fs::read_to_string(store.work().join("facts")).unwrap();
    assert!(facts.contains(&rbuild::base::digest::BlobDigest::of(&manifest).to_string()), "{facts}");
    assert_eq!(registry.count("GET", "/v2/base/blobs/sha256:"), 1, "of the base only its config was read");

    store.write("ctx/file", "other content");
    let gate = |request: &mut crate::web::Request| {
        let is_refused = request.path.contains("/v2/other/") && request.method == "POST";
        is_refused.then(|| crate::web::Reply::new(403, ""))
    };
    registry.set_gate(gate);
    let refused = store.build(&["-o", "type=registry", "-t", &one, "-t", &two]).fails(1);
    assert!(refused.stderr().contains("is denied"), "{}", refused.stderr());
    assert_eq!(registry.manifest("app", "1"), Some(manifest), "no name moves when one cannot");
    let nameless = store.build(&["--push"]).fails(1);
    assert!(nameless.stderr().contains("a tag is needed"), "{}", nameless.stderr());
}

#[test]
fn an_image_for_several_platforms_is_pushed_as_an_index() {
    let registry = TestRegistry::start();
    let store = TestStore::empty();
    store.write("ctx/file", "content");
    let name = registry.name("multi:1");
    let platforms = "linux/amd64,linux/arm64";
    store.build_text("FROM scratch\nCOPY file /\n", &["--platform", platforms, "--push", "-t", &name]).ok();
    let index: serde_json::Value = serde_json::from_slice(&registry.manifest("multi", "1").unwrap()).unwrap();
    assert_eq!(index["mediaType"], format!("{OCI}index.v1+json"));
    let architectures: Vec<&str> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["platform"]["architecture"].as_str())
        .collect();
    assert_eq!(architectures, ["amd64", "arm64"]);
    let other = TestStore::empty();
    other.run(&["pull", "--platform", "linux/arm64", &name]).ok();
    let inspected = other.run(&["inspect", "-f", "{{.Architecture}}", &name]).ok().stdout();
    assert_eq!(inspected, "arm64\n");
    let remote = other.run(&["image", "inspect", "--remote", "-f", "{{.Architecture}}", &name]).ok().stdout();
    assert_eq!(remote, "amd64\n");
}

#[test]
fn lists_of_manifests_are_made_annotated_and_pushed() {
    let registry = TestRegistry::start();
    let digest = put_varied_image(&registry, "a", "1");
    let store = TestStore::empty();
    let (list, image) = (registry.name("list:1"), registry.name("a:1"));
    store.run(&["manifest", "create", &list, &image]).ok();
    let again = store.run(&["manifest", "create", &list, &image]).fails(1);
    assert!(again.stderr().contains("hint: add --amend"), "{}", again.stderr());
    store.run(&["manifest", "create", "--amend", &list, &image]).ok();
    store.run(&["manifest", "annotate", &list, &image, "--arch", "arm64", "--variant", "v8", "--os", "linux"]).ok();
    let shown = store.run(&["manifest", "inspect", &list]).ok().stdout();
    assert!(shown.contains("\"variant\": \"v8\"") && shown.contains(&digest), "{shown}");
    let pushed = store.run(&["manifest", "push", "--purge", &list]).ok().stdout();
    let repository = registry.name("list");
    assert!(
        pushed.starts_with(&format!("Pushed ref {repository}@{digest} with digest: {digest}\nsha256:")),
        "{pushed}"
    );
    let slip = ["manifest", "annotate", &list, &image, "--os", "linus"];
    store.run(&["manifest", "create", &list, &image]).ok();
    assert!(store.run(&slip).fails(1).stderr().contains("unsupported os/arch combination: linus/"));
    store.run(&["manifest", "rm", &list]).ok();
    let index: serde_json::Value = serde_json::from_slice(&registry.manifest("list", "1").unwrap()).unwrap();
    assert_eq!(index["manifests"][0]["platform"]["architecture"], "arm64");
    assert!(registry.manifest("list", &digest).is_some(), "the image is in the list's repository too");
    store.run(&["manifest", "rm", &list]).fails(1);
    let verbose = store.run(&["manifest", "inspect", "-v", &list]).ok().stdout();
    assert!(verbose.contains("\"OCIManifest\"") && verbose.contains("\"Ref\""), "{verbose}");
}

#[test]
fn the_catalogue_is_searched() {
    let registry = TestRegistry::start();
    put_varied_image(&registry, "tools/linter", "1");
    put_varied_image(&registry, "tools/compiler", "1");
    let store = TestStore::empty();
    let found = store.run(&["search", &registry.name("lint"), "--format", "{{.Name}}"]).ok().stdout();
    assert_eq!(found, format!("{}\n", registry.name("tools/linter")));
    registry.set_fault(|_, _| crate::web::Reply::new(404, ""));
    let said = store.run(&["search", &registry.name("lint")]).fails(1).stderr();
    assert!(said.contains("it has no catalogue"), "{said}");
}

#[test]
fn a_build_is_pushed_by_digest_alone_and_compressed_as_it_was_asked_for() {
    let registry = TestRegistry::start();
    let store = TestStore::empty();
    store.write("ctx/file", "content");
    let text = "FROM scratch\nCOPY file /\n";
    let by_digest = format!("type=registry,name={},push-by-digest=true", registry.name("app"));
    store.build_text(text, &["-o", &by_digest, "--metadata-file", "facts.json"]).ok();
    assert_eq!(registry.tags("app"), [""; 0]);
    let facts: serde_json::Value =
        serde_json::from_slice(&std::fs::read(store.work().join("facts.json")).unwrap()).unwrap();
    let digest = facts["containerimage.digest"].as_str().unwrap();
    assert!(registry.manifest("app", digest).is_some(), "{facts}");
    let name = format!("{}@{digest}", registry.name("app"));
    assert_eq!(store.run(&["images", "-q", "--no-trunc", &name]).ok().stdout().lines().count(), 1);
    let said = store.build(&["-o", &by_digest, "-t", "x"]).fails(1).stderr();
    assert!(said.contains("cannot be pushed without its tag"), "{said}");

    store.build(&["-t", &registry.name("base:1"), "--push"]).ok();
    let types = |tag: &str| -> Vec<String> {
        let manifest: serde_json::Value = serde_json::from_slice(&registry.manifest("made", tag).unwrap()).unwrap();
        let layers = manifest["layers"].as_array().unwrap().iter();
        layers.map(|layer| layer["mediaType"].as_str().unwrap().rsplit('+').next().unwrap().to_owned()).collect()
    };
    // Another machine, which has pulled the base.
    let other = TestStore::empty();
    other.write("ctx/other", "more");
    other.write("ctx/Dockerfile", format!("FROM {}\nCOPY other /\n", registry.name("base:1")));
    for (tag, more, expected) in [
        ("1", "", ["gzip", "gzip"]),
        ("2", "compression=zstd,", ["gzip", "zstd"]),
        ("3", "force-compression=true,compression=zstd,", ["zstd", "zstd"]),
    ] {
        let output = format!("type=registry,{more}name={}", registry.name(&format!("made:{tag}")));
        other.build(&["-o", &output]).ok();
        assert_eq!(types(tag), expected, "{more}");
    }
    other.build(&["-o", "type=oci,tar=false,dest=layout,compression=zstd,force-compression=true"]).ok();
    other.run(&["copy", "-q", "oci:layout", &format!("docker://{}", registry.name("made:4"))]).ok();
    assert_eq!(types("4"), ["zstd", "zstd"]);
}

/// A download that a command needs is reported on standard error, as `pull` does.
#[test]
fn what_is_pulled_for_a_container_is_told_of() {
    let registry = TestRegistry::start();
    put_varied_image(&registry, "a", "1");
    let name = registry.name("a:1");
    for (options, said) in [
        (&[][..], ["Unable to find image '", "1: Pulling from a", "Status: Downloaded newer image for "].as_slice()),
        (&["--pull", "always"], &["1: Pulling from a", "Digest: sha256:", "Status: Image is up to date for "]),
        (&["--pull", "always", "-q"], &[]),
    ] {
        let store = TestStore::empty();
        if !options.is_empty() {
            store.run(&["pull", "-q", &name]).ok();
        }
        let answer = store.run(&[&["create"], options, &[&name, "true"]].concat()).ok();
        assert_eq!(answer.stdout().len(), 65, "{}", answer.stdout());
        let lines = answer.stderr();
        for words in said {
            assert!(lines.lines().any(|line| line.starts_with(words)), "{words}: {lines}");
        }
        assert!(!said.is_empty() || lines.is_empty(), "{lines}");
    }
    let answer = TestStore::empty().run(&["run", "Upper/Case"]).fails(125);
    assert!(!answer.stderr().contains("Unable to find"), "a name that is none is looked for nowhere");
    let answer = TestStore::empty().run(&["pull", &registry.name("none:1")]).fails(1);
    assert_eq!(answer.stdout(), "", "a registry that has no such image begins nothing");
}

#[test]
fn bars_of_transfers_fit_any_terminal() {
    let registry = TestRegistry::start();
    let layers: Vec<_> = (0..3).map(|seed| layer(seed, 300_000)).collect();
    let layers: Vec<_> = layers.into_iter().map(|layer| ("", layer.clone(), layer)).collect();
    put_image(&registry, "a", "1", &layers);
    let name = registry.name("a:1");
    for columns in [30, 60, 200] {
        let store = TestStore::empty();
        let seen = |arguments: &[&str]| {
            let mut screen = Screen::new(24, columns);
            assert_eq!(screen.run(store.command(arguments)), Some(0));
            screen.seen()
        };
        let shown = seen(&["pull", &name]);
        let layers = shown.iter().filter(|line| line.ends_with(": Pull complete")).count();
        assert_eq!(layers, 3, "at {columns}: {shown:?}");
        assert!(!shown.iter().any(|line| line.contains("Downloading")), "nothing is left over: {shown:?}");
        let other = registry.name(&format!("copy{columns}:1"));
        store.run(&["tag", &name, &other]).ok();
        let shown = seen(&["push", &other]);
        let bars = shown.iter().filter(|line| line.contains(": Mounted fro")).count();
        assert_eq!(bars, 3, "at {columns}: {shown:?}");
    }
}

#[test]
fn what_imagetools_made_is_written_down() {
    let registry = TestRegistry::start();
    put_varied_image(&registry, "a", "1");
    let store = TestStore::empty();
    let names = ["list:1", "list:2", "b:1"].map(|name| registry.name(name));
    let mut words = vec!["buildx", "imagetools", "create", "--metadata-file", "made.json"];
    names.iter().for_each(|name| words.extend(["-t", name.as_str()]));
    let source = registry.name("a:1");
    // Creates an index, or copies the image unchanged.
    for more in [&[][..], &["--prefer-index=false"]] {
        store.run(&[&words[..], more, &[&source]].concat()).ok();
        let facts: serde_json::Value =
            serde_json::from_slice(&std::fs::read(store.work().join("made.json")).unwrap()).unwrap();
        let manifest = registry.manifest("list", "2").unwrap();
        let descriptor = &facts["containerimage.descriptor"];
        assert_eq!(descriptor["digest"], rbuild::base::digest::BlobDigest::of(&manifest).to_string());
        assert_eq!(descriptor["size"], manifest.len());
        assert!(descriptor["mediaType"].as_str().unwrap().starts_with(OCI), "{facts}");
        assert_eq!(facts["image.name"], format!("{},{}", registry.name("b"), registry.name("list")));
    }
    std::fs::remove_file(store.work().join("made.json")).unwrap();
    store.run(&[&words[..], &["--dry-run", &source]].concat()).ok();
    assert!(!store.work().join("made.json").exists(), "nothing was made");
}

#[test]
fn an_image_is_pushed_whole_though_it_is_removed_meanwhile() {
    let registry = TestRegistry::start();
    let store = Arc::new(TestStore::empty());
    let name = registry.name("made:1");
    store.write("ctx/file", "content");
    store.build_text("FROM scratch\nCOPY file /file\n", &["-t", &name]).ok();
    let (other, word, is_removed) = (store.clone(), name.clone(), AtomicBool::new(false));
    registry.set_gate(move |request| {
        if request.method == "POST" && !is_removed.swap(true, Ordering::Relaxed) {
            other.run(&["rmi", "-f", &word]).ok();
        }
        None
    });
    store.run(&["push", &name]).ok();
    assert_eq!(store.run(&["images", "-q"]).ok().stdout(), "");
    store.run(&["system", "check"]).ok();
    store.run(&["pull", "-q", &name]).ok();
    store.run(&["save", "-o", "saved.tar", &name]).ok();
}
