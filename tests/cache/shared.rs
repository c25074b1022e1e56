//! One cache for several machines: folders, registries and buckets alike.

use crate::common::TestStore;
use crate::registry::TestRegistry;

/// Two stages, of which the first is not in the result, and a copy that depends on it.
pub const DOCKERFILE: &str = "\
FROM busybox AS tools
RUN echo tool > /tool
FROM busybox
WORKDIR /app
COPY --from=tools /tool /app/tool
COPY source /app/
RUN cat tool source > result
";

pub const STEPS: [&str; 5] = [
    "RUN echo tool > /tool",
    "WORKDIR /app",
    "COPY --from=tools /tool /app/tool",
    "COPY source /app/",
    "RUN cat tool source > result",
];

/// A machine with busybox and the build context, on which nothing was ever built.
pub fn machine() -> Option<TestStore> {
    let store = TestStore::with_busybox()?;
    store.write("ctx/source", "source\n");
    store.write("ctx/Dockerfile", DOCKERFILE);
    Some(store)
}

/// Sorts the words, because steps of two stages run in parallel.
pub fn sorted<T: Ord>(mut words: Vec<T>) -> Vec<T> {
    words.sort();
    words
}

/// A second machine executes nothing, and has the same image with the same files.
fn assert_shared(to: &[&str], from: &[&str]) {
    let (Some(first), Some(second)) = (machine(), machine()) else { return };
    let built = first.build(&[to, &["-t", "app"]].concat()).ok();
    assert_eq!(sorted(built.executed()), sorted(STEPS.to_vec()));
    let again = second.build(&[from, &["-t", "app"]].concat()).ok();
    assert_eq!(again.executed(), [""; 0], "{}", again.stderr());
    assert_eq!(sorted(again.cached()), sorted(STEPS.to_vec()));
    let id = |store: &TestStore| store.run(&["inspect", "--format", "{{.Id}}", "app"]).ok().stdout();
    assert_eq!(id(&first), id(&second));
    let shown = second.run(&["run", "--rm", "app", "cat", "/app/result"]).ok().stdout();
    assert_eq!(shown, "tool\nsource\n");
}

#[test]
fn a_folder() {
    for mode in ["min", "max"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache").display().to_string();
        assert_shared(
            &["--cache-to", &format!("type=local,dest={path},mode={mode}")],
            &["--cache-from", &format!("type=local,src={path}")],
        );
    }
}

#[test]
fn a_registry() {
    for (mode, compression) in [("min", "gzip"), ("max", "zstd"), ("max", "uncompressed")] {
        let registry = TestRegistry::start();
        let name = registry.name("ci/cache:main");
        assert_shared(
            &["--cache-to", &format!("type=registry,ref={name},mode={mode},compression={compression}")],
            &["--cache-from", &name],
        );
    }
}

#[test]
fn an_image_with_its_cache_in_it() {
    let (Some(first), Some(second)) = (machine(), machine()) else { return };
    let registry = TestRegistry::start();
    for to in [["--cache-to", "type=inline"], ["--build-arg", "BUILDKIT_INLINE_CACHE=1"]] {
        first.build(&[&to[..], &["-o", "type=oci,tar=false,dest=image"]].concat()).ok();
        registry.load_layout(&first.work().join("image"), "app", "1");
        let again = second.build(&["--cache-from", &registry.name("app:1"), "-t", "app"]).ok();
        assert_eq!(again.executed(), [""; 0], "{}", again.stderr());
        let shown = second.run(&["run", "--rm", "app", "cat", "/app/result"]).ok().stdout();
        assert_eq!(shown, "tool\nsource\n");
    }
}

#[test]
fn what_changed_is_executed_and_only_what_it_needs_is_fetched() {
    let (Some(first), Some(second)) = (machine(), machine()) else { return };
    let registry = TestRegistry::start();
    let name = registry.name("ci/cache:main");
    first.build(&["--cache-to", &format!("type=registry,ref={name},mode=max")]).ok();
    registry.forget();
    let unchanged = second.build(&["--cache-from", &name]).ok();
    assert_eq!(unchanged.executed(), [""; 0]);
    assert!(unchanged.stderr().contains(&format!("importing cache manifest from {name}")));
    assert_eq!(registry.count("GET", "/blobs/"), 1, "the list of records, and no layer");

    second.write("ctx/source", "changed\n");
    registry.forget();
    let changed = second.build(&["--cache-from", &name, "-t", "app"]).ok();
    assert_eq!(changed.executed(), STEPS[3..]);
    assert_eq!(registry.count("GET", "/blobs/"), 1 + 2, "the list, and the layers below the changed copy");
    let shown = second.run(&["run", "--rm", "app", "cat", "/app/result"]).ok().stdout();
    assert_eq!(shown, "tool\nchanged\n");
}

#[test]
fn with_mode_min_a_stage_that_is_looked_into_again_is_built_again() {
    let (Some(first), Some(second)) = (machine(), machine()) else { return };
    let registry = TestRegistry::start();
    let name = registry.name("ci/cache:main");
    first.build(&["--cache-to", &format!("type=registry,ref={name}")]).ok();
    let other = DOCKERFILE.replace("/app/tool", "/app/other").replace("cat tool", "cat other");
    let changed = second.build_text(&other, &["--cache-from", &name, "-t", "app"]).ok();
    assert!(changed.executed().contains(&STEPS[0].to_owned()), "{}", changed.stderr());
    let shown = second.run(&["run", "--rm", "app", "cat", "/app/result"]).ok().stdout();
    assert_eq!(shown, "tool\nsource\n");
}

#[test]
fn builders_that_share_a_name_keep_each_others_records() {
    let (Some(first), Some(second), Some(third)) = (machine(), machine(), machine()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let to = format!("type=local,dest={},mode=max", folder.path().display());
    let from = format!("type=local,src={}", folder.path().display());
    first.build(&["--cache-to", &to]).ok();
    second.write("ctx/source", "another\n");
    second.build(&["--cache-to", &to]).ok();
    assert_eq!(third.build(&["--cache-from", &from]).ok().executed(), [""; 0]);
    third.write("ctx/source", "another\n");
    assert_eq!(third.build(&["--cache-from", &from]).ok().executed(), [""; 0]);
}

#[test]
fn an_export_that_changes_nothing_writes_nothing() {
    let Some(store) = machine() else { return };
    let registry = TestRegistry::start();
    let name = registry.name("ci/cache:main");
    let to = format!("type=registry,ref={name},mode=max");
    store.build(&["--cache-to", &to]).ok();
    registry.forget();
    let again = store.build(&["--cache-to", &to, "--cache-from", &name]).ok();
    assert!(again.stderr().contains("exporting cache to registry"));
    assert_eq!(registry.count("PUT", "") + registry.count("POST", "") + registry.count("PATCH", ""), 0);
}

#[test]
fn an_image_is_not_written_over() {
    let Some(store) = machine() else { return };
    let registry = TestRegistry::start();
    store.build(&["-o", "type=oci,tar=false,dest=image"]).ok();
    registry.load_layout(&store.work().join("image"), "app", "1");
    let to = format!("type=registry,ref={}", registry.name("app:1"));
    let said = store.build(&["--cache-to", &to]).fails(1).stderr();
    assert!(said.contains("is an image; a cache needs a name of its own"), "{said}");
}
