//! Errors as docker's callers see them: docker's actions show the plugin's last line.

use serde_json::Value;

use super::{plugin, with_context};
use crate::common::Answer;
use crate::common::user::User;
use crate::engine::TestEngine;

fn last_line(answer: &Answer) -> String {
    answer.stderr().lines().last().unwrap_or_default().to_owned()
}

#[test]
fn the_last_line_is_the_error() {
    let Some(store) = with_context() else { return };
    store.write("ctx/bad", "FROM busybox\nRUN echo one; exit 3\n");
    store.write("ctx/none", "FROM localhost:1/none\n");
    store.write("docker-bake.hcl", "target \"default\" {\n  context = \"ctx\"\n  dockerfile = \"bad\"\n}\n");
    store.write("wrong.hcl", "target \"default\" {\n  tags = [uper(\"x\")]\n}\n");
    let host = TestEngine::start().host;
    for (words, parts, last) in [
        (
            &["build", "-f", "ctx/bad", "ctx"][..],
            &["\n  2 | RUN echo one; exit 3\n", "\n  > one\n"][..],
            "ERROR: ctx/bad:2:1: process \"/bin/sh -c echo one; exit 3\" did not complete successfully: exit code: 3",
        ),
        (&["build", "-f", "ctx/none", "ctx"], &["\nhint: check the registry"], "ERROR: ctx/none:1:6: localhost:1/none"),
        (&["build", "--sbom=true", "ctx"], &["hint: leave out"], "ERROR: --sbom=true: rbuild makes no attestations"),
        (&["bake"], &["\n  2 | RUN echo one"], "ERROR: target default: ctx/bad:2:1: process"),
        (&["bake", "-f", "wrong.hcl"], &["  2 |   tags = [uper(\"x\")]\n"], "ERROR: wrong.hcl:2:11: "),
    ] {
        let answer = plugin(&store, &host, &[&["buildx"], words].concat()).fails(1);
        let said = answer.stderr();
        assert!(last_line(&answer).starts_with(last), "{words:?}: {said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{words:?}: {said}");
        assert_eq!(said.matches("ERROR: ").count(), 1, "{words:?}: {said}");
    }
    // When rbuild itself is called, its output starts with the error, as always.
    let said = store.run(&["build", "-f", "ctx/bad", "ctx"]).fails(1).stderr();
    assert!(said.contains("\nerror: ctx/bad:2:1: process") && said.ends_with("  > one\n"), "{said}");
}

/// docker's actions find a failed build by its builder's files, and query the history for it.
#[test]
fn a_build_that_fails_is_found_by_its_builder() {
    let Some(store) = with_context() else { return };
    store.write("ctx/Dockerfile", "FROM busybox\nRUN exit 3\n");
    store.write("docker-bake.hcl", "target \"default\" { context = \"ctx\" }\n");
    let run = |words: &[&str]| plugin(&store, "tcp://127.0.0.1:9", &[&["buildx"], words].concat());
    run(&["create", "--name", "made", "--use"]).ok();
    let references = || -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(store.work().join("docker/buildx/refs/made/made0"));
        entries.map(|entries| entries.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
    };
    run(&["build", "--metadata-file", "facts.json", "ctx"]).fails(1);
    let found = references();
    let [first] = &found[..] else { panic!("{found:?}") };
    let origin: Value = serde_json::from_slice(&std::fs::read(first).unwrap()).unwrap();
    assert!(origin["LocalPath"].as_str().is_some_and(|path| path.ends_with("/ctx")), "{origin}");
    let id = first.file_name().unwrap().to_str().unwrap();
    let shown = run(&["history", "inspect", "--builder", "made", "--format", "json", id]).ok().stdout();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["Status"], "failed", "{shown}");
    assert!(!store.work().join("facts.json").exists());
    run(&["bake", "--metadata-file", "facts.json"]).fails(1);
    assert_eq!(references().len(), 2);
}

#[test]
fn that_a_result_goes_nowhere_is_said_of_builds_alone_and_once() {
    let Some(store) = with_context() else { return };
    store.write(
        "docker-bake.hcl",
        "group \"default\" { targets = [\"a\", \"b\", \"c\"] }\ntarget \"a\" { context = \"ctx\" }\n\
         target \"b\" { inherits = [\"a\"] }\ntarget \"c\" {\n  inherits = [\"a\"]\n  output = [\"type=cacheonly\"]\n}\n",
    );
    let run = |words: &[&str]| plugin(&store, "tcp://127.0.0.1:9", &[&["buildx"], words].concat()).ok().stderr();
    run(&["create", "--name", "made", "--use"]);
    let warning = "no output is asked for";
    for words in [&["build", "--check", "ctx"][..], &["build", "--call=outline", "ctx"], &["bake", "--check"]] {
        assert!(!run(words).contains(warning), "{words:?}");
    }
    assert!(run(&["build", "ctx"]).contains(warning));
    let said = run(&["bake"]);
    assert!(said.contains("targets a, b: no output is asked for with the builder `made`"), "{said}");
    assert_eq!(said.matches(warning).count(), 1, "{said}");
}

#[test]
fn a_folder_that_is_not_writable_is_named_and_left_as_it_is() {
    let Some(user) = User::with_one_id() else { return };
    let folder = user.home.path().join("docker");
    let plugins = folder.join("cli-plugins");
    std::fs::create_dir_all(&plugins).unwrap();
    let link = plugins.join("docker-buildx");
    std::fs::write(&link, "another").unwrap();
    let run = |words: &[&str]| {
        let mut command = user.command(words);
        command.env("DOCKER_CONFIG", &folder).env("DOCKER_HOST", "unix:///nowhere.sock");
        Answer::of(command)
    };
    // The folders belong to root, who runs the test.
    let said = run(&["docker-plugin", "install"]).fails(1).stderr();
    assert!(said.contains(&link.display().to_string()) && said.contains("Permission denied"), "{said}");
    let said = run(&["docker-plugin", "install", "--system"]).fails(1).stderr();
    assert!(said.contains("/usr/local/lib/docker") && said.contains("Permission denied"), "{said}");
    assert_eq!(std::fs::read_to_string(&link).unwrap(), "another");
    assert_eq!(std::fs::read_dir(&plugins).unwrap().count(), 1);
    // A folder that can't even be created.
    let said = {
        let mut command = user.command(&["docker-plugin", "install"]);
        command.env("DOCKER_CONFIG", "/proc/nowhere").env("DOCKER_HOST", "unix:///nowhere.sock");
        Answer::of(command).fails(1).stderr()
    };
    assert!(said.contains("/proc/nowhere/cli-plugins"), "{said}");
}

/// An engine that refuses layers it said it had gets the whole image; if it refuses that, too, its error is quoted.
#[test]
fn an_engine_that_has_lost_what_it_said_it_had_and_refuses_the_rest_is_quoted() {
    let Some(store) = with_context() else { return };
    let engine = TestEngine::start();
    let build = || plugin(&store, &engine.host, &["buildx", "build", "-t", "app", "ctx"]);
    build().ok();
    engine.lose_layers();
    engine.refuse("no space left on device");
    store.write("ctx/small", "2");
    let answer = build().fails(1);
    let last = last_line(&answer);
    assert!(last.starts_with("ERROR: ") && last.ends_with("no space left on device"), "{}", answer.stderr());
}
