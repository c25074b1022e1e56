//! The pipeline of the README, as it stands there.

use std::process::Command;

use crate::common::{Answer, TestStore, skip};
use crate::registry::TestRegistry;

#[test]
fn the_pipeline_of_the_readme_shares_its_cache() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    if !here.join("fixtures/busybox.tar.gz").exists() {
        return skip("there is no fixtures/busybox.tar.gz");
    }
    let readme = std::fs::read_to_string(here.join("README.md")).unwrap();
    let blocks = readme.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let pipeline = blocks.into_iter().find(|block| block.contains("--cache-to")).expect("the README has a pipeline");
    let registry = TestRegistry::start();
    let name = registry.name("team/cat");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_rbuild")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let run = || {
        let machine = TestStore::empty();
        let mut command = Command::new("sh");
        command.args(["-euc", pipeline]).current_dir(here);
        command
            .env("PATH", &path)
            .env("NAME", &name)
            .env("RBUILD_ROOT", machine.root())
            .env_remove("SOURCE_DATE_EPOCH");
        Answer::of(command).ok()
    };
    assert_eq!(run().executed().len(), 1);
    let image = registry.manifest("team/cat", "1.0").expect("it was pushed");
    registry.forget();
    let second = run();
    assert_eq!(second.executed(), [""; 0], "{}", second.stderr());
    assert_eq!(registry.manifest("team/cat", "1.0").unwrap(), image);
    assert_eq!(registry.count("GET", "/blobs/"), 2, "the list of records to read and to write, and no layer");
}
