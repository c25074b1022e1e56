//! The pipeline in the README, copied from there.

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
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_rbuild")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let run = || {
        let machine = TestStore::empty();
        let mut command = Command::new("sh");
        command.args(["-euc", pipeline]).current_dir(here);
        command
            .env("PATH", &path)
            .env("REGISTRY", &registry.address)
            .env("COMMIT", "abc1234")
            .env("RBUILD_ROOT", machine.root())
            .env_remove("REGISTRY_PASSWORD")
            .env_remove("SOURCE_DATE_EPOCH");
        Answer::of(command).ok()
    };
    let first = run();
    assert_eq!(first.executed().len(), 1);
    let image = registry.manifest("team/cat", "abc1234").expect("it was pushed");
    assert_eq!(registry.manifest("team/cat", "latest").as_ref(), Some(&image));
    let digest = rbuild::base::digest::BlobDigest::of(&image);
    assert_eq!(first.stdout().lines().last(), Some(format!("{}@{digest}", registry.name("team/cat")).as_str()));
    registry.forget();
    let second = run();
    assert_eq!(second.executed(), [""; 0], "{}", second.stderr());
    assert_eq!(registry.manifest("team/cat", "latest").unwrap(), image);
    let fetched: Vec<String> = registry
        .requests()
        .iter()
        .filter(|request| request.method == "GET")
        .map(|request| request.path.clone())
        .collect();
    let blobs = fetched.iter().filter(|path| path.contains("/cat/cache/blobs/")).count();
    assert_eq!(blobs, 2, "the list of records to read and to write, and no layer: {fetched:?}");
}
