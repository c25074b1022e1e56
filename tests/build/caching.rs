//! What a second build executes, and why.

use std::time::{Duration, SystemTime};

use crate::common::{Answer, TestStore};

const DOCKERFILE: &str = "\
FROM busybox
RUN echo first > /first
COPY a.txt /a.txt
RUN cat /a.txt > /copy
COPY b.txt /b.txt
RUN cat /b.txt
";

const STEPS: [&str; 5] =
    ["RUN echo first > /first", "COPY a.txt /a.txt", "RUN cat /a.txt > /copy", "COPY b.txt /b.txt", "RUN cat /b.txt"];

/// A store in which the Dockerfile above was built once.
fn built() -> Option<(TestStore, Answer)> {
    let store = TestStore::with_busybox()?;
    store.write("ctx/a.txt", "alpha\n");
    store.write("ctx/b.txt", "bravo\n");
    let answer = store.build_text(DOCKERFILE, &["-t", "cached"]).ok();
    Some((store, answer))
}

#[test]
fn a_second_build_executes_nothing() {
    let Some((store, first)) = built() else { return };
    assert_eq!(first.executed(), STEPS);
    let second = store.build(&[]).ok();
    assert_eq!(second.executed(), [""; 0]);
    assert_eq!(second.cached(), STEPS);
}

#[test]
fn the_same_build_makes_the_same_image() {
    let Some((store, _)) = built() else { return };
    let id = |arguments: &[&str]| store.build(arguments).ok().stdout();
    assert_eq!(id(&["-q"]), id(&["-q"]));
}

#[test]
fn a_changed_file_rebuilds_from_the_copy_that_takes_it() {
    let Some((store, _)) = built() else { return };
    store.write("ctx/b.txt", "another\n");
    let second = store.build(&[]).ok();
    assert_eq!(second.cached(), STEPS[..3]);
    assert_eq!(second.executed(), STEPS[3..]);
    assert!(second.stderr().contains("another"));
}

#[test]
fn a_change_that_keeps_size_and_mtime_is_seen() {
    let Some((store, _)) = built() else { return };
    let path = store.work().join("ctx/b.txt");
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    store.write("ctx/b.txt", "BRAVO\n");
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    let second = store.build(&[]).ok();
    assert_eq!(second.executed(), STEPS[3..]);
    assert!(second.stderr().contains("BRAVO"));
}

#[test]
fn a_touched_file_is_no_change() {
    let Some((store, _)) = built() else { return };
    for path in ["ctx/a.txt", "ctx/b.txt"] {
        let file = std::fs::File::options().write(true).open(store.work().join(path)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(5000)).unwrap();
    }
    assert_eq!(store.build(&[]).ok().executed(), [""; 0]);
}

#[test]
fn a_file_that_no_copy_takes_is_no_change() {
    let Some((store, _)) = built() else { return };
    store.write("ctx/c.txt", "not used");
    assert_eq!(store.build(&[]).ok().executed(), [""; 0]);
}

#[cfg(unix)]
#[test]
fn a_changed_mode_is_a_change() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some((store, _)) = built() else { return };
    let path = store.work().join("ctx/b.txt");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(store.build(&[]).ok().executed(), STEPS[3..]);
}

#[test]
fn a_rebuilt_step_with_the_same_result_leaves_what_follows_cached() {
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = |flag: &str| format!("FROM busybox\nRUN {flag} mkdir /made\nRUN echo after > /after\n");
    store.build_text(&dockerfile(": one;"), &[]).ok();
    let second = store.build_text(&dockerfile(": two;"), &[]).ok();
    assert_eq!(second.executed(), ["RUN : two; mkdir /made"]);
    assert_eq!(second.cached(), ["RUN echo after > /after"]);
}

#[test]
fn no_cache_executes_everything_again() {
    let Some((store, _)) = built() else { return };
    let second = store.build(&["--no-cache"]).ok();
    assert_eq!(second.executed(), STEPS);
    assert_eq!(store.build(&[]).ok().executed(), [""; 0]);
}

#[test]
fn an_arg_that_is_used_decides_and_one_that_is_not_does_not() {
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = "FROM busybox\nRUN echo before > /before\nARG WORD=none\nRUN echo $WORD > /word\n";
    store.build_text(dockerfile, &["--build-arg", "WORD=one"]).ok();
    let other = store.build(&["--build-arg", "WORD=two"]).ok();
    assert_eq!(other.cached(), ["RUN echo before > /before"]);
    assert_eq!(other.executed(), ["RUN echo $WORD > /word"]);
    assert_eq!(store.build(&["--build-arg", "WORD=one"]).ok().executed(), [""; 0]);
}

#[test]
fn an_ignored_file_is_not_seen() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/.dockerignore", "*.log\n");
    store.write("ctx/kept", "kept");
    store.write("ctx/noise.log", "1");
    store.build_text("FROM busybox\nCOPY . /src/\nRUN ls /src\n", &[]).ok();
    store.write("ctx/noise.log", "2 changed");
    store.write("ctx/more.log", "3");
    assert_eq!(store.build(&[]).ok().executed(), [""; 0]);
}

/// The digests of the image's layers.
fn layers(store: &TestStore) -> String {
    let answer = store.command(&["build", "-q", "-t", "tree", "ctx"]).env("SOURCE_DATE_EPOCH", "1000000000").output();
    Answer::from(answer.expect("rbuild can be started")).ok();
    store.run(&["image", "inspect", "--format", "{{json .RootFS.Layers}}", "tree"]).ok().stdout()
}

/// The number of names in each layer folder of the store, the largest last.
fn layer_folders(store: &TestStore) -> Vec<usize> {
    let folders = std::fs::read_dir(store.root().join("layers")).expect("layers are there").flatten();
    let mut counts: Vec<usize> =
        folders.map(|folder| walkdir::WalkDir::new(folder.path()).into_iter().count()).collect();
    counts.sort_unstable();
    counts
}

#[test]
fn a_layer_that_differs_little_has_only_what_differs() {
    let fill = |store: &TestStore| {
        let past = SystemTime::UNIX_EPOCH + Duration::from_secs(900_000_000);
        for number in 0..120 {
            let path = store.write(&format!("ctx/d{}/{number}", number % 4), format!("content {number}"));
            std::fs::File::open(path).and_then(|file| file.set_modified(past)).expect("a time can be set");
        }
        store.write("ctx/Dockerfile", "FROM scratch\nCOPY . /d/\n");
        store.write("ctx/.dockerignore", "Dockerfile\n.dockerignore\n");
    };
    let set_times = |store: &TestStore| {
        let past = SystemTime::UNIX_EPOCH + Duration::from_secs(900_000_000);
        for folder in 0..5 {
            let path = store.work().join(format!("ctx/d{folder}"));
            let _ = std::fs::File::open(path).and_then(|folder| folder.set_modified(past));
        }
    };
    let changed = |store: &TestStore| {
        store.write("ctx/d1/1", "CONTENT");
        store.write("ctx/d4/new", "new");
        for name in ["d1/1", "d4/new"] {
            let file = std::fs::File::open(store.work().join("ctx").join(name)).expect("it was written");
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(900_000_001)).expect("a time can be set");
        }
        set_times(store);
    };
    let store = TestStore::empty();
    fill(&store);
    set_times(&store);
    let first = layers(&store);
    changed(&store);
    let second = layers(&store);
    assert_ne!(first, second);
    let small = layer_folders(&store)[0];
    assert_eq!(small, 6, "the folder itself, d, d/d1, d/d1/1, d/d4 and d/d4/new");

    let clean = TestStore::empty();
    fill(&clean);
    changed(&clean);
    assert_eq!(layers(&clean), second, "as if it were the first build");
    let saved = |store: &TestStore| {
        let path = store.work().join("saved.tar");
        store.run(&["save", "-o", &path.display().to_string(), "tree"]).ok();
        std::fs::read(path).expect("it was saved")
    };
    assert!(saved(&store) == saved(&clean), "the same bytes");

    std::fs::remove_file(store.work().join("ctx/d0/4")).expect("it was written");
    std::fs::remove_file(clean.work().join("ctx/d0/4")).expect("it was written");
    set_times(&store);
    set_times(&clean);
    assert_eq!(layers(&store), layers(&clean), "what is gone is nowhere");

    // The first layer has no image and no record, but is the base of the second.
    store.run(&["build", "-q", "-t", "other", "--build-context", "x=ctx", "ctx"]).ok();
    store.run(&["builder", "prune", "-a", "-f"]).ok();
    assert_eq!(store.run(&["system", "check"]).ok().stdout(), "The store is in order.\n");
    let output = store.work().join("out");
    store.run(&["build", "-q", "-o", &format!("type=local,dest={}", output.display()), "ctx"]).ok();
    assert_eq!(std::fs::read_to_string(output.join("d/d1/1")).ok().as_deref(), Some("CONTENT"));
    store.run(&["rmi", "-f", "tree", "other"]).ok();
    store.run(&["image", "prune", "-a", "-f"]).ok();
    store.run(&["builder", "prune", "-a", "-f"]).ok();
    assert_eq!(layer_folders(&store), [0; 0], "nothing needs a layer, and none is left");
}

#[test]
fn files_that_did_not_change_are_linked_and_the_others_are_not() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let Some(store) = TestStore::loaded() else { return };
    let past = SystemTime::UNIX_EPOCH + Duration::from_secs(900_000_000);
    let set_time = |path: &std::path::Path, time| std::fs::File::open(path).and_then(|file| file.set_modified(time));
    let write = |store: &TestStore, number: usize, content: &str| {
        let path = store.write(&format!("ctx/d/{number}"), content);
        set_time(&path, past).expect("a time can be set");
        path
    };
    let fill = |store: &TestStore| {
        store.write("ctx/Dockerfile", "FROM busybox\nCOPY d /d\n");
        (0..100).map(|number| write(store, number, &format!("content {number}"))).collect::<Vec<_>>()
    };
    let change = |store: &TestStore, paths: &[std::path::PathBuf]| {
        write(store, 1, "CONTENT 1");
        std::fs::set_permissions(&paths[2], std::fs::Permissions::from_mode(0o755)).expect("a mode can be set");
        set_time(&paths[3], past + Duration::from_secs(60)).expect("a time can be set");
        std::fs::remove_file(&paths[4]).expect("a file can be removed");
        std::fs::remove_file(&paths[5]).expect("a file can be removed");
        std::fs::hard_link(&paths[6], &paths[5]).expect("a file can be linked");
    };
    let paths = fill(&store);
    let before = layers(&store);
    change(&store, &paths);
    let after = layers(&store);
    assert_ne!(before, after);

    let clean = TestStore::loaded().expect("it could be had before");
    let paths = fill(&clean);
    change(&clean, &paths);
    assert_eq!(layers(&clean), after, "as if it were the first build");

    let folders = std::fs::read_dir(store.root().join("layers")).expect("layers are there");
    let copies: Vec<_> = folders.flatten().map(|folder| folder.path().join("d")).filter(|path| path.exists()).collect();
    assert_eq!(copies.len(), 2);
    let inode = |folder: &std::path::Path, name: &str| folder.join(name).symlink_metadata().map(|data| data.ino()).ok();
    let shared = |name: &str| inode(&copies[0], name) == inode(&copies[1], name);
    assert_eq!(["0", "7", "99", "6"].map(shared), [true, true, true, false]);
    assert_eq!(["1", "2", "3", "4", "5"].map(shared), [false; 5]);
}

/// With `--no-cache` there is another image, as in docker, although its files are the same. A build from the cache
/// makes that image again.
#[test]
fn what_is_made_anew_is_another_image() {
    let Some(store) = TestStore::with_busybox() else { return };
    let build = |options: &[&str]| {
        let options = [&["-q"], options].concat();
        store.build_text("FROM busybox\nRUN echo same > /same\nLABEL a=b\n", &options).ok().stdout()
    };
    let first = build(&[]);
    assert_eq!(build(&[]), first);
    let second = build(&["--no-cache"]);
    let third = build(&["--no-cache"]);
    assert!(first != second && second != third && third != first, "{first}{second}{third}");
    assert_eq!(build(&[]), third);
    let layers = |id: &str| store.run(&["image", "inspect", "-f", "{{.RootFS.Layers}}", id.trim()]).ok().stdout();
    assert_eq!(layers(&first), layers(&third));
}
