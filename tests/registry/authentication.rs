//! Passwords, tokens and who gets to see them.

use std::sync::{Arc, Mutex};

use rbuild::image::Reference;
use rbuild::store::Store;
use rbuild::transport::registry::{Client, PullOptions, Push, PushOptions, Settings, Silent, pull, push};
use rbuild::transport::transfer::Outgoing;

use crate::common::{Answer, TestStore};
use crate::image::{put_varied_image, settings};
use crate::registry::TestRegistry;
use crate::web::{Reply, Request, serve};

/// `user:hunter2` in base64.
const PASSWORD: &str = "Basic dXNlcjpodW50ZXIy";
const CONFIG: &str = r#"{"auths": {"HOST": {"auth": "dXNlcjpodW50ZXIy"}}}"#;

/// The requests to a token server.
type Asked = Arc<Mutex<Vec<Request>>>;

/// Only accepts clients with a token of a token server, each of which is valid for that many requests.
fn guard(registry: &TestRegistry, uses: u32) -> Asked {
    let asked: Asked = Arc::default();
    let seen = asked.clone();
    let tokens = serve(move |request| {
        seen.lock().unwrap().push(request.clone());
        let number = seen.lock().unwrap().len();
        let with_password = request.header("authorization") == Some(PASSWORD);
        let body = String::from_utf8_lossy(&request.body).into_owned();
        match request.method.as_str() {
            "POST" if body.contains("refresh_token=secret-identity") => {
                Reply::new(200, format!(r#"{{"access_token": "t{number}"}}"#))
            }
            "GET" if with_password && request.field("offline_token").is_some() => {
                Reply::new(200, r#"{"token": "x", "refresh_token": "secret-identity"}"#)
            }
            "GET" if with_password => Reply::new(200, format!(r#"{{"token": "t{number}", "expires_in": 300}}"#)),
            _ => Reply::new(401, r#"{"errors": [{"code": "UNAUTHORIZED"}]}"#),
        }
    });
    let used: Mutex<std::collections::HashMap<String, u32>> = Mutex::default();
    registry.set_gate(move |request| {
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let mut used = used.lock().unwrap();
        let is_good = token.is_some_and(|token| {
            let count = used.entry(token.to_owned()).or_default();
            *count += 1;
            token.starts_with('t') && *count <= uses
        });
        let challenge = format!(r#"Bearer realm="http://{tokens}/token",service="test""#);
        (!is_good).then(|| Reply::new(401, "").with("WWW-Authenticate", challenge))
    });
    asked
}

fn logged_in(registry: &TestRegistry, folder: &std::path::Path) -> Settings {
    let path = folder.join("config.json");
    std::fs::write(&path, CONFIG.replace("HOST", &registry.address)).unwrap();
    Settings { docker_config: Some(path), ..settings() }
}

fn pull_and_push(registry: &TestRegistry, settings: &Settings) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let client = Client::new(settings).unwrap();
    let from: Reference = registry.name("from:1").parse().unwrap();
    let repository = client.repository(&from).unwrap();
    let pulled = pull(&store, &repository, &from, &PullOptions::default(), &Silent).unwrap();
    let pushes = [Push { name: registry.name("to:1").parse().unwrap(), image: Outgoing::single(pulled.id) }];
    push(&store, &client, &pushes, &PushOptions::default(), &Silent).unwrap();
}

#[test]
fn tokens_are_asked_for_with_the_scopes_that_are_needed() {
    let (registry, folder) = (TestRegistry::start(), tempfile::tempdir().unwrap());
    put_varied_image(&registry, "from", "1");
    let asked = guard(&registry, 1000);
    pull_and_push(&registry, &logged_in(&registry, folder.path()));
    let asked = asked.lock().unwrap();
    let scopes: Vec<String> = asked.iter().map(|request| crate::web::unescape(&request.query)).collect();
    assert!(scopes.iter().any(|scopes| scopes.contains("scope=repository:from:pull")), "{scopes:?}");
    assert!(scopes.iter().any(|scopes| scopes.contains("scope=repository:to:pull,push")), "{scopes:?}");
    let mount = |scopes: &String| scopes.contains("to:pull,push") && scopes.contains("from:pull");
    assert!(scopes.iter().any(mount), "a mount reads the other repository: {scopes:?}");
    assert!(scopes.iter().all(|scopes| scopes.contains("service=test")));
    // One for each set of scopes, and perhaps one more for parallel first requests.
    assert!(asked.len() <= 8, "{}", asked.len());
}

#[test]
fn a_token_that_expires_on_the_way_is_renewed() {
    let (registry, folder) = (TestRegistry::start(), tempfile::tempdir().unwrap());
    put_varied_image(&registry, "from", "1");
    let asked = guard(&registry, 2);
    pull_and_push(&registry, &logged_in(&registry, folder.path()));
    assert!(
        registry.has_blob("to", &rbuild::base::digest::BlobDigest::of(&crate::image::layer(1, 300_000)).to_string())
    );
    assert!(asked.lock().unwrap().len() > 5);
}

#[test]
fn credentials_do_not_follow_a_redirect_to_another_host() {
    let (registry, folder) = (TestRegistry::start(), tempfile::tempdir().unwrap());
    put_varied_image(&registry, "from", "1");
    let elsewhere = TestRegistry::start();
    put_varied_image(&elsewhere, "from", "1");
    let target = elsewhere.address.clone();
    registry.set_gate(move |request| {
        if request.header("authorization") != Some(PASSWORD) {
            return Some(Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"r\""));
        }
        let place = format!("http://{target}{}?X-Signature=secret", request.path);
        let is_blob = request.method == "GET" && request.path.contains("/blobs/");
        is_blob.then(|| Reply::new(307, "").with("Location", place))
    });
    pull_and_push(&registry, &logged_in(&registry, folder.path()));
    let seen = elsewhere.requests();
    assert!(!seen.is_empty());
    assert!(seen.iter().all(|request| request.header("authorization").is_none()));
}

/// `login` and `logout` with their own home.
#[test]
fn repositories_of_one_registry_may_have_credentials_of_their_own() {
    let registry = TestRegistry::start();
    for repository in ["open", "team/one", "team/two"] {
        put_varied_image(&registry, repository, "1");
    }
    registry.set_gate(|request| {
        let wanted = match request.path.split('/').nth(3) {
            Some("one") => "Bearer token-of-one",
            Some("two") => "Bearer token-of-team",
            _ => return None,
        };
        let is_good = request.header("authorization") == Some(wanted);
        (!is_good).then(|| Reply::new(401, "").with("WWW-Authenticate", "Bearer realm=\"http://127.0.0.1:1/\""))
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let write = |token: &str| {
        let entries = r#"{"auths": {"HOST/team/one": {"registrytoken": "TOKEN"}, "HOST/team": {"registrytoken": "token-of-team"}}}"#;
        std::fs::write(&path, entries.replace("HOST", &registry.address).replace("TOKEN", token)).unwrap();
    };
    let settings = Settings { docker_config: Some(path.clone()), ..settings() };
    let pull_with = |client: &Client, repository: &str| {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let name: Reference = registry.name(&format!("{repository}:1")).parse().unwrap();
        pull(&store, &client.repository(&name).unwrap(), &name, &PullOptions::default(), &Silent).map(drop)
    };
    write("token-of-one");
    let client = Client::new(&settings).unwrap();
    for repository in ["open", "team/one", "team/two"] {
        pull_with(&client, repository).unwrap_or_else(|error| panic!("{repository}: {error}"));
    }
    write("another");
    let refused = pull_with(&Client::new(&settings).unwrap(), "team/one").unwrap_err().to_string();
    assert!(refused.contains("refused the credentials") && !refused.contains("another"), "{refused}");
}

fn run(store: &TestStore, arguments: &[&str], input: &str) -> Answer {
    use std::io::Write as _;
    let mut command = store.command(arguments);
    command.env("HOME", store.work()).env_remove("XDG_CONFIG_HOME").env_remove("DOCKER_CONFIG");
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    command.stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn a_password_is_tried_kept_and_forgotten() {
    let registry = TestRegistry::start();
    registry.set_gate(|request| {
        let is_right = request.header("authorization") == Some(PASSWORD);
        (!is_right).then(|| Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"r\""))
    });
    let store = TestStore::empty();
    let host = registry.address.as_str();
    let login = ["login", "-u", "user", "--password-stdin", host];
    let refused = run(&store, &login, "swordfish\n").fails(1);
    assert!(refused.stderr().contains("refused the login"), "{}", refused.stderr());
    assert!(!refused.stderr().contains("swordfish"));
    let path = store.work().join(".docker/config.json");
    assert!(!path.exists(), "what was refused is not kept");
    let answer = run(&store, &login, "hunter2\n").ok();
    assert_eq!(answer.stdout(), "Login Succeeded\n");
    assert!(std::fs::read_to_string(&path).unwrap().contains("dXNlcjpodW50ZXIy"));
    // Stored credentials are tried again.
    run(&store, &["login", host], "").ok();
    for _ in 0..2 {
        let said = run(&store, &["logout", host], "").ok().stdout();
        assert_eq!(said, format!("Removing login credentials for {host}\n"));
    }
    let said = run(&store, &["login", host], "").fails(1).stderr();
    assert!(said.contains("not a terminal"), "{said}");
}

#[test]
fn an_identity_token_takes_the_place_of_the_password() {
    let registry = TestRegistry::start();
    put_varied_image(&registry, "from", "1");
    let asked = guard(&registry, 1000);
    let store = TestStore::empty();
    run(&store, &["login", "-u", "user", "--password-stdin", &registry.address], "hunter2").ok();
    let kept = std::fs::read_to_string(store.work().join(".docker/config.json")).unwrap();
    assert!(kept.contains("\"identitytoken\": \"secret-identity\"") && !kept.contains("dXNlcjpodW50ZXIy"), "{kept}");
    asked.lock().unwrap().clear();
    run(&store, &["pull", &registry.name("from:1")], "").ok();
    assert!(asked.lock().unwrap().iter().all(|request| request.method == "POST"));
}

#[test]
fn helpers_keep_what_docker_would_let_them_keep() {
    let registry = TestRegistry::start();
    registry.set_gate(|request| {
        let is_right = request.header("authorization") == Some(PASSWORD);
        (!is_right).then(|| Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"r\""))
    });
    let store = TestStore::empty();
    store.write(".docker/config.json", r#"{"credsStore": "test"}"#);
    let script = "#!/bin/sh\ncase $1 in\n\
        store) cat > kept;;\n\
        get) if [ -e kept ]; then cat kept; else echo 'credentials not found in native keychain'; exit 1; fi;;\n\
        erase) rm kept;;\nesac\n";
    let helper = store.write("bin/docker-credential-test", script);
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", store.work().join("bin").display(), std::env::var("PATH").unwrap());
    let with_helper = |arguments: &[&str]| {
        let mut command = store.command(arguments);
        command.env("HOME", store.work()).env("PATH", &path).env_remove("DOCKER_CONFIG");
        Answer::of(command)
    };
    with_helper(&["login", "-u", "user", "-p", "hunter2", &registry.address]).ok();
    assert!(std::fs::read_to_string(store.work().join("kept")).unwrap().contains("hunter2"));
    assert!(!std::fs::read_to_string(store.work().join(".docker/config.json")).unwrap().contains("hunter2"));
    with_helper(&["login", &registry.address]).ok();
    with_helper(&["logout", &registry.address]).ok();
    assert!(!store.work().join("kept").exists());
}
