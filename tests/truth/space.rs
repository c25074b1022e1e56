//! Disk usage, and how space is freed.

use std::path::Path;

use crate::common::{TestStore, wait_until};
use crate::registry::TestRegistry;

/// The store's size according to `du`, in bytes.
fn disk_usage(store: &TestStore) -> u64 {
    let output = std::process::Command::new("du").args(["-s", "-B1"]).arg(store.root()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).split_whitespace().next().unwrap().parse().unwrap()
}

fn built(store: &TestStore) {
    store.write("ctx/a.bin", vec![7; 3 << 20]);
    store.write("ctx/b.bin", vec![9; 2 << 20]);
    let text = "FROM busybox\nCOPY a.bin /a\nRUN --mount=type=cache,target=/c head -c 1000000 /dev/zero > /c/f\nCOPY b.bin /b\n";
    store.build_text(text, &["-t", "space"]).ok();
}

#[test]
fn the_cache_goes_and_images_stay() {
    let Some(store) = TestStore::with_busybox() else { return };
    built(&store);
    let before = disk_usage(&store);
    store.run(&["rmi", "space"]).ok();
    let said = store.run(&["builder", "prune", "-f"]).ok().stdout();
    assert!(said.starts_with("Deleted build cache objects:\n"), "{said}");
    assert!(said.contains("\nTotal:\t"), "{said}");
    let freed = before - disk_usage(&store);
    assert!(freed > 5 << 20, "{freed}");
    store.build_text("FROM busybox\nRUN true\n", &[]).ok();
    let check = store.run(&["system", "check"]).ok().stdout();
    assert_eq!(check, "The store is in order.\n");
}

#[test]
fn what_an_image_needs_is_kept_and_its_records_go_with_all() {
    let Some(store) = TestStore::with_busybox() else { return };
    built(&store);
    store.run(&["builder", "prune", "-f"]).ok();
    assert_eq!(store.build(&["-t", "space"]).ok().executed(), [""; 0]);
    store.run(&["builder", "prune", "-a", "-f"]).ok();
    let again = store.build(&[]).ok();
    assert_eq!(again.executed().len(), 3);
    assert!(
        again.stderr().contains("why: evicted: builder prune removed its result from the cache"),
        "{}",
        again.stderr()
    );
    store.run(&["run", "--rm", "--network", "none", "space", "ls", "/a", "/b"]).ok();
}

#[test]
fn filters_and_bounds_choose_what_goes() {
    let Some(store) = TestStore::with_busybox() else { return };
    built(&store);
    store.run(&["rmi", "space"]).ok();
    let said = store.run(&["builder", "prune", "-f", "--filter", "until=1h"]).ok().stdout();
    assert_eq!(said, "Total:\t0B\n");
    let said = store.run(&["builder", "prune", "-f", "--filter", "type=exec.cachemount"]).ok().stdout();
    assert!(said.contains("Total:\t1"), "{said}");
    store.run(&["builder", "prune", "-f", "--keep-storage", "1GB"]).ok();
    assert_eq!(store.build(&[]).ok().executed(), [""; 0]);
    store.run(&["image", "prune", "-f"]).ok();
    store.run(&["builder", "prune", "-f", "--max-used-space", "3.5MB"]).ok();
    let executed = store.build(&[]).ok().executed();
    assert!(!executed.is_empty() && executed.len() < 3, "{executed:?}");
    store.run(&["builder", "prune", "-f", "--filter", "nonsense=1"]).fails(1);
}

#[test]
fn images_are_pruned_by_name_label_and_age() {
    let Some(store) = TestStore::with_busybox() else { return };
    for (name, label) in [("one", "keep=yes"), ("two", "keep=no")] {
        store.build_text(&format!("FROM busybox\nRUN echo {name} > /n\n"), &["-t", name, "--label", label]).ok();
    }
    store.build_text("FROM busybox\nRUN echo three > /n\n", &["-t", "one"]).ok();
    let images = || store.run(&["images", "--format", "{{.Repository}}"]).ok().stdout();
    let said = store.run(&["image", "prune", "-f"]).ok().stdout();
    assert!(said.starts_with("Deleted Images:\ndeleted: sha256:"), "{said}");
    store.run(&["image", "prune", "-af", "--filter", "until=1h"]).ok();
    assert!(images().contains("two"));
    store.run(&["image", "prune", "-af", "--filter", "label!=keep"]).ok();
    assert_eq!(images(), "two\n");
    store.run(&["image", "prune", "-af", "--filter", "label=keep=yes"]).ok();
    assert_eq!(images(), "two\n");
    store.run(&["image", "prune", "-af", "--filter", "label=keep=no"]).ok();
    assert_eq!(images(), "");
}

#[test]
fn a_bound_of_the_store_is_kept_and_names_are_safe() {
    let Some(store) = TestStore::in_memory() else { return };
    let fill = |number: usize, tag: &[&str], limit: &str| {
        store.write("ctx/f", vec![number as u8; 2 << 20]);
        let mut arguments = vec!["--max-store", limit, "build"];
        arguments.extend_from_slice(tag);
        arguments.push("ctx");
        store.run(&arguments).ok();
    };
    store.write("ctx/Dockerfile", "FROM busybox\nCOPY f /f\n");
    fill(1, &["-t", "kept"], "16MB");
    for number in 2..10 {
        fill(number, &["-t", "moving"], "16MB");
    }
    // The build ends in the background.
    wait_until("the bound is kept", || disk_usage(&store) < 18 << 20);
    store.run(&["run", "--rm", "--network", "none", "kept", "ls", "/f"]).ok();
    store.run(&["run", "--rm", "--network", "none", "moving", "ls", "/f"]).ok();
    assert_eq!(store.run(&["system", "check"]).ok().stdout(), "The store is in order.\n");
}

#[test]
fn a_cache_mount_in_use_stays() {
    let Some(store) = TestStore::with_busybox() else { return };
    let text =
        "FROM busybox\nRUN --mount=type=cache,target=/c touch /c/mine; while [ ! -e /c/go ]; do sleep 0.05; done\n";
    store.write("ctx/Dockerfile", text);
    let mut build = store.command(&["build", "ctx"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    let data = || {
        let mut found = walkdir::WalkDir::new(store.root().join("caches")).into_iter().flatten();
        found.find(|entry| entry.file_name() == "mine").map(|entry| entry.into_path())
    };
    wait_until("the cache mount is in use", || data().is_some());
    store.run(&["builder", "prune", "-af"]).ok();
    let folder: &Path = &data().expect("it is in use");
    std::fs::write(folder.with_file_name("go"), "").unwrap();
    assert!(build.wait().unwrap().success());
    store.run(&["builder", "prune", "-af"]).ok();
    assert!(data().is_none());
}

/// A layer that was compressed for a push can be compressed again: the copy is cache, and the image stays.
#[test]
fn compressed_copies_go_and_come_again() {
    let Some(store) = TestStore::with_busybox() else { return };
    built(&store);
    let big = || {
        let blobs = std::fs::read_dir(store.root().join("blobs/sha256")).unwrap().flatten();
        blobs.filter(|blob| blob.metadata().unwrap().len() > 1000).count()
    };
    let registry = TestRegistry::start();
    let name = registry.name("space:1");
    let push = || {
        store.run(&["tag", "space", &name]).ok();
        let said = store.run(&["push", &name]).ok().stdout();
        said.split_whitespace()
            .find(|word| word.starts_with("sha256:"))
            .map(str::to_owned)
            .expect("push says the digest")
    };
    let before = big();
    let first = push();
    assert!(big() > before, "nothing was kept of what was compressed");
    let said = store.run(&["image", "prune", "-f"]).ok().stdout();
    assert!(big() > before, "the image may be pushed: {said}");
    let rows = store.run(&["system", "df", "-v"]).ok().stdout();
    assert!(rows.contains(" internal "), "{rows}");
    let said = store.run(&["builder", "prune", "-f"]).ok().stdout();
    assert_eq!(big(), before, "{said}");
    store.run(&["run", "--rm", "--network", "none", "space", "ls", "/a", "/b"]).ok();
    assert_eq!(push(), first, "compressed again, it has other bytes");
    assert!(big() > before);
    store.run(&["rmi", "space", &name]).ok();
    store.run(&["image", "prune", "-f"]).ok();
    assert_eq!(big(), before + 1, "nobody can push what has no name: only the base has its copy");
    // The base came as a blob: nothing else could restore it.
    store.run(&["save", "-o", "base.tar", "busybox"]).ok();
    assert_eq!(store.run(&["system", "check"]).ok().stdout(), "The store is in order.\n");
}

/// `12.3MB` as bytes.
fn bytes(text: &str) -> f64 {
    let digits = text.find(|c: char| c.is_alphabetic()).unwrap();
    let unit = ["B", "kB", "MB", "GB"].iter().position(|unit| *unit == &text[digits..]).unwrap();
    text[..digits].parse::<f64>().unwrap() * 1000f64.powi(unit as i32)
}

#[test]
fn what_is_shown_is_what_the_disk_has() {
    let Some(store) = TestStore::with_busybox() else { return };
    for number in 0..80 {
        store.write(&format!("ctx/many/f{number}"), vec![number; 9000]);
    }
    built(&store);
    let text = "FROM busybox\nCOPY many /m\n";
    store.build_text(text, &["-t", "linked"]).ok();
    store.write("ctx/many/f1", "changed");
    store.build_text(text, &["-t", "linked"]).ok();
    store.run(&["save", "-o", "saved.tar", "space"]).ok();
    let registry = TestRegistry::start();
    store.run(&["tag", "linked", &registry.name("linked:1")]).ok();
    store.run(&["push", &registry.name("linked:1")]).ok();
    let noise = "head -c 500000 /dev/zero > /z; head -c 700000 /dev/zero > /data/z; seq 1 30000";
    store.run(&["run", "--network", "none", "-v", "data:/data", "space", "sh", "-c", noise]).ok();
    // A build with much output.
    let log = store.root().join("history/logs/printed");
    std::fs::write(&log, vec![b'x'; 3_000_000]).unwrap();
    let rows = store.run(&["system", "df", "--format", "{{.Size}}"]).ok().stdout();
    let shown: f64 = rows.lines().map(bytes).sum();
    let real = disk_usage(&store) as f64;
    assert!((shown - real).abs() / real < 0.02, "{shown} {real}\n{rows}");
    std::fs::remove_file(log).unwrap();
    let verbose = store.run(&["system", "df", "-v"]).ok().stdout();
    assert!(verbose.contains("exec.cachemount") && verbose.contains("UNIQUE SIZE"), "{verbose}");
    let said = store.run(&["system", "prune", "-af"]).ok().stdout();
    assert!(said.contains("Deleted Images:\n") && said.contains("\ndeleted: sha256:"), "{said}");
    assert!(said.contains("Total reclaimed space: "), "{said}");
    assert!(disk_usage(&store) < 2_000_000, "{}", disk_usage(&store));
}
