//! rbuild as docker's build plugin, with an engine in the test's process.

mod builders;
#[path = "../common/mod.rs"]
mod common;
mod engine;
mod failures;
#[path = "../support/git_http.rs"]
mod git_http;
mod git_server;
mod history;
mod integrations;
#[path = "../support/registry.rs"]
mod registry;
mod toolkit;
#[path = "../support/web.rs"]
mod web;

use std::process::Command;

use common::{Answer, TestStore};
use engine::TestEngine;

/// What docker executes: a link with that name to rbuild.
fn plugin(store: &TestStore, host: &str, arguments: &[&str]) -> Answer {
    Answer::of(plugin_command(store, host, arguments))
}

fn plugin_command(store: &TestStore, host: &str, arguments: &[&str]) -> Command {
    let link = store.work().join("docker-buildx");
    if !link.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rbuild"), &link).unwrap();
    }
    let mut command = Command::new(link);
    command.args(arguments).current_dir(store.work()).env("RBUILD_ROOT", store.root()).env("DOCKER_HOST", host);
    command.env("DOCKER_CONFIG", store.work().join("docker"));
    for variable in ["DOCKER_CONTEXT", "BUILDX_BUILDER", "BUILDX_CONFIG"] {
        command.env_remove(variable);
    }
    command
}

fn with_context() -> Option<TestStore> {
    let store = TestStore::loaded()?;
    store.write("ctx/Dockerfile", "FROM busybox\nCOPY large /large\nCOPY small /small\n");
    store.write("ctx/large", vec![b'x'; 100_000]);
    store.write("ctx/small", "1");
    Some(store)
}

#[test]
fn docker_is_told_what_the_plugin_is() {
    let store = TestStore::empty();
    let told = plugin(&store, "", &["docker-cli-plugin-metadata"]).ok().stdout();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["SchemaVersion"], &told["Vendor"]), (&"0.1.0".into(), &"rbuild".into()));
    let version = plugin(&store, "", &["buildx", "version"]).ok().stdout();
    assert!(version.starts_with("github.com/docker/buildx v0.") && version.contains("rbuild"), "{version}");
    let help = plugin(&store, "", &["buildx", "build", "--help"]).ok().stdout();
    assert!(help.contains("docker buildx build [OPTIONS]"), "{help}");
}

#[test]
fn the_result_goes_to_the_engine_and_only_what_it_has_not() {
    let Some(store) = with_context() else { return };
    let engine = TestEngine::start();
    let build = |tag: &str| plugin(&store, &engine.host, &["buildx", "build", "-q", "-t", tag, "ctx"]).ok().stdout();
    let id = build("app:1");
    assert_eq!(engine.names(id.trim()), ["app:1"]);
    assert_eq!(engine.sent(), [3], "all layers, for the engine had none");
    assert_eq!(store.run(&["images", "-q", "app"]).ok().stdout(), "", "it is not in rbuild's store");

    // The same image under another name is not sent at all.
    assert_eq!(build("app:2"), id);
    assert_eq!((engine.names(id.trim()), engine.sent()), (vec!["app:1".to_owned(), "app:2".to_owned()], vec![3]));

    store.write("ctx/small", "2");
    let changed = build("app:1");
    assert_ne!(changed, id);
    assert_eq!((engine.names(changed.trim()), engine.sent()), (vec!["app:1".to_owned()], vec![3, 1]));
    assert_eq!(engine.names(id.trim()), ["app:2"]);

    store.write("ctx/small", "3");
    let words = ["buildx", "build", "--progress", "rawjson", "-t", "app:3", "ctx"];
    let told = plugin(&store, &engine.host, &words).ok().stderr();
    let told = told.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let statuses = told.flat_map(|status| status["statuses"].as_array().cloned().unwrap_or_default());
    let bytes =
        statuses.filter(|status| status["id"] == "sending tarball").filter_map(|status| status["current"].as_u64());
    let bytes: Vec<u64> = bytes.collect();
    assert!(bytes.last().is_some_and(|bytes| *bytes > 512) && bytes.is_sorted(), "{bytes:?}");
}

#[test]
fn an_engine_that_has_lost_a_layer_gets_the_whole_image() {
    let Some(store) = with_context() else { return };
    let engine = TestEngine::start();
    plugin(&store, &engine.host, &["buildx", "build", "-t", "app", "ctx"]).ok();
    engine.lose_layers();
    store.write("ctx/small", "2");
    plugin(&store, &engine.host, &["buildx", "build", "-t", "app", "ctx"]).ok();
    assert_eq!(engine.sent(), [3, 1, 3]);
}

#[test]
fn an_engine_with_containerds_store_gets_only_the_blobs_that_it_has_not() {
    let Some(store) = with_context() else { return };
    let engine = TestEngine::of_containerd();
    let build = |words: &[&str]| plugin(&store, &engine.host, &[&["buildx", "build"], words, &["ctx"]].concat()).ok();
    build(&["-t", "app:1"]);
    assert!(build(&["-t", "app:2"]).stderr().contains("the engine has the image already"));
    assert_eq!(engine.sent(), [3]);
    store.write("ctx/small", "2");
    assert!(build(&["-t", "app:1"]).stderr().contains("1 of 3 layers sent, "));
    assert_eq!(engine.sent(), [3, 1]);
    // What it lost is sent again, with everything else.
    engine.lose_layers();
    store.write("ctx/small", "3");
    build(&["-t", "app:1"]);
    assert_eq!(engine.sent(), [3, 1, 1, 3]);
    // It accepts several platforms at once.
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY small /small\n");
    build(&["-t", "both", "--platform", "linux/amd64,linux/arm64"]);
    assert_eq!(engine.sent().len(), 5);
}

/// An engine that reads a part of an archive, and then closes the connection.
fn engine_that_stops() -> String {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap_or(0) > 0 {}
            let (status, body) = match head.split(' ').nth(1).unwrap_or_default() {
                "/_ping" => ("200 OK", "OK"),
                "/info" => ("200 OK", "{}"),
                path if path.starts_with("/images/load") => {
                    let _ = reader.read_exact(&mut [0; 10_000]);
                    continue;
                }
                _ => ("404 Not Found", "{}"),
            };
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        }
    });
    host
}

#[test]
fn an_engine_that_stops_in_the_middle_of_a_load_fails_the_build_and_nothing_else() {
    let Some(store) = with_context() else { return };
    store.write("ctx/large", vec![b'x'; 20_000_000]);
    let stopping = engine_that_stops();
    let said = plugin(&store, &stopping, &["buildx", "build", "-t", "app", "ctx"]).fails(1).stderr();
    assert!(said.contains(&format!("ERROR: the Docker Engine at {stopping} ")), "{said}");
    // The result is kept: another engine gets it without executing a step.
    let engine = TestEngine::start();
    let built = plugin(&store, &engine.host, &["buildx", "build", "-t", "app", "ctx"]).ok();
    assert_eq!((built.executed(), engine.sent()), (Vec::<String>::new(), vec![3]));
}

#[test]
fn images_that_only_the_engine_has_are_bases() {
    let Some(store) = with_context() else { return };
    let engine = TestEngine::start();
    plugin(&store, &engine.host, &["buildx", "build", "-t", "only/here:1", "ctx"]).ok();
    let other = TestStore::empty();
    other.write("ctx/Dockerfile", "FROM only/here:1\nCOPY file /file\n");
    other.write("ctx/file", "content");
    plugin(&other, &engine.host, &["buildx", "build", "-t", "derived", "ctx"]).ok();
    assert_eq!(engine.sent(), [3, 1], "the base's layers stay where they are");
    assert_eq!(engine.given(), 1);
    // It is kept: the engine is only asked whether its name still refers to it.
    plugin(&other, &engine.host, &["buildx", "build", "-t", "derived", "ctx"]).ok();
    assert_eq!(engine.given(), 1);
}

#[test]
fn an_engine_that_refuses_is_quoted_and_the_build_fails() {
    let Some(store) = with_context() else { return };
    let engine = TestEngine::start();
    engine.refuse("no space left on device");
    let said = plugin(&store, &engine.host, &["buildx", "build", "-t", "app", "ctx"]).fails(1).stderr();
    assert!(said.contains(&format!("the Docker Engine at {} refuses: no space left on device", engine.host)), "{said}");
}

#[test]
fn where_no_engine_answers_the_store_keeps_the_result() {
    let Some(store) = with_context() else { return };
    let nowhere = format!("unix://{}", store.work().join("no.sock").display());
    let said = plugin(&store, &nowhere, &["buildx", "build", "-t", "app", "ctx"]).ok().stderr();
    assert!(said.contains("does not answer") && said.contains("stays in rbuild's store"), "{said}");
    assert_ne!(store.run(&["images", "-q", "app"]).ok().stdout(), "");
    for (host, reason) in [("tcp://", "it is tcp://HOST:PORT"), ("ssh://user@host", "over ssh")] {
        let said = plugin(&store, host, &["buildx", "build", "ctx"]).fails(1).stderr();
        assert!(said.contains(reason), "{said}");
    }
    let context = ["--context", "nope", "buildx", "build", "ctx"];
    let said = plugin(&store, "", &context).fails(1).stderr();
    assert!(said.contains("there is no context `nope`"), "{said}");
}

#[test]
fn other_places_than_the_engine_are_as_they_were() {
    let Some(store) = with_context() else { return };
    let engine = TestEngine::start();
    plugin(&store, &engine.host, &["buildx", "build", "-o", "type=oci,dest=image.tar", "ctx"]).ok();
    assert!(engine.sent().is_empty() && store.work().join("image.tar").exists());
    let both = ["buildx", "build", "-t", "app", "-o", "type=tar,dest=files.tar", "--load", "ctx"];
    plugin(&store, &engine.host, &both).ok();
    assert!(engine.sent() == [3] && store.work().join("files.tar").exists());
}

#[test]
fn it_is_installed_beside_another_plugin_which_comes_back() {
    let store = TestStore::empty();
    let run = |words: &[&str]| {
        let mut command = store.command(words);
        command.env("DOCKER_CONFIG", store.work().join("docker")).env("DOCKER_HOST", "unix:///nowhere.sock");
        Answer::of(command)
    };
    let link = store.work().join("docker/cli-plugins/docker-buildx");
    let content = || std::fs::read_to_string(&link).unwrap_or_default();
    assert!(run(&["docker-plugin", "uninstall"]).fails(1).stderr().contains("there is no plugin"));
    store.write("docker/cli-plugins/docker-buildx", "another");
    run(&["docker-plugin", "install"]).ok();
    run(&["docker-plugin", "install"]).ok();
    assert_eq!(std::fs::read_link(&link).unwrap(), std::path::Path::new(env!("CARGO_BIN_EXE_rbuild")));
    let status = run(&["docker-plugin", "status"]).ok().stdout();
    assert!(status.contains("docker uses it") && status.contains("Results stay in rbuild's store"), "{status}");
    run(&["docker-plugin", "uninstall"]).ok();
    assert_eq!(content(), "another");
    assert!(run(&["docker-plugin", "uninstall"]).fails(1).stderr().contains("is not rbuild"));
    assert_eq!(content(), "another");
}
