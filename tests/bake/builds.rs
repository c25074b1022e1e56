//! Builds targets with shared steps, and with each other as contexts.

use crate::common::TestStore;

const BAKE: &str = r#"
group "default" { targets = ["app", "tool"] }
target "base" {
  dockerfile = "base.Dockerfile"
}
target "app" {
  contexts = { base = "target:base" }
  dockerfile-inline = <<-EOF
    FROM base
    COPY --from=base /shared /copied
    ENV OWN=app
  EOF
  tags = ["app:1"]
}
target "tool" {
  name = "tool-${kind}"
  matrix = { kind = ["a", "b"] }
  contexts = { base = "target:base" }
  dockerfile = "tool.Dockerfile"
  args = { KIND = kind }
  tags = ["tool:${kind}"]
}
"#;

fn project(store: &TestStore) {
    store.write("docker-bake.hcl", BAKE);
    store.write("shared", "same for all\n");
    store.write("base.Dockerfile", "FROM scratch\nCOPY shared /shared\nENV SHARED=1\nWORKDIR /here\n");
    store.write("tool.Dockerfile", "FROM base\nARG KIND\nLABEL kind=$KIND\n");
}

fn inspect(store: &TestStore, format: &str, name: &str) -> String {
    store.run(&["inspect", "--format", format, name]).ok().stdout().trim().to_owned()
}

#[test]
fn targets_are_contexts_of_others() {
    let store = TestStore::empty();
    project(&store);
    store.run(&["bake", "--progress", "plain", "--metadata-file", "facts.json"]).ok();
    assert!(inspect(&store, "{{json .Config.Env}}", "app:1").contains("SHARED=1"));
    let layers = |name: &str| inspect(&store, "{{index .RootFS.Layers 0}}", name);
    assert_eq!(layers("app:1"), layers("tool:a"));
    assert_eq!(inspect(&store, "{{.Config.WorkingDir}}", "app:1"), "/here");
    assert_eq!(inspect(&store, "{{index .Config.Labels \"kind\"}}", "tool:b"), "b");
    let facts: serde_json::Value =
        serde_json::from_slice(&std::fs::read(store.work().join("facts.json")).unwrap()).unwrap();
    let id = inspect(&store, "{{.Id}}", "tool:a");
    assert_eq!(facts["tool-a"]["containerimage.config.digest"], serde_json::json!(id), "{facts}");
    assert!(facts["app"]["image.name"].as_str().is_some_and(|name| name.contains("app:1")), "{facts}");
}

#[test]
fn a_linked_target_gets_no_name_and_a_second_build_is_the_same() {
    let store = TestStore::empty();
    project(&store);
    store.run(&["bake", "app"]).ok();
    let first = inspect(&store, "{{.Id}}", "app:1");
    store.run(&["bake", "app", "--set", "base.tags=secret:1"]).ok();
    assert_eq!(inspect(&store, "{{.Id}}", "app:1"), first);
    store.run(&["inspect", "secret:1"]).fails(1);
}

#[test]
fn outputs_go_where_they_are_set() {
    let store = TestStore::empty();
    project(&store);
    store.run(&["bake", "app", "--set", "*.output=type=local,dest=out"]).ok();
    assert_eq!(std::fs::read_to_string(store.work().join("out/copied")).unwrap(), "same for all\n");
    store.run(&["inspect", "app:1"]).fails(1);
    store.run(&["bake", "app", "--load", "--set", "app.output=type=oci,dest=out.tar"]).ok();
    assert!(store.work().join("out.tar").is_file());
    store.run(&["inspect", "app:1"]).ok();
}

#[test]
fn a_target_that_fails_is_named() {
    let store = TestStore::empty();
    store.write("docker-bake.hcl", "target \"app\" { dockerfile-inline = \"FROM scratch\\nCOPY nothing /\\n\" }\n");
    let said = store.run(&["bake", "app"]).fails(1).stderr();
    assert!(said.contains("target app") && said.contains("nothing"), "{said}");
}

#[test]
fn targets_are_checked_in_place_of_builds() {
    let store = TestStore::empty();
    project(&store);
    let said = store.run(&["bake", "--check", "tool"]).ok();
    let text = said.stdout() + &said.stderr();
    assert!(text.contains("tool-a") && text.contains("tool-b"), "{text}");
    store.run(&["inspect", "tool:a"]).fails(1);
}

#[test]
fn nothing_is_pushed_where_a_target_fails() {
    let store = TestStore::empty();
    // The registry does not answer; it is not even asked, because the other target cannot be built.
    store.write(
        "docker-bake.hcl",
        "group \"default\" { targets = [\"a\", \"z\"] }\n\
         target \"a\" {\n  dockerfile-inline = \"FROM scratch\\nCOPY docker-bake.hcl /\\n\"\n  tags = [\"127.0.0.1:1/a\"]\n}\n\
         target \"z\" {\n  dockerfile-inline = \"FROM scratch\\nCOPY nothing /\\n\"\n  tags = [\"127.0.0.1:1/z\"]\n}\n",
    );
    let said = store.run(&["bake", "--push"]).fails(1).stderr();
    assert!(said.contains("target z") && !said.contains("127.0.0.1:1/a"), "{said}");
}

#[test]
fn what_does_not_need_a_failed_target_is_built_on_wish() {
    let store = TestStore::empty();
    store.write(
        "docker-bake.hcl",
        "group \"default\" { targets = [\"a\", \"needs\", \"z\"] }\n\
         target \"a\" { dockerfile-inline = \"FROM scratch\\nCOPY nothing /\\n\" }\n\
         target \"needs\" {\n  contexts = { a = \"target:a\" }\n  dockerfile-inline = \"FROM a\\n\"\n}\n\
         target \"z\" {\n  dockerfile-inline = \"FROM scratch\\nCOPY docker-bake.hcl /\\n\"\n  tags = [\"z:1\"]\n}\n",
    );
    store.run(&["bake"]).fails(1);
    store.run(&["inspect", "z:1"]).fails(1);
    let said =
        store.run(&["bake", "--execution=defer-error", "-j2", "--metadata-file", "facts.json"]).fails(1).stderr();
    assert!(said.contains("2 of 3 targets failed: a, needs"), "{said}");
    store.run(&["inspect", "z:1"]).ok();
    let facts = std::fs::read_to_string(store.work().join("facts.json")).unwrap();
    assert!(facts.contains("\"z\"") && !facts.contains("\"a\""), "{facts}");
}

#[test]
fn checks_of_all_targets_are_one_object() {
    let store = TestStore::empty();
    project(&store);
    store.write("tool.Dockerfile", "from base\nARG KIND\nLABEL kind=$KIND\n");
    let answer = store.run(&["bake", "--call=check,format=json"]).fails(1);
    let all: serde_json::Value = serde_json::from_str(&answer.stdout()).unwrap();
    assert_eq!(all["group"]["default"]["targets"], serde_json::json!(["app", "tool"]));
    for name in ["tool-a", "tool-b"] {
        let target = &all["target"][name];
        assert_eq!(target["build"]["dockerfile"], "tool.Dockerfile", "{all:#}");
        assert!(target["check"]["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty()), "{all:#}");
    }
    assert_eq!(all["target"]["app"]["check"]["warnings"], serde_json::json!([]), "{all:#}");
    store.run(&["bake", "--call=check,format=json,ignorestatus=true"]).ok();
    let sarif = store.run(&["bake", "--call=check,format=sarif", "tool"]).stdout();
    let sarif: serde_json::Value = serde_json::from_str(&sarif).unwrap();
    assert_eq!(sarif["runs"].as_array().map(Vec::len), Some(3), "{sarif:#}");
    store.run(&["bake", "--call=chek"]).fails(1);
}

/// What failing targets do individually: extracting files from their steps, and reports.
const FAILING: &str = r#"
group "default" { targets = ["good", "one", "two"] }
target "good" { dockerfile-inline = "FROM busybox\nRUN echo fine\n" }
target "one" { dockerfile-inline = "FROM busybox\nRUN echo 1 > /log && echo a > /only && exit 1\n" }
target "two" { dockerfile-inline = "FROM busybox\nRUN mkdir /t && echo 2 > /log && echo b > /t/b.xml && exit 2\n" }
"#;

#[test]
fn files_of_failed_targets_and_reports_are_each_targets_own() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("docker-bake.hcl", FAILING);
    let wanted = ["--output-on-failure=/log=out", "--output-on-failure=/t/*.xml=out", "--report=reports/new"];
    let words = [&["bake", "--progress", "plain", "--execution", "defer-error"], &wanted[..]].concat();
    store.run(&words).fails(1);
    let read = |path: &str| std::fs::read_to_string(store.work().join(path)).unwrap_or_else(|_| panic!("{path}"));
    assert_eq!(
        (read("out/one/log"), read("out/two/log"), read("out/two/b.xml")),
        ("1\n".into(), "2\n".into(), "b\n".into())
    );
    assert!(!store.work().join("out/good").exists(), "it did not fail");
    for name in ["good", "one", "two"] {
        assert!(read(&format!("reports/new/{name}.html")).contains("<!doctype html>"), "{name}");
    }
    assert!(
        read("reports/new/one.html").contains("echo 1 \\u003e /log") || read("reports/new/one.html").contains("/only")
    );
    // If a report can't be written, a failed build reports that, and a successful one fails.
    store.write("file", "");
    let answer = store.run(&["bake", "good", "--report=file"]).fails(1);
    assert!(answer.stderr().contains("file"), "{}", answer.stderr());
    let answer = store.run(&["bake", "one", "--report=file"]).fails(1);
    assert!(answer.stderr().contains("warning: ") && answer.stderr().contains("exit code: 1"), "{}", answer.stderr());
}

#[test]
fn services_of_a_compose_file_are_targets_too() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("compose.yaml", "services:\n  my.web:\n    build: web\n  db:\n    image: none\n");
    store.write("web/Dockerfile", "FROM busybox\nRUN echo x > /log && exit 1\n");
    store.run(&["bake", "--output-on-failure=/log=out", "--report=reports"]).fails(1);
    assert_eq!(std::fs::read_to_string(store.work().join("out/my_web/log")).unwrap(), "x\n");
    assert!(store.work().join("reports/my_web.html").exists());
}
