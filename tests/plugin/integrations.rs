//! What docs/integrations has to be copied, run as it stands there.

use std::path::Path;
use std::process::Command;

use super::with_context;
use crate::common::{Answer, TestStore};
use crate::engine::TestEngine;
use crate::registry::TestRegistry;

/// The first block in that language whose first line is `# NAME`, or that begins with `line`.
fn block(page: &str, language: &str, begins: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/integrations").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let mut blocks = text.split("```").skip(1).step_by(2);
    let found = blocks
        .find_map(|block| block.strip_prefix(language)?.strip_prefix('\n').filter(|text| text.starts_with(begins)));
    found.unwrap_or_else(|| panic!("no {begins} in {page}")).to_owned()
}

/// A shell in which `docker` executes the plugin for that engine, and `rbuild` is rbuild.
fn shell(store: &TestStore, host: &str, script: &str, environment: &[(&str, &str)]) -> Answer {
    let bin = store.work().join("bin");
    if !bin.exists() {
        std::fs::create_dir(&bin).unwrap();
        for name in ["rbuild", "docker-buildx"] {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rbuild"), bin.join(name)).unwrap();
        }
        store.write(
            "bin/docker",
            format!("#!/bin/sh\nDOCKER_HOST={host} exec '{}' \"$@\"\n", bin.join("docker-buildx").display()),
        );
        rustix::fs::chmod(bin.join("docker"), rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
    }
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(store.work().join("ctx")).env("RBUILD_ROOT", store.root());
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", bin.display())).env("DOCKER_CONFIG", store.work().join("docker"));
    command.env("BUILDX_BUILDER", "").env("DOCKER_CONTEXT", "");
    command.env_remove("DOCKER_HOST").envs(environment.iter().copied());
    Answer::of(command)
}

#[test]
fn the_command_for_skaffold_loads_or_pushes() {
    let Some(store) = with_context() else { return };
    let (engine, registry) = (TestEngine::start(), TestRegistry::start());
    store.write("ctx/build.sh", block("skaffold-tilt.md", "sh", "# build.sh"));
    let environment =
        [("IMAGE", "app:1"), ("BUILD_CONTEXT", "."), ("PUSH_IMAGE", "false"), ("PLATFORMS", "linux/amd64")];
    shell(&store, &engine.host, "sh build.sh", &environment).ok();
    assert_eq!(engine.sent(), [3]);
    let image = registry.name("app:1");
    let environment = [("IMAGE", image.as_str()), ("BUILD_CONTEXT", "."), ("PUSH_IMAGE", "true")];
    shell(&store, &engine.host, "sh build.sh", &environment).ok();
    assert!(registry.manifest("app", "1").is_some());
}

#[test]
fn the_command_for_tilt_pushes() {
    let Some(store) = with_context() else { return };
    let registry = TestRegistry::start();
    let file = block("skaffold-tilt.md", "python", "# Tiltfile");
    let line = file.lines().find(|line| line.contains("EXPECTED_REF")).unwrap();
    let command = line.trim().trim_end_matches(',').trim_matches('\'').to_owned();
    let image = registry.name("app:tilt-build-1");
    shell(&store, "", &command, &[("EXPECTED_REF", &image)]).ok();
    assert!(registry.manifest("app", "tilt-build-1").is_some());
}
