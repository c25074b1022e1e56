//! The examples in docs/integrations, run as they are there.

use std::path::Path;
use std::process::Command;

use super::with_context;
use crate::common::{Answer, TestStore};
use crate::engine::TestEngine;
use crate::registry::TestRegistry;

/// The first block in that language whose first line is `# NAME`, or that starts with `line`.
fn block(page: &str, language: &str, begins: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/integrations").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let mut blocks = text.split("```").skip(1).step_by(2);
    let found = blocks
        .find_map(|block| block.strip_prefix(language)?.strip_prefix('\n').filter(|text| text.starts_with(begins)));
    found.unwrap_or_else(|| panic!("no {begins} in {page}")).to_owned()
}

/// A shell in which `docker` runs the plugin for that engine, and `rbuild` is rbuild.
fn shell(store: &TestStore, host: &str, script: &str, environment: &[(&str, &str)]) -> Answer {
    let bin = store.work().join("bin");
    if !bin.exists() {
        std::fs::create_dir(&bin).unwrap();
        for name in ["rbuild", "docker-buildx"] {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rbuild"), bin.join(name)).unwrap();
        }
        store.write(
            "bin/docker",
            format!("#!/bin/sh\nDOCKER_HOST=$ENGINE exec '{}' \"$@\"\n", bin.join("docker-buildx").display()),
        );
        rustix::fs::chmod(bin.join("docker"), rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
    }
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(store.work().join("ctx")).env("RBUILD_ROOT", store.root());
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", bin.display())).env("DOCKER_CONFIG", store.work().join("docker"));
    command.env("ENGINE", host).env("BUILDX_BUILDER", "").env("DOCKER_CONTEXT", "");
    command.env_remove("DOCKER_HOST").envs(environment.iter().copied());
    Answer::of(command)
}

/// The variables that Skaffold sets for a custom builder (`pkg/skaffold/build/custom/script.go`).
fn of_skaffold<'a>(image: &'a str, pushes: &'a str, platforms: &'a str, folder: &'a str) -> [(&'a str, &'a str); 7] {
    let (repository, tag) = image.rsplit_once(':').unwrap();
    [
        ("IMAGE", image),
        ("PUSH_IMAGE", pushes),
        ("BUILD_CONTEXT", folder),
        ("PLATFORMS", platforms),
        ("SKIP_TEST", "false"),
        ("IMAGE_REPO", repository),
        ("IMAGE_TAG", tag),
    ]
}

#[test]
fn the_command_for_skaffold_loads_or_pushes() {
    let Some(store) = with_context() else { return };
    let (engine, registry) = (TestEngine::start(), TestRegistry::start());
    store.write("ctx/build.sh", block("skaffold-tilt.md", "sh", "# build.sh"));
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY large small /\n");
    let folder = store.work().join("ctx").display().to_string();
    // With a cluster that shares the engine: `PLATFORMS` is empty, a list, or `all` for `--platform=all`.
    for (image, platforms) in [("app:1", ""), ("app:2", "linux/amd64"), ("app:3", "all")] {
        shell(&store, &engine.host, "sh build.sh", &of_skaffold(image, "false", platforms, &folder)).ok();
        assert!(engine.has(image), "the engine is asked for the image's ID: {image}");
    }
    assert_eq!(engine.sent(), [1]);
    for (tag, platforms) in [("1", ""), ("2", "linux/amd64,linux/arm64")] {
        let image = registry.name(&format!("app:{tag}"));
        shell(&store, "", "sh build.sh", &of_skaffold(&image, "true", platforms, &folder)).ok();
        let manifest = registry.manifest("app", tag).expect("the registry is asked for its digest");
        let is_index = String::from_utf8(manifest).unwrap().contains("\"manifests\"");
        assert_eq!(is_index, platforms.contains(','));
    }
    let environment = of_skaffold("app:4", "false", "no/such/platform/at/all", &folder);
    shell(&store, &engine.host, "sh build.sh", &environment).fails(1);
    assert!(!engine.has("app:4"));
}

/// How Skaffold calls docker with `useDockerCLI` or `useBuildkit` (`pkg/skaffold/build/docker/docker.go`).
#[test]
fn skaffolds_own_docker_builds_are_loaded() {
    let Some(store) = with_context() else { return };
    let engine = TestEngine::start();
    let folder = store.work().join("ctx").display().to_string();
    let words = format!("build {folder} --file {folder}/Dockerfile -t app:1 --build-arg A=b --force-rm --load");
    shell(&store, &engine.host, &format!("docker buildx {words}"), &[("DOCKER_BUILDKIT", "1")]).ok();
    assert!(engine.has("app:1"));
}

/// The command of a block of the page for Tilt.
fn tilts(begins: &str) -> String {
    let file = block("skaffold-tilt.md", "python", begins);
    let line = file.lines().find(|line| line.contains("EXPECTED_REF")).unwrap();
    let command = line.split('\'').find(|part| part.contains("EXPECTED_REF")).unwrap();
    command.to_owned()
}

#[test]
fn the_commands_for_tilt_push_and_load() {
    let Some(store) = with_context() else { return };
    let (engine, registry) = (TestEngine::start(), TestRegistry::start());
    // Tilt's variables (`internal/build/custom_builder.go`), with a registry of the cluster and without one.
    let image = registry.name("app:tilt-build-1");
    let variables = [
        ("EXPECTED_REF", image.as_str()),
        ("EXPECTED_IMAGE", "app"),
        ("EXPECTED_TAG", "tilt-build-1"),
        ("REGISTRY_HOST", registry.address.as_str()),
        ("EXPECTED_REGISTRY", registry.address.as_str()),
    ];
    shell(&store, "", &tilts("# Tiltfile\n"), &variables).ok();
    assert!(registry.manifest("app", "tilt-build-1").is_some());
    let variables = [("EXPECTED_REF", "app:tilt-build-2"), ("EXPECTED_IMAGE", "app"), ("EXPECTED_TAG", "tilt-build-2")];
    shell(&store, &engine.host, &tilts("# Tiltfile of a local"), &variables).ok();
    assert!(engine.has("app:tilt-build-2"), "the engine is asked for its ID, and given a second tag");
}
