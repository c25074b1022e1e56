//! docker's `config.json` and `DOCKER_DEFAULT_PLATFORM`.

use super::common::{TestStore, is_root, skip};
use super::run;

const PROXIES: &str = r#"{"proxies": {"default": {"httpProxy": "http://proxy:3128", "noProxy": "localhost"}}}"#;

/// A folder with docker's settings, named on the command line.
fn folder(store: &TestStore, text: &str) -> String {
    store.write("docker/config.json", text);
    store.work().join("docker").display().to_string()
}

#[test]
fn formats_of_listings() {
    let Some(store) = TestStore::loaded() else { return };
    let folder = folder(&store, r#"{"imagesFormat": "i {{.Repository}}", "volumesFormat": "v {{.Name}}"}"#);
    let config = ["--config", folder.as_str()];
    let say = |words: &[&str]| super::run(&store, &[&config, words].concat(), &[]).ok().stdout();
    say(&["volume", "create", "vol"]);
    assert_eq!(say(&["images"]), "i busybox\n");
    assert_eq!(say(&["image", "ls"]), "i busybox\n");
    assert_eq!(say(&["volume", "ls"]), "v vol\n");
    assert_eq!(say(&["images", "--format", "{{.Tag}}"]), "latest\n");
    assert!(!say(&["images", "-q"]).starts_with('i'));
}

#[test]
fn a_config_that_cannot_be_read_is_told_of_and_stops_nothing() {
    let store = TestStore::empty();
    let folder = folder(&store, "{");
    let answer = super::run(&store, &["--config", &folder, "ps"], &[]).ok();
    assert!(answer.stderr().contains("config.json"), "{}", answer.stderr());
}

#[test]
fn proxies_reach_programs_and_neither_images_nor_keys() {
    if !is_root() {
        return skip("needs root");
    }
    let Some(store) = TestStore::with_busybox() else { return };
    let folder = folder(&store, PROXIES);
    let with = ["--config", folder.as_str()];
    let environment = |options: &[&str]| {
        let words = [&with[..], &["run", "--rm", "--network", "none"], options, &["busybox", "env"]].concat();
        super::run(&store, &words, &[]).ok().stdout()
    };
    let all = environment(&[]);
    for line in
        ["HTTP_PROXY=http://proxy:3128", "http_proxy=http://proxy:3128", "NO_PROXY=localhost", "no_proxy=localhost"]
    {
        assert!(all.lines().any(|own| own == line), "{line}: {all}");
    }
    let own = environment(&["-e", "http_proxy=own"]);
    assert!(own.contains("http_proxy=own\n") && own.contains("HTTP_PROXY=http://proxy:3128\n"), "{own}");

    store.write("ctx/Dockerfile", "FROM busybox\nRUN env | sort > /env\n");
    let build = |before: &[&str]| {
        let words = [before, &["build", "--progress", "plain", "-t", "made", "ctx"]].concat();
        super::run(&store, &words, &[]).ok()
    };
    assert_eq!(build(&with).executed(), ["RUN env | sort > /env"]);
    assert_eq!(build(&[]).cached(), ["RUN env | sort > /env"], "proxies are in no key");
    let inside = super::run(&store, &["run", "--rm", "--network", "none", "made", "cat", "/env"], &[]).ok().stdout();
    assert!(inside.contains("http_proxy=http://proxy:3128\n"), "{inside}");
    let image = super::run(&store, &["inspect", "made"], &[]).ok().stdout();
    assert!(!image.contains("proxy:3128"), "{image}");
}

#[test]
fn a_default_platform_is_one_for_all_commands() {
    let Some(store) = TestStore::loaded() else { return };
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let with = |words: &[&str], platform: &str| super::run(&store, words, &[("DOCKER_DEFAULT_PLATFORM", platform)]);
    with(&["build", "-t", "other", "ctx"], "linux/arm64").ok();
    let shown = super::run(&store, &["inspect", "-f", "{{.Architecture}}", "other"], &[]).ok().stdout();
    assert_eq!(shown, "arm64\n");
    with(&["build", "-t", "own", "ctx"], "").ok();
    let wrong = with(&["create", "busybox"], "linux/s390x").fails(1).stderr();
    assert!(wrong.contains("not for linux/s390x"), "{wrong}");
    let wrong = with(&["pull", "localhost:1/x"], "a/b/c/d").fails(1).stderr();
    assert!(wrong.contains("DOCKER_DEFAULT_PLATFORM"), "{wrong}");
}

#[test]
fn filters_of_prunes_are_added() {
    let Some(store) = TestStore::loaded() else { return };
    let folder = folder(&store, r#"{"pruneFilters": ["label!=keep", "nonsense"]}"#);
    let config = ["--config", folder.as_str()];
    let say = |words: &[&str]| super::run(&store, &[&config, words].concat(), &[]).ok().stdout();
    say(&["volume", "create", "--label", "keep", "kept"]);
    say(&["volume", "create", "gone"]);
    say(&["volume", "prune", "-af"]);
    assert_eq!(say(&["volume", "ls", "-q"]), "kept\n");
    say(&["volume", "create", "other"]);
    say(&["volume", "prune", "-af", "--filter", "label=keep"]);
    assert_eq!(say(&["volume", "ls", "-q"]), "other\n", "what is typed counts before its opposite");
    let wrong = self::folder(&store, r#"{"pruneFilters": ["colour=red"]}"#);
    super::run(&store, &["--config", &wrong, "volume", "prune", "-af"], &[]).fails(1);
    assert_eq!(say(&["volume", "ls", "-q"]), "other\n");
}

#[test]
fn a_current_context_that_means_another_engine_is_refused() {
    let store = TestStore::empty();
    let other = folder(&store, r#"{"currentContext": "far-away"}"#);
    let answer = super::run(&store, &["--config", &other, "ps"], &[]).fails(1).stderr();
    assert!(answer.contains("currentContext") && answer.contains("far-away"), "{answer}");
    super::run(&store, &["--config", &other, "-c", "default", "ps"], &[]).ok();
    super::run(&store, &["--config", &other, "ps"], &[("DOCKER_CONTEXT", "default")]).ok();
    super::run(&store, &["--config", &other, "context", "ls"], &[]).ok();
    let own = folder(&store, r#"{"currentContext": "default"}"#);
    super::run(&store, &["--config", &own, "ps"], &[]).ok();
}

/// Docker's program reads them, and keeps the other fields of the file.
#[test]
fn builder_is_another_name_of_buildx() {
    let store = TestStore::empty();
    let path = store.work().join(".docker/config.json");
    run(&store, &["buildx", "uninstall"], &[]).ok();
    assert!(!path.exists(), "there was nothing to take away");
    store.write(".docker/config.json", r#"{"psFormat": "{{.ID}}", "aliases": {"x": "y"}}"#);
    let kept = || -> serde_json::Value { serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap() };
    run(&store, &["buildx", "install"], &[]).ok();
    assert_eq!(kept(), serde_json::json!({"psFormat": "{{.ID}}", "aliases": {"x": "y", "builder": "buildx"}}));
    run(&store, &["builder", "uninstall"], &[]).ok();
    assert_eq!(kept(), serde_json::json!({"psFormat": "{{.ID}}", "aliases": {"x": "y"}}));
    store.write(".docker/config.json", r#"{"aliases": {"builder": "buildx"}}"#);
    run(&store, &["buildx", "uninstall"], &[]).ok();
    assert_eq!(kept(), serde_json::json!({}));
    store.write(".docker/config.json", "no JSON");
    let said = run(&store, &["buildx", "install"], &[]).fails(1).stderr();
    assert!(said.contains("config.json"), "{said}");
}
