//! The programs in `examples/`, which use rbuild as a library. `cargo test` builds them with the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Answer, TestStore, is_root, skip};

fn example(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_BIN_EXE_rbuild")).with_file_name("examples").join(name);
    if !path.exists() {
        skip(&format!("{} was not built: cargo build --examples", path.display()));
        return None;
    }
    Some(path)
}

#[test]
fn an_image_is_built_and_run() {
    if !is_root() {
        return skip("without rbuild's command line only root has the rights for it");
    }
    let Some(store) = TestStore::with_busybox() else { return };
    let (Some(build), Some(run)) = (example("build_image"), example("run_container")) else { return };
    store.write("ctx/Dockerfile", "FROM busybox\nRUN echo made > /file\n");
    let root = store.root().display().to_string();
    let asked = |program: &Path, words: &[&str]| {
        let mut command = Command::new(program);
        command.arg(&root).args(words).current_dir(store.work());
        Answer::of(command)
    };
    asked(&build, &["ctx", "own"]).ok();
    let answer = asked(&run, &["own", "sh", "-c", "cat /file; echo wrong >&2; exit 3"]).fails(3);
    assert_eq!((answer.stdout().as_str(), answer.stderr().as_str()), ("made\n", "wrong\n"));
    assert_eq!(store.run(&["ps", "-aq"]).ok().stdout(), "", "it was removed");
}
