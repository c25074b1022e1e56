//! Targets are built in parallel, with shared steps done once, and with one display.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::common::TestStore;

fn inspect(store: &TestStore, format: &str, name: &str) -> String {
    store.run(&["inspect", "--format", format, name]).ok().stdout().trim().to_owned()
}

/// Four targets based on a stage that creates a different layer each time.
fn with_shared_stage() -> Option<TestStore> {
    let store = TestStore::with_busybox()?;
    store.write(
        "docker-bake.hcl",
        "target \"default\" {\n  name = \"t${n}\"\n  matrix = { n = [1, 2, 3, 4] }\n  args = { N = n }\n  tags = [\"t:${n}\"]\n}\n",
    );
    store.write(
        "Dockerfile",
        "FROM busybox AS shared\nRUN cat /proc/sys/kernel/random/uuid > /id\n\
         FROM shared\nARG N\nCOPY part /part\nRUN echo $N > /own\n",
    );
    store.write("part", "of all\n");
    Some(store)
}

/// The objects of `--progress rawjson`.
fn objects(text: &str) -> Vec<Value> {
    text.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn vertexes(text: &str) -> Vec<Value> {
    objects(text).iter().filter_map(|object| object["vertexes"].as_array().cloned()).flatten().collect()
}

#[test]
fn a_shared_step_is_executed_once_without_a_cache_too() {
    let Some(store) = with_shared_stage() else { return };
    let mut before = BTreeSet::new();
    for _ in 0..2 {
        let said = store.run(&["bake", "--no-cache", "--progress", "rawjson"]).ok().stderr();
        let ended = vertexes(&said).into_iter().filter(|vertex| !vertex["completed"].is_null());
        let shared = ended.filter(|vertex| vertex["name"].as_str().is_some_and(|name| name.contains("random/uuid")));
        let cached: Vec<bool> = shared.map(|vertex| vertex["cached"] == Value::Bool(true)).collect();
        assert_eq!((cached.len(), cached.iter().filter(|cached| !**cached).count()), (4, 1), "{said}");
        let layers: BTreeSet<String> =
            (1..=4).map(|n| inspect(&store, "{{index .RootFS.Layers 1}}", &format!("t:{n}"))).collect();
        assert_eq!(layers.len(), 1, "one layer for all");
        assert!(layers.is_disjoint(&before), "it is made anew");
        before = layers;
    }
}

#[test]
fn vertexes_have_their_targets_names() {
    let Some(store) = with_shared_stage() else { return };
    let said = store.run(&["bake", "--progress", "rawjson", "t1", "t2"]).ok().stderr();
    let names: BTreeMap<String, String> = vertexes(&said)
        .iter()
        .map(|vertex| (vertex["digest"].as_str().unwrap().to_owned(), vertex["name"].as_str().unwrap().to_owned()))
        .collect();
    for target in ["t1", "t2"] {
        for name in ["shared 2/2] RUN cat /proc", "stage-1 1/2] COPY part /part", "stage-1 2/2] RUN echo"] {
            let wanted = format!("[{target} {name}");
            let found = names.values().filter(|known| known.starts_with(&wanted)).count();
            assert_eq!(found, 1, "{wanted}: {names:#?}");
        }
        assert!(names.values().any(|name| *name == format!("[{target}] exporting to image")), "{names:#?}");
    }
    for vertex in vertexes(&said) {
        let own = vertex["name"].as_str().unwrap()[1..3].to_owned();
        for input in vertex["inputs"].as_array().into_iter().flatten() {
            let input = &names[input.as_str().unwrap()];
            assert_eq!(input[1..3], own, "{input} is no step of {own}");
        }
    }
    // A single target has the same names as a build.
    let alone = store.run(&["bake", "--progress", "rawjson", "t1"]).ok().stderr();
    assert!(alone.contains("[stage-1 2/2] RUN") && !alone.contains("[t1"), "{alone}");
    let plain = store.run(&["bake", "--progress", "plain"]).ok().stderr();
    assert!(plain.contains("[t3 shared 2/2] RUN cat") && plain.contains("[t3] built t:3"), "{plain}");
}

const MEETING: &str = r#"
target "default" {
  name = n
  matrix = { n = ["a", "b"] }
  args = { OWN = n, OTHER = n == "a" ? "b" : "a" }
}
"#;

#[test]
fn targets_are_built_at_the_same_time() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("docker-bake.hcl", MEETING);
    // Each waits for the other.
    store.write(
        "Dockerfile",
        "FROM busybox\nARG OWN OTHER\nRUN --mount=type=cache,id=meeting,target=/c touch /c/$OWN; \
         for i in $(seq 600); do [ -e /c/$OTHER ] && exit 0; sleep 0.05; done; exit 1\n",
    );
    store.run(&["bake"]).ok();
}

#[test]
fn no_more_targets_are_built_at_once_than_are_allowed() {
    let Some(store) = with_shared_stage() else { return };
    // A folder can only be created by one at a time.
    store.write(
        "Dockerfile",
        "FROM busybox\nARG N\nRUN --mount=type=cache,id=one,target=/c mkdir /c/busy && echo $N > /own && sleep 0.1 && rmdir /c/busy\n",
    );
    store.run(&["bake", "-j", "1"]).ok();
    store.run(&["bake", "-j1", "--push", "--set", "*.tags=127.0.0.1:1/x", "--no-cache"]).fails(1);
    for wrong in ["0", "-1", "x"] {
        store.run(&["bake", "-j", wrong]).fails(125);
    }
}

#[test]
fn a_target_that_fails_stops_the_others() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("docker-bake.hcl", MEETING);
    store.write(
        "Dockerfile",
        "FROM busybox\nARG OWN\nRUN --mount=type=cache,id=stopping,target=/c if [ $OWN = a ]; then touch /c/begun; \
         sleep 1000; else until [ -e /c/begun ]; do sleep 0.05; done; exit 7; fi\n",
    );
    let said = store.run(&["bake", "--progress", "plain"]).fails(1).stderr();
    assert!(said.contains("error: target b: ") && said.contains("CANCELED"), "{said}");
    for line in ["[internal] target results", "a: aborted", "b: failed"] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

#[test]
fn what_is_written_into_anothers_context_waits_for_it() {
    let store = TestStore::empty();
    store.write(
        "docker-bake.hcl",
        "group \"default\" { targets = [\"a\", \"b\"] }\n\
         target \"a\" {\n  dockerfile-inline = \"FROM scratch\\nCOPY part /made\\n\"\n  output = [\"type=local,dest=out\"]\n}\n\
         target \"b\" {\n  contexts = { a = \"target:a\" }\n  dockerfile-inline = \"FROM a\\nCOPY . /all\\n\"\n  output = [\"type=local,dest=result\"]\n}\n",
    );
    store.write("part", "of both");
    // Target b reads the folder after a was built, and sees nothing of a's output there.
    store.run(&["bake"]).ok();
    assert!(store.work().join("out/made").is_file());
    assert!(store.work().join("result/all/part").is_file());
    assert!(!store.work().join("result/all/out").exists());
}

#[test]
fn a_context_is_walked_once_and_each_target_has_its_own_ignore_file() {
    let store = TestStore::empty();
    store.write(
        "docker-bake.hcl",
        "target \"default\" {\n  name = n\n  matrix = { n = [\"a\", \"b\", \"c\"] }\n  dockerfile = \"${n}.Dockerfile\"\n  output = [\"type=local,dest=out-${n}\"]\n}\n",
    );
    for name in ["a", "b", "c"] {
        store.write(&format!("{name}.Dockerfile"), "FROM scratch\nCOPY files /\n");
    }
    store.write("b.Dockerfile.dockerignore", "files/secret\n");
    store.write("files/secret", "s");
    store.write("files/open", "o");
    store.run(&["bake"]).ok();
    let has_secret = |name: &str| store.work().join(format!("out-{name}/secret")).exists();
    assert_eq!(["a", "b", "c"].map(has_secret), [true, false, true]);
    assert!(store.work().join("out-b/open").exists());
}
