//! The library of docker's GitHub actions, `@docker/actions-toolkit`, with the plugin as `docker buildx`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::with_context;
use crate::common::{Answer, TestStore, skip};
use crate::engine::TestEngine;
use crate::git_server::GitServer;

/// Where `.ci/run` installs it.
fn toolkit() -> Option<PathBuf> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/actions-toolkit");
    let named = std::env::var_os("RBUILD_ACTIONS_TOOLKIT").map_or(installed, PathBuf::from);
    let has_node = Command::new("node").arg("--version").output().is_ok_and(|answer| answer.status.success());
    if !has_node {
        skip("node is not there");
        return None;
    }
    if !named.join("node_modules/@docker/actions-toolkit/lib").is_dir() {
        // The package registry may be unavailable, which is not an error.
        eprintln!("skipped: @docker/actions-toolkit is not in `{}`; `.ci/run` installs it", named.display());
        return None;
    }
    Some(named)
}

/// Runs a part of `toolkit.mjs`, in which `docker buildx` is the plugin, called as by docker.
fn run(store: &TestStore, host: &str, part: &str, environment: &[(&str, &str)]) -> Option<Answer> {
    let toolkit = toolkit()?;
    let bin = store.work().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let plugin = bin.join("docker-buildx");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rbuild"), &plugin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rbuild"), bin.join("buildx")).unwrap();
    store.write("bin/docker", format!("#!/bin/sh\nexec '{}' \"$@\"\n", plugin.display()));
    rustix::fs::chmod(bin.join("docker"), rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
    let mut command = Command::new("node");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugin/toolkit.mjs");
    command.arg(script).arg(part).current_dir(store.work()).env("ACTIONS_TOOLKIT", toolkit);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", bin.display())).env("RUNNER_TEMP", store.work().join("runner"));
    command.env("RBUILD_ROOT", store.root()).env("DOCKER_HOST", host).env("DOCKER_CONFIG", store.work().join("docker"));
    for variable in ["DOCKER_CONTEXT", "BUILDX_BUILDER", "BUILDX_CONFIG"] {
        command.env_remove(variable);
    }
    command.envs(environment.iter().copied());
    Some(Answer::of(command))
}

#[test]
fn the_toolkit_finds_buildx_and_its_builders() {
    let store = TestStore::empty();
    if let Some(answer) = run(&store, "tcp://127.0.0.1:9", "builders", &[]) {
        answer.ok();
    }
}

#[test]
fn the_toolkit_reads_what_a_build_leaves() {
    let Some(store) = with_context() else { return };
    let engine = TestEngine::start();
    store.write("x", "token");
    store.write("lint/Dockerfile", "FROM scratch\nCOPY Dockerfile /\nMAINTAINER me\n");
    store.write(
        "docker-bake.json",
        r#"{"group": {"default": {"targets": ["a", "b"]}}, "target": {
        "a": {"context": "ctx", "tags": ["a:1"], "output": ["type=docker"]},
        "b": {"context": "ctx", "secret": ["id=GIT_AUTH_TOKEN,src=x"], "cache-from": ["type=local,src=c"]}}}"#,
    );
    if let Some(answer) = run(&store, &engine.host, "builds", &[]) {
        answer.ok();
    }
}

#[test]
fn the_default_context_of_build_push_action_is_fetched_with_its_token() {
    let Some(store) = TestStore::loaded() else { return };
    let Some(server) = GitServer::start(&store, "a-token") else { return };
    let environment = [
        ("GITHUB_SERVER_URL", server.url.as_str()),
        ("GITHUB_REPOSITORY", "owner/project"),
        ("GITHUB_REF", "refs/heads/main"),
        ("GITHUB_SHA", server.commit.as_str()),
    ];
    if let Some(answer) = run(&store, &TestEngine::start().host, "git", &environment) {
        answer.ok();
    }
}
