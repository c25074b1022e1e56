//! Definitions in repositories, archives and behind URLs.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::{Answer, TestStore, skip};
use crate::web::{Reply, serve};

const BAKE: &str = r#"
group "default" { targets = ["app", "part"] }
target "app" {
  output = ["type=local,dest=out-app"]
}
target "part" {
  context = "./sub"
  contexts = { all = "." }
  output = ["type=local,dest=out-part"]
}
target "here" {
  context = BAKE_CMD_CONTEXT
  dockerfile-inline = "FROM scratch\nCOPY local /\n"
  output = ["type=local,dest=out-here"]
}
target "mixed" {
  dockerfile = "cwd://Dockerfile.local"
  output = ["type=local,dest=out-mixed"]
}
target "neither" { context = "cwd://." }
"#;

fn git(folder: &Path, words: &[&str]) {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"]);
    let output = command.args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A folder with the definition and what it builds.
fn tree(store: &TestStore, name: &str) -> std::path::PathBuf {
    let write = |path: &str, text: &str| store.write(&format!("{name}/{path}"), text);
    write("docker-bake.hcl", BAKE);
    write("Dockerfile", "FROM scratch\nCOPY top /\n");
    write("top", "t");
    write("sub/Dockerfile", "FROM scratch\nCOPY inner /\nCOPY --from=all top /of-all\n");
    write("sub/inner", "i");
    write("other/other.hcl", "target \"default\" { tags = [\"other:1\"] }\n");
    store.work().join(name)
}

/// The repository, as files for a web server; skips, with a reason, without git.
fn repository(store: &TestStore) -> Option<std::path::PathBuf> {
    if Command::new("git").arg("--version").output().is_err() {
        skip("there is no git");
        return None;
    }
    let folder = tree(store, "repository");
    git(&folder, &["init", "-q"]);
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "-qm", "x"]);
    git(store.work().as_path(), &["clone", "-q", "--bare", "repository", "bare.git"]);
    let bare = store.work().join("bare.git");
    git(&bare, &["update-server-info"]);
    std::fs::remove_dir_all(folder).unwrap();
    Some(bare)
}

/// Serves the folder below `/x.git`; if a token is required, only with it.
fn server(folder: std::path::PathBuf, token: Option<&'static str>) -> String {
    let address = serve(move |request| {
        if token.is_some_and(|token| request.header("authorization").is_none_or(|given| !given.contains(token))) {
            return Reply::new(401, "").with("WWW-Authenticate", "Basic realm=x");
        }
        match request.path.strip_prefix("/x.git/").map(|path| std::fs::read(folder.join(path))) {
            Some(Ok(bytes)) => Reply::new(200, bytes),
            _ => Reply::new(404, ""),
        }
    });
    format!("http://{address}/x.git")
}

fn has(store: &TestStore, path: &str) -> bool {
    store.work().join(path).is_file()
}

#[test]
fn a_repository_has_the_definition_and_the_contexts() {
    let store = TestStore::empty();
    let Some(bare) = repository(&store) else { return };
    let url = server(bare, None);
    store.write("local", "l");
    store.write("Dockerfile.local", "FROM scratch\nCOPY top /mixed\n");
    store.run(&["bake", &url]).ok();
    assert!(has(&store, "out-app/top") && has(&store, "out-part/inner") && has(&store, "out-part/of-all"));
    let printed = store.run(&["bake", "--print", &format!("{url}#main"), "part"]).ok().stdout();
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["target"]["part"]["context"], format!("{url}#main:sub"), "{printed}");
    assert_eq!(printed["target"]["part"]["contexts"]["all"], format!("{url}#main"), "{printed}");
    // Contexts and Dockerfiles of this machine are marked as such.
    store.run(&["bake", &url, "here", "mixed"]).ok();
    assert!(has(&store, "out-here/local") && has(&store, "out-mixed/mixed"));
    let said = store.run(&["bake", &url, "neither"]).fails(1).stderr();
    assert!(said.contains("reading a dockerfile for a remote build invocation"), "{said}");
}

#[test]
fn files_of_a_remote_definition_are_named_and_mixed_with_local_ones() {
    let store = TestStore::empty();
    let Some(bare) = repository(&store) else { return };
    let url = server(bare, None);
    store.write("more.hcl", "target \"app\" { tags = [\"more:1\"] }\n");
    let print = |words: &[&str]| -> Value {
        let answer = store.run(&[&["bake", "--print", &url], words].concat()).ok();
        serde_json::from_str(&answer.stdout()).unwrap()
    };
    let mixed = print(&["-f", "docker-bake.hcl", "-f", "cwd://more.hcl", "app"]);
    assert_eq!(mixed["target"]["app"]["tags"][0], "more:1", "{mixed}");
    assert_eq!(print(&["-f", "other/other.hcl"])["target"]["default"]["tags"][0], "other:1");
    let missing = store.run(&["bake", "--print", &url, "-f", "more.hcl"]).fails(1).stderr();
    assert!(missing.contains("more.hcl: no such file or directory in"), "{missing}");
    let sub = store.run(&["bake", "--print", &format!("{url}#:other"), "-f", "other.hcl"]).ok().stdout();
    assert!(sub.contains("#:other\""), "{sub}");
}

#[test]
fn a_repository_that_wants_a_token_gets_the_one_of_the_environment() {
    let store = TestStore::empty();
    let Some(bare) = repository(&store) else { return };
    // `x-access-token:geheim`, in base64.
    let url = server(bare, Some("eC1hY2Nlc3MtdG9rZW46Z2VoZWlt"));
    store.run(&["bake", &url]).fails(1);
    let mut command = store.command(&["bake", &url]);
    command.env("BUILDX_BAKE_GIT_AUTH_TOKEN", "geheim");
    let answer = Answer::of(command).ok();
    assert!(has(&store, "out-app/top") && !answer.stderr().contains("geheim"));
}

#[test]
fn an_archive_or_a_file_has_the_definition() {
    let store = TestStore::empty();
    let folder = tree(&store, "tree");
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_dir_all(".", &folder).unwrap();
    let archive = archive.into_inner().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    let address = serve(move |request| match request.path.as_str() {
        "/tree.tar" => Reply::new(200, archive.clone()),
        "/bake.hcl" => {
            Reply::new(200, "target \"default\" {\n  tags = [\"of-file:1\"]\n  secret = [\"id=x,src=../passwd\"]\n}\n")
        }
        "/simple.hcl" => Reply::new(200, "target \"default\" { output = [\"type=local,dest=out-file\"] }\n"),
        "/large.hcl" => Reply::new(200, vec![b'#'; (2 << 20) + 1]),
        _ => Reply::new(404, ""),
    });
    let url = |name: &str| format!("http://{address}/{name}");
    store.run(&["bake", &url("tree.tar")]).ok();
    assert!(has(&store, "out-app/top") && has(&store, "out-part/inner") && has(&store, "out-part/of-all"));
    // For a single file, paths are relative to the working folder, and what is outside of it has to be allowed.
    store.write("Dockerfile", "FROM scratch\nCOPY top /\n");
    store.write("top", "t");
    store.run(&["bake", &url("simple.hcl")]).ok();
    assert!(has(&store, "out-file/top"));
    std::fs::write(store.work().join("../passwd"), "p").unwrap();
    let refused = store.run_with_input(&["bake", &url("bake.hcl")], b"").fails(1).stderr();
    assert!(refused.contains("additional privileges requested") && refused.contains("fs.read=../passwd"), "{refused}");
    let large = store.run(&["bake", &url("large.hcl")]).fails(1).stderr();
    assert!(large.contains("bigger than maximum allowed size"), "{large}");
    store.run(&["bake", &url("missing.hcl")]).fails(1);
}
