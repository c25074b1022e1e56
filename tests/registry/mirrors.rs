//! Mirrors and other configuration, with the real binary.

use crate::common::TestStore;
use crate::image::put_varied_image;
use crate::registry::TestRegistry;
use crate::web::Reply;

/// A store with this `registries.toml`.
fn with_configuration(text: &str) -> TestStore {
    let store = TestStore::empty();
    store.write("config/rbuild/registries.toml", text);
    store
}

fn pull(store: &TestStore, name: &str) -> crate::common::Answer {
    let mut command = store.command(&["pull", name]);
    command.env("XDG_CONFIG_HOME", store.work().join("config")).env("HOME", store.work());
    crate::common::Answer::of(command)
}

#[test]
fn mirrors_are_tried_in_turn_and_it_is_said_which_one_served() {
    let (empty, full) = (TestRegistry::start(), TestRegistry::start());
    put_varied_image(&full, "hub/library/varied", "1");
    let text = format!(
        "[[registry]]\nprefix = \"docker.io\"\n[[registry.mirror]]\nlocation = \"127.0.0.1:1\"\n\
         [[registry.mirror]]\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}/hub\"\n",
        empty.address, full.address
    );
    let store = with_configuration(&text);
    let answer = pull(&store, "varied:1").ok();
    let said = answer.stderr();
    assert!(said.contains("warning: mirror 127.0.0.1:1: cannot reach"), "{said}");
    assert!(said.contains(&format!("warning: mirror {}: the registry", empty.address)), "{said}");
    assert!(said.contains(&format!("varied was served by the mirror {}", full.address)), "{said}");
    assert!(answer.stdout().ends_with("docker.io/library/varied:1\n"), "{}", answer.stdout());
    // Once found, the mirror is used for everything that follows.
    assert_eq!(empty.count("GET", "/blobs/"), 0);
}

#[test]
fn dockers_mirrors_serve_the_hub() {
    let registry = TestRegistry::start();
    put_varied_image(&registry, "library/varied", "1");
    let store = TestStore::empty();
    let text = format!("{{\"registry-mirrors\": [\"http://{}\"]}}", registry.address);
    store.write("config/docker/daemon.json", text);
    assert!(pull(&store, "varied:1").ok().stderr().contains("was served by the mirror"));
}

#[test]
fn a_mistake_in_the_configuration_is_shown_and_blocked_registries_are_left_alone() {
    let store = with_configuration("[[registry]]\nprefx = \"docker.io\"\n");
    let said = pull(&store, "varied:1").fails(1).stderr();
    assert!(said.contains("registries.toml") && said.contains("prefx"), "{said}");
    let registry = TestRegistry::start();
    let text = format!("[[registry]]\nprefix = \"{}\"\nblocked = true\n", registry.address);
    let said = pull(&with_configuration(&text), &registry.name("a:1")).fails(1).stderr();
    assert!(said.contains("is blocked in"), "{said}");
    assert_eq!(registry.requests().len(), 0);
}

#[test]
fn proxies_are_used_but_not_for_loopback() {
    let registry = TestRegistry::start();
    let proxied = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = proxied.clone();
    let proxy = crate::web::serve(move |request| {
        seen.lock().unwrap().push(request.path.clone());
        Reply::new(502, "")
    });
    let store = with_configuration("[[registry]]\nprefix = \"r.test\"\ninsecure = true\n");
    put_varied_image(&registry, "a", "1");
    for (name, code) in [(registry.name("a:1"), 0), ("r.test/a:1".to_owned(), 1)] {
        let mut command = store.command(&["pull", &name]);
        command.env("XDG_CONFIG_HOME", store.work().join("config")).env("HOME", store.work());
        let proxy = format!("http://{proxy}");
        command.env("HTTP_PROXY", &proxy).env("http_proxy", &proxy).env("https_proxy", &proxy).env("no_proxy", "");
        crate::common::Answer::of(command).fails(code);
    }
    let seen = proxied.lock().unwrap().clone();
    assert!(!seen.is_empty() && seen.iter().all(|path| path.contains("r.test")), "{seen:?}");
}
