//! Builders that scripts make, as docker/setup-buildx-action does.

use std::process::Command;

use serde_json::Value;

use super::{plugin, with_context};
use crate::common::{Answer, TestStore};
use crate::engine::TestEngine;

/// An engine that is not asked for anything.
const HOST: &str = "tcp://127.0.0.1:9";

/// The plugin with an additional variable.
fn with_variable(store: &TestStore, (name, value): (&str, &str), arguments: &[&str]) -> Answer {
    let mut command: Command = super::plugin_command(store, HOST, arguments);
    command.env(name, value);
    Answer::of(command)
}

#[test]
fn what_setup_buildx_does_works_and_is_true() {
    let store = TestStore::empty();
    let run = |words: &[&str]| plugin(&store, HOST, &[&["buildx"], words].concat());
    let flags = "--allow-insecure-entitlement security.insecure --allow-insecure-entitlement network.host";
    let made =
        run(&["create", "--name", "builder-1", "--driver", "docker-container", "--buildkitd-flags", flags, "--use"]);
    let made = made.ok();
    assert_eq!((made.stdout().as_str(), made.stderr().as_str()), ("builder-1\n", ""));
    let shown = run(&["inspect", "--bootstrap", "--builder", "builder-1"]).ok().stdout();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[..2], ["Name:          builder-1", "Driver:        docker-container"]);
    assert!(lines[2].starts_with("Last Activity: 20") && lines[2].ends_with("+0000 UTC"), "{shown}");
    assert_eq!(lines[3..6], ["", "Nodes:", "Name:                  builder-10"]);
    assert!(shown.contains("\nStatus:                running\n"), "{shown}");
    assert!(shown.contains(&format!("\nBuildKit daemon flags: {flags}\n")), "{shown}");
    assert!(shown.contains("\nBuildKit version:      rbuild ") && shown.contains("\nPlatforms:             linux/"));
    // It is the current one, even if none is named.
    assert_eq!(run(&["inspect"]).ok().stdout(), shown);
    assert_eq!(with_variable(&store, ("BUILDX_BUILDER", "builder-1"), &["inspect"]).ok().stdout(), shown);
    assert!(run(&["ls"]).ok().stdout().contains("builder-1*"));
    run(&["stop", "builder-1"]).ok();
    assert_eq!(run(&["rm", "builder-1", "--keep-state"]).ok().stderr(), "builder-1 removed\n");
    let gone = run(&["inspect", "builder-1"]).fails(1).stderr();
    assert!(gone.contains("ERROR: no builder `builder-1` found"), "{gone}");
    assert!(run(&["inspect"]).ok().stdout().starts_with("Name:   default\nDriver: docker\n"));
}

#[test]
fn builders_are_listed_chosen_and_kept_as_buildx_keeps_them() {
    let store = TestStore::empty();
    let run = |words: &[&str]| plugin(&store, HOST, &[&["buildx"], words].concat());
    let made_up = run(&["create"]).ok().stdout();
    assert!(made_up.trim().contains('_'), "{made_up}");
    store.write("settings.toml", "debug = true\n");
    let words = [
        "create",
        "--name",
        "Two",
        "--driver-opt",
        "network=host,default-load=true",
        "--platform",
        "linux/arm64",
        "--buildkitd-config",
        "settings.toml",
    ];
    let said = run(&words).ok();
    assert_eq!(said.stdout(), "two\n");
    assert_eq!(said.stderr().matches("without effect").count(), 1, "{}", said.stderr());
    let shown = run(&["inspect", "TWO"]).ok().stdout();
    assert!(shown.contains("Driver Options:        default-load=\"true\" network=\"host\"\n"), "{shown}");
    assert!(shown.contains("linux/arm64*") && shown.contains("File#buildkitd.toml:\n > debug = true\n"), "{shown}");

    let listed = run(&["ls", "--format", "json"]).ok().stdout();
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = listed.iter().map(|builder| builder["Name"].as_str().unwrap()).collect();
    assert_eq!(names, [made_up.trim(), "two", "default"]);
    assert_eq!(listed[1]["Nodes"][0]["DriverOpts"]["network"], "host");
    assert_eq!((&listed[1]["Current"], &listed[2]["Current"]), (&false.into(), &true.into()));
    let rows = run(&["ls", "--format", "{{.Name}} {{.DriverEndpoint}} {{.Status}}"]).ok().stdout();
    assert!(rows.contains("two docker-container \ntwo0 tcp://127.0.0.1:9 running\ndefault docker \n"), "{rows}");

    run(&["use", "two"]).ok();
    assert!(run(&["ls"]).ok().stdout().contains("two*"));
    // A choice only applies to the engine that was in use.
    let elsewhere = plugin(&store, "tcp://127.0.0.1:8", &["buildx", "inspect"]).ok().stdout();
    assert!(elsewhere.starts_with("Name:   default"), "{elsewhere}");
    run(&["use", "default"]).ok();
    assert!(run(&["ls"]).ok().stdout().contains("default*"));
    let file = store.work().join("docker/buildx/instances/two");
    let kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((&kept["Driver"], &kept["Nodes"][0]["Name"]), (&"docker-container".into(), &"two0".into()));

    let said = run(&["create", "--name", "two"]).fails(1).stderr();
    assert!(said.contains("there is a builder `two` already"), "{said}");
    run(&["create", "--name", "two", "--node", "two0"]).ok();
    assert!(
        run(&["create", "--append", "--name", "two", "--node", "b"]).fails(1).stderr().contains("one node, `two0`")
    );
    let said = run(&["rm", "nope", "two", "default"]).fails(1).stderr();
    assert!(
        said.contains("failed to remove nope: no builder `nope` found\ntwo removed\nfailed to remove default"),
        "{said}"
    );
}

#[test]
fn builders_of_other_machines_are_shown_and_not_built_with() {
    let Some(store) = with_context() else { return };
    store.write(
        "docker/buildx/instances/far",
        r#"{"Name":"far","Driver":"remote","Nodes":[{"Name":"far0","Endpoint":"tcp://far:1","Platforms":null}]}"#,
    );
    store.write("docker/buildx/instances/broken", "{");
    let run = |words: &[&str]| plugin(&store, HOST, &[&["buildx"], words].concat());
    assert!(run(&["inspect", "far"]).ok().stdout().contains("Status:    inactive"));
    for words in [["use", "far"].as_slice(), &["build", "--builder", "far", "ctx"]] {
        let said = run(words).fails(1).stderr();
        assert!(said.contains("driver `remote`: it is on another machine"), "{said}");
    }
    assert!(run(&["inspect", "broken"]).fails(1).stderr().contains("describes no builder"));
    assert!(run(&["inspect", "../far"]).fails(1).stderr().contains("invalid name"));
    let said = with_variable(&store, ("BUILDX_BUILDER", "nope"), &["build", "ctx"]).fails(1).stderr();
    assert!(said.contains("BUILDX_BUILDER: no builder `nope` found"), "{said}");
}

#[test]
fn with_a_builder_that_was_made_a_result_goes_where_it_is_asked_for() {
    let Some(store) = with_context() else { return };
    let engine = TestEngine::start();
    let run = |words: &[&str]| plugin(&store, &engine.host, &[&["buildx"], words].concat());
    run(&["create", "--name", "made", "--use"]).ok();
    let said = run(&["build", "-t", "app", "ctx"]).ok().stderr();
    assert!(said.contains("stays in the build cache") && engine.sent().is_empty(), "{said}");
    let said = run(&["build", "-t", "app", "--load", "ctx"]).ok().stderr();
    assert!(!said.contains("stays in the build cache") && engine.sent() == [3], "{said}");
    // `docker build` uses the engine's own builder, and reports that.
    let alone = |tag: &str| {
        let mut command = super::plugin_command(&store, &engine.host, &["buildx", "build", "-q", "-t", tag, "ctx"]);
        command.env("BUILDX_BUILDER", "default");
        Answer::of(command).ok().stdout()
    };
    let id = alone("other");
    assert_eq!(engine.names(id.trim()), ["app:latest", "other:latest"]);
    run(&["create", "--name", "loads", "--driver-opt", "default-load=true"]).ok();
    run(&["build", "--builder", "loads", "-t", "third", "ctx"]).ok();
    assert_eq!(engine.names(id.trim()).len(), 3);
}
