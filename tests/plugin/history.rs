//! The build history, and `docker buildx history`.

use std::io::Read as _;

use serde_json::Value;

use super::plugin;
use crate::common::TestStore;

/// There is no engine.
const HOST: &str = "unix:///nowhere.sock";

fn reference(store: &TestStore) -> String {
    let metadata: Value = serde_json::from_slice(&std::fs::read(store.work().join("meta.json")).unwrap()).unwrap();
    metadata["buildx.build.ref"].as_str().unwrap().to_owned()
}

#[test]
fn builds_are_listed_shown_exported_and_forgotten() {
    let Some(store) = TestStore::with_busybox() else { return };
    let run = |words: &[&str]| plugin(&store, HOST, &[&["buildx", "history"], words].concat());
    assert!(run(&["inspect"]).fails(1).stderr().contains("no build is remembered"));
    assert_eq!(run(&["ls", "--format", "json"]).ok().stdout(), "");
    store.write(
        "app/Dockerfile",
        "FROM busybox AS base\nARG WORD\nRUN echo said $WORD; printf no-end\nFROM base\nRUN test \"$WORD\" = good\n",
    );
    let build = |word: &str| {
        let argument = format!("WORD={word}");
        let words =
            ["buildx", "build", "--metadata-file", "meta.json", "--label", "a=b", "--build-arg", &argument, "app"];
        plugin(&store, HOST, &words)
    };
    build("good").ok();
    let first = reference(&store);
    build("good").ok();
    let second = reference(&store);
    build("bad").fails(1);

    let listed = run(&["ls", "--format", "json"]).ok().stdout();
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let texts = |key: &str| listed.iter().map(|build| build[key].to_string()).collect::<Vec<_>>();
    assert_eq!(texts("status"), [r#""Error""#, r#""Completed""#, r#""Completed""#]);
    assert_eq!(
        (texts("total_steps"), texts("cached_steps")),
        (vec!["3".into(); 3], vec!["1".into(), "3".into(), "1".into()])
    );
    assert_eq!((listed[1]["ref"].as_str(), listed[2]["ref"].as_str()), (Some(&*second), Some(&*first)));
    let table = run(&["ls", "--filter", "status=error"]).ok().stdout();
    assert!(table.starts_with("BUILD ID ") && table.lines().count() == 2 && table.contains(" app "), "{table}");

    let id = first.rsplit('/').next().unwrap();
    let shown = run(&["inspect", id]).ok().stdout();
    for part in ["Name:\t\tapp\n", "Build Steps:\t3/3 (33% cached)\n", "WORD\t\tgood\n", "a\t\tb\n", "RUN echo said"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let failed: Value = serde_json::from_str(&run(&["inspect", "--format", "json"]).ok().stdout()).unwrap();
    assert_eq!((&failed["Status"], &failed["NumCompletedSteps"]), (&"failed".into(), &2.into()));
    assert!(failed["Error"]["Message"].as_str().unwrap().contains("exit code: 1"), "{failed:#}");
    assert!(failed["Error"]["Name"].as_str().unwrap().contains("RUN test"), "{failed:#}");

    let logs = run(&["logs", id]).ok().stdout();
    assert!(logs.contains(" said good\n") && logs.contains(" no-end\n") && logs.contains("DONE"), "{logs}");
    assert!(run(&["logs", "^1"]).ok().stdout().matches("CACHED").count() >= 3);
    let raw = run(&["logs", "--progress", "rawjson", id]).ok().stdout();
    assert!(raw.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()) && raw.contains("\"logs\""));
    let spans: Value = serde_json::from_str(&run(&["trace", id]).ok().stdout()).unwrap();
    assert!(spans["data"][0]["spans"].as_array().unwrap().len() >= 3, "{spans:#}");

    run(&["export", "-o", "builds.dockerbuild", "--finalize", id, "^0"]).ok();
    let file = std::fs::File::open(store.work().join("builds.dockerbuild")).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut index = String::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().ends_with("index.json") {
            entry.read_to_string(&mut index).unwrap();
        }
    }
    let index: Value = serde_json::from_str(&index).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2);

    run(&["rm", id]).ok();
    assert!(run(&["inspect", id]).fails(1).stderr().contains(&format!("no build `{id}` is remembered")));
    assert!(run(&["inspect", "^9"]).fails(1).stderr().contains("`^9`"));
    run(&["rm", "--all"]).ok();
    assert!(run(&["logs"]).fails(1).stderr().contains("no build is remembered"));
    assert!(run(&["import"]).fails(1).stderr().contains("Docker Desktop"));
}

#[test]
fn no_secret_is_remembered() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("token", "sesame-4711\n");
    store.write("app/Dockerfile", "FROM busybox\nARG API_TOKEN\nRUN --mount=type=secret,id=t cat /run/secrets/t; echo x$API_TOKEN; head -c 3 /run/secrets/t; sleep 0.1; tail -c +4 /run/secrets/t\n");
    let words = ["buildx", "build", "--secret", "id=t,src=token", "--build-arg", "API_TOKEN=hidden-99", "app"];
    plugin(&store, HOST, &words).ok();
    let run = |words: &[&str]| plugin(&store, HOST, &[&["buildx", "history"], words].concat()).ok().stdout();
    let logs = run(&["logs"]);
    assert!(logs.contains(" ***\n") && logs.contains(" x***\n"), "{logs}");
    let mut all = logs + &run(&["inspect"]) + &run(&["inspect", "--format", "json"]);
    let history = store.root().join("history");
    for entry in walkdir::WalkDir::new(history).into_iter().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        all += &String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap());
    }
    assert!(!all.contains("4711") && !all.contains("hidden-99"), "{all}");
}

#[test]
fn a_log_that_broke_off_and_a_journal_with_rubbish_are_read_as_far_as_they_go() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("app/Dockerfile", "FROM busybox\nRUN echo first; echo second\n");
    plugin(&store, HOST, &["buildx", "build", "app"]).ok();
    let run = |words: &[&str]| plugin(&store, HOST, &[&["buildx", "history"], words].concat()).ok().stdout();
    let logs = store.root().join("history/logs");
    let log = std::fs::read_dir(&logs).unwrap().next().unwrap().unwrap().path();
    let length = std::fs::metadata(&log).unwrap().len();
    std::fs::File::options().write(true).open(&log).unwrap().set_len(length - 5).unwrap();
    assert!(run(&["logs"]).contains(" first\n"));
    let journal = store.root().join("history/journal");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, format!("{{\"half\n\n{text}rubbish\n")).unwrap();
    assert_eq!(run(&["ls", "--format", "{{.Name}}"]), "app\n");
    std::fs::remove_dir_all(&logs).unwrap();
    assert!(run(&["logs"]).contains("RUN echo first"));
}
