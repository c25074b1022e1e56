//! `--squash`: one layer on top of the base image's.

use std::os::unix::fs::MetadataExt as _;

use crate::common::TestStore;

const DOCKERFILE: &str = "FROM busybox AS base\n\
    RUN mkdir -p /data/gone /data/kept && echo old > /data/kept/file && echo x > /data/gone/a && echo x > /loose\n\
    FROM base\n\
    RUN rm -r /data/gone /loose && echo new > /data/kept/file && ln /data/kept/file /data/kept/second\n\
    RUN rm /bin/vi && mkdir /made && chmod 700 /made && ln -s kept /data/link\n\
    RUN rm -r /made && echo file > /made && rm -r /data/kept/second && mkdir /data/kept/second\n\
    ENV A=b\n";

fn layers(store: &TestStore, name: &str) -> Vec<String> {
    let text = store.run(&["inspect", "--format", "{{json .RootFS.Layers}}", name]).ok().stdout();
    serde_json::from_str(&text).unwrap()
}

/// The paths in a folder with their visible attributes.
fn listing(folder: &std::path::Path) -> Vec<String> {
    let walk = walkdir::WalkDir::new(folder).min_depth(1).sort_by_file_name().into_iter().map(Result::unwrap);
    walk.map(|entry| {
        let metadata = entry.path().symlink_metadata().unwrap();
        let content = if metadata.is_file() { metadata.len() } else { 0 };
        let path = entry.path().strip_prefix(folder).unwrap().display().to_string();
        format!("{path} {:o} {content} {}", metadata.mode(), if metadata.is_symlink() { 0 } else { metadata.mtime() })
    })
    .collect()
}

#[test]
fn a_squashed_image_has_the_same_files_in_one_layer() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.build_text(DOCKERFILE, &["-t", "whole", "-o", "type=image", "-o", "type=local,dest=whole"]).ok();
    store.build(&["-t", "squashed", "--squash", "-o", "type=image", "-o", "type=local,dest=squashed"]).ok();
    let (base, whole, squashed) = (layers(&store, "busybox"), layers(&store, "whole"), layers(&store, "squashed"));
    assert_eq!(whole.len(), base.len() + 4);
    assert_eq!(squashed.len(), base.len() + 1);
    assert_eq!(squashed[..base.len()], base);
    let (one, other) = (listing(&store.work().join("squashed")), listing(&store.work().join("whole")));
    let differences: Vec<_> = one.iter().zip(&other).filter(|(one, other)| one != other).collect();
    assert!(differences.is_empty() && one.len() == other.len(), "{differences:#?}");
    assert!(!store.work().join("squashed/bin/vi").exists() && store.work().join("squashed/made").is_file());
    let history =
        store.run(&["history", "--no-trunc", "--format", "{{.Comment}}|{{.CreatedBy}}", "squashed"]).ok().stdout();
    assert!(history.lines().next().unwrap().starts_with("create new from sha256:"), "{history}");
    assert!(history.contains("ENV A=b"), "{history}");
}

#[test]
fn squashing_again_gives_the_same_image_and_its_archive_loads() {
    let Some(store) = TestStore::with_busybox() else { return };
    let id = |arguments: &[&str]| {
        store.write("ctx/Dockerfile", DOCKERFILE);
        store.run(&[&["build", "-q", "--squash"], arguments, &["ctx"]].concat()).ok().stdout()
    };
    let first = id(&["-t", "squashed"]);
    assert_eq!(id(&["-t", "squashed"]), first);
    store.run(&["save", "-o", "image.tar", "squashed"]).ok();
    let other = TestStore::empty();
    other.run(&["load", "-i", &store.work().join("image.tar").display().to_string()]).ok();
    other.write("ctx/Dockerfile", "FROM squashed\nRUN test -f /made && test ! -e /data/gone && test ! -e /bin/vi\n");
    other.build(&[]).ok();
    assert_eq!(other.run(&["images", "-q", "--no-trunc", "squashed"]).ok().stdout(), first);
}
