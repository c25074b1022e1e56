//! Caches in GitHub Actions' cache.

use crate::actions_server::{TOKEN, TestActions};
use crate::common::{Answer, TestStore};
use crate::shared::{STEPS, machine, sorted};
use crate::web::Reply;

fn build(store: &TestStore, actions: &TestActions, arguments: &[&str]) -> Answer {
    let all = [&["build", "--progress", "plain", "-t", "app"], arguments, &["ctx"]].concat();
    let mut command = store.command(&all);
    command.env("ACTIONS_RESULTS_URL", &actions.url).env("ACTIONS_RUNTIME_TOKEN", TOKEN);
    Answer::of(command)
}

#[test]
fn an_export_is_one_entry_and_another_machine_uses_it() {
    let (Some(first), Some(second)) = (machine(), machine()) else { return };
    let actions = TestActions::start();
    build(&first, &actions, &["--cache-to", "type=gha,mode=max,scope=ci"]).ok();
    assert_eq!(actions.keys().len(), 1, "{:?}", actions.keys());
    assert!(actions.keys()[0].starts_with("rbuild-ci-1-"), "{:?}", actions.keys());
    assert!(actions.requests().len() < 12, "{:?}", actions.requests());
    actions.forget();
    let again = build(&second, &actions, &["--cache-from", "type=gha,scope=ci"]).ok();
    assert_eq!(again.executed(), [""; 0], "{}", again.stderr());
    assert_eq!(sorted(again.cached()), sorted(STEPS.to_vec()));
    // The layers are fetched when they are needed.
    let mut command = second.command(&["run", "--rm", "app", "cat", "/app/result"]);
    command.env("ACTIONS_RESULTS_URL", &actions.url).env("ACTIONS_RUNTIME_TOKEN", TOKEN);
    assert_eq!(Answer::of(command).ok().stdout(), "tool\nsource\n");
    // Parallel layers look up the entry only once.
    assert!(actions.requests().len() < 10, "{:?}", actions.requests());
    let other = build(&second, &actions, &["--cache-from", "type=gha"]).ok().stderr();
    assert!(other.contains("there is no cache of that name"), "{other}");
}

#[test]
fn later_exports_send_what_is_new_and_an_entry_that_is_gone_is_made_again() {
    let (Some(first), Some(second)) = (machine(), machine()) else { return };
    let actions = TestActions::start();
    let both = ["--cache-from", "type=gha", "--cache-to", "type=gha,mode=max"];
    build(&first, &actions, &both).ok();
    first.write("ctx/source", "changed\n");
    let sent = || {
        let sent = actions.requests().into_iter().filter(|request| request.method == "PUT");
        sent.map(|request| request.header("content-length").unwrap().parse::<u64>().unwrap()).sum::<u64>()
    };
    let whole = sent();
    actions.forget();
    build(&first, &actions, &both).ok();
    assert_eq!(actions.keys().len(), 2);
    assert!(sent() < whole, "{} of {whole}", sent());
    // The newest entry refers to the first, which GitHub has evicted.
    let oldest = actions.keys()[0].clone();
    actions.evict(&oldest);
    build(&second, &actions, &both).ok();
    let built = second.run(&["run", "--rm", "app", "cat", "/app/result"]).ok().stdout();
    assert!(built.starts_with("tool\n"), "{built}");
}

#[test]
fn a_large_entry_goes_in_blocks() {
    let Some(store) = TestStore::loaded() else { return };
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    };
    let large: Vec<u8> = (0..10 << 20).flat_map(|_| next().to_le_bytes()).collect();
    store.write("ctx/large", large);
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY large /\n");
    let actions = TestActions::start();
    build(&store, &actions, &["--cache-to", "type=gha,mode=max"]).ok();
    let lists = actions.requests().iter().filter(|request| request.query.contains("comp=blocklist")).count();
    assert_eq!((lists, actions.keys().len()), (1, 1));
    let other = TestStore::loaded().unwrap();
    other.write("ctx/Dockerfile", "FROM scratch\nCOPY large /\n");
    std::fs::copy(store.work().join("ctx/large"), other.work().join("ctx/large")).unwrap();
    let again = build(&other, &actions, &["--cache-from", "type=gha", "-o", "type=tar,dest=out.tar"]).ok();
    assert_eq!(again.cached(), ["COPY large /"]);
    assert!(std::fs::metadata(other.work().join("out.tar")).unwrap().len() > 40 << 20);
}

#[test]
fn limits_are_warnings_and_refusals_are_errors() {
    let Some(store) = machine() else { return };
    let actions = TestActions::start();
    actions.set_gate(|request| {
        let limits = request.path.ends_with("/CreateCacheEntry");
        limits.then(|| Reply::new(429, r#"{"code":"resource_exhausted","msg":"too many"}"#).with("Retry-After", "600"))
    });
    let said = build(&store, &actions, &["--cache-to", "type=gha"]).ok().stderr();
    assert!(said.contains("warning: the cache was not exported") && said.contains("too many"), "{said}");
    actions.set_gate(|request| {
        request
            .path
            .ends_with("/CreateCacheEntry")
            .then(|| Reply::new(403, r#"{"code":"permission_denied","msg":"read only"}"#))
    });
    let said = build(&store, &actions, &["--cache-to", "type=gha"]).fails(1).stderr();
    assert!(said.contains("answered 403") && said.contains("read only") && !said.contains(TOKEN), "{said}");
    build(&store, &actions, &["--cache-to", "type=gha,ignore-error=true"]).ok();
    let given = format!("type=gha,url_v2={},token=wrong-token", actions.url);
    let said = build(&store, &actions, &["--cache-from", &given]).ok().stderr();
    assert!(said.contains("answered 401") && !said.contains("wrong-token"), "{said}");
    // An existing entry is not a cache of rbuild's.
    let prefix = "rbuild-buildkit-1-e3b0c442#1";
    actions.put(prefix, b"something else that is longer than a line of it");
    let said = build(&store, &actions, &["--cache-from", "type=gha"]).ok().stderr();
    assert!(said.contains("it is not an entry that rbuild wrote"), "{said}");
    // Outside of a GitHub job there is no such cache, as in buildx.
    let mut command = store.command(&["build", "--cache-to", "type=gha", "--cache-from", "type=gha", "ctx"]);
    command.env_remove("ACTIONS_RESULTS_URL").env_remove("ACTIONS_CACHE_URL").env_remove("ACTIONS_RUNTIME_TOKEN");
    let said = Answer::of(command).ok().stderr();
    assert!(said.contains("warning: --cache-to type=gha"), "{said}");
}
