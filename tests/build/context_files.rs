//! `context ls PATH`: what a build would send, and why; and the warning of a build that copies little of it.

use crate::common::TestStore;

fn project(store: &TestStore) {
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY app /\n");
    store.write("ctx/app", vec![b'a'; 2000]);
    store.write("ctx/.git/objects/pack", vec![b'g'; 9000]);
    store.write("ctx/web/node_modules/x/index.js", vec![b'n'; 5000]);
    store.write("ctx/logs/a.log", vec![b'l'; 300]);
    store.write("ctx/logs/keep.log", vec![b'k'; 30]);
    store.write("ctx/.dockerignore", "# nothing of these\n\nlogs/*.log\n!logs/keep.log\n");
}

fn rows(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[test]
fn files_are_listed_the_largest_first_with_the_line_that_decided() {
    let store = TestStore::empty();
    project(&store);
    let answer = store.run(&["context", "ls", "ctx"]).ok();
    let text = answer.stdout();
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(names[..4], ["PATH", ".git/objects/pack", "web/node_modules/x/index.js", "app"]);
    assert!(!answer.stdout().contains("a.log") && answer.stdout().contains("keep.log"), "{}", answer.stdout());
    assert!(answer.stdout().contains("1 file (300B) left out"), "{}", answer.stdout());
    for hint in ["hint: `.git` is 9kB in 1 file", "the line `.git` in", "the line `**/node_modules` in"] {
        assert!(answer.stderr().contains(hint), "{hint}: {}", answer.stderr());
    }
    let answer = store.run(&["context", "ls", "--why", "--format", "json", "ctx"]).ok();
    let rows = rows(&answer.stdout());
    let of = |path: &str| rows.iter().find(|row| row["Path"] == path).expect("it is listed");
    assert_eq!((&of("logs/a.log")["Line"], &of("logs/a.log")["Sent"]), (&3.into(), &false.into()));
    assert_eq!((&of("logs/keep.log")["Line"], &of("logs/keep.log")["Sent"]), (&4.into(), &true.into()));
    assert_eq!(of("logs/keep.log")["Pattern"], "!logs/keep.log");
    assert_eq!((&of("app")["Why"], &of("app")["Bytes"]), (&"no pattern matches".into(), &2000.into()));
}

#[test]
fn the_ignore_file_of_the_dockerfile_wins_and_folders_left_out_are_one_line() {
    let store = TestStore::empty();
    project(&store);
    store.write("ctx/docker/test.Dockerfile", "FROM scratch\n");
    store.write("ctx/docker/test.Dockerfile.dockerignore", "**/node_modules\n.git\n");
    let answer = store.run(&["context", "ls", "--why", "-f", "ctx/docker/test.Dockerfile", "ctx"]).ok();
    let line = answer.stdout().lines().find(|line| line.contains("web/node_modules/")).unwrap_or_default().to_owned();
    assert!(
        line.contains("5kB") && line.contains("false") && line.contains("test.Dockerfile.dockerignore:1:"),
        "{line}"
    );
    assert!(!answer.stderr().contains("hint"), "{}", answer.stderr());
    // There is a context even without a Dockerfile; but one that is named has to exist.
    store.write("bare/x", "x");
    store.run(&["context", "ls", "bare"]).ok();
    assert!(store.run(&["context", "ls", "-f", "none", "bare"]).fails(1).stderr().contains("none"));
    assert!(store.run(&["context", "ls", "missing"]).fails(1).stderr().contains("missing"));
}

#[test]
fn without_a_path_the_contexts_are_dockers() {
    let store = TestStore::empty();
    project(&store);
    assert!(store.run(&["context", "ls"]).ok().stdout().contains("default *"));
}

#[test]
fn a_build_that_copies_little_of_a_large_context_says_so_once() {
    let Some(store) = TestStore::loaded() else { return };
    store.write("ctx/Dockerfile", "FROM scratch AS a\nCOPY app /\nFROM scratch\nCOPY app /b\nCOPY --from=a / /\n");
    store.write("ctx/app", "app");
    let data = store.write("ctx/data/big", "");
    std::fs::File::options().write(true).open(&data).unwrap().set_len(150_000_000).unwrap();
    for _ in 0..2 {
        let answer = store.build(&[]).ok();
        assert_eq!(answer.stderr().matches("are copied by no instruction").count(), 1, "{}", answer.stderr());
        assert!(answer.stderr().contains("`data`"), "{}", answer.stderr());
    }
    store.write("ctx/.dockerignore", "data\n");
    assert!(!store.build(&[]).ok().stderr().contains("no instruction"));
    std::fs::File::options().write(true).open(&data).unwrap().set_len(1000).unwrap();
    std::fs::remove_file(store.work().join("ctx/.dockerignore")).unwrap();
    assert!(!store.build(&[]).ok().stderr().contains("no instruction"), "it is small");
}

#[test]
fn what_git_ignores_is_a_hint_with_the_line_that_leaves_it_out() {
    let store = TestStore::empty();
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY app /\n");
    store.write("ctx/app", "a");
    store.write("ctx/.gitignore", "*.log\n!keep.log\n/dist/\n.env\n");
    store.write("ctx/web/.gitignore", "*.map\n");
    store.write("ctx/dist/bundle", vec![b'd'; 4000]);
    store.write("ctx/deep/a.log", vec![b'l'; 300]);
    store.write("ctx/b.log", vec![b'l'; 200]);
    store.write("ctx/keep.log", "k");
    store.write("ctx/web/app.map", "m");
    store.write("ctx/.env", "secret");
    store.write("ctx/.dockerignore", ".gitignore\n.env\n");
    let answer = store.run(&["context", "ls", "ctx"]).ok();
    let hints = answer.stderr();
    for hint in [
        "hint: `/dist/` is 4kB in 1 file, ignored by git (.gitignore): the line `dist` in ",
        "hint: `*.log` is 500B in 2 files, ignored by git (.gitignore): the line `**/*.log` in ",
        "hint: `*.map` is 1B in 1 file, ignored by git (web/.gitignore): the line `web/**/*.map` in ",
    ] {
        assert!(hints.contains(hint), "{hint}: {hints}");
    }
    assert!(!hints.contains(".env`") && !hints.contains("keep"), "{hints}");
    store.write("ctx/.dockerignore", "dist\n**/*.log\nweb/**/*.map\n.env\n");
    let answer = store.run(&["context", "ls", "ctx"]).ok();
    assert!(!answer.stderr().contains("hint"), "{}", answer.stderr());
}
