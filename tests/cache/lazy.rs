//! Base images whose layers stay in the registry until their files are needed.

use crate::common::TestStore;
use crate::registry::TestRegistry;
use crate::web::Reply;

/// A registry with busybox as `base:1`; skips without busybox.
fn with_base() -> Option<TestRegistry> {
    let maker = TestStore::loaded()?;
    maker.build_text("FROM busybox\n", &["-o", "type=oci,tar=false,dest=base"]).ok();
    let registry = TestRegistry::start();
    registry.load_layout(&maker.work().join("base"), "base", "1");
    Some(registry)
}

/// The digests of the only layer and the config of `base:1`.
fn parts(registry: &TestRegistry) -> (String, String) {
    let manifest: serde_json::Value = serde_json::from_slice(&registry.manifest("base", "1").unwrap()).unwrap();
    let digest = |value: &serde_json::Value| value["digest"].as_str().unwrap().to_owned();
    (digest(&manifest["layers"][0]), digest(&manifest["config"]))
}

#[test]
fn a_base_that_no_step_looks_into_stays_where_it_is() {
    let Some(registry) = with_base() else { return };
    let (layer, _) = parts(&registry);
    let store = TestStore::empty();
    store.write("ctx/file", "content");
    let dockerfile = format!("FROM {}\nENV A=1\nCOPY --link file /somewhere/\nCMD [\"x\"]\n", registry.name("base:1"));
    store.build_text(&dockerfile, &["-t", "app"]).ok();
    store.run(&["inspect", "app"]).ok();
    store.run(&["history", "app"]).ok();
    store.run(&["images"]).ok();
    assert_eq!(registry.count("GET", &layer), 0);

    store.run(&["save", "app", "-o", "app.tar"]).ok();
    assert_eq!(registry.count("GET", &layer), 1);
    store.run(&["save", "app", "-o", "again.tar"]).ok();
    assert_eq!(registry.count("GET", &layer), 1);
}

#[test]
fn a_plain_copy_has_to_see_the_base_and_a_second_build_does_not_fetch_it_again() {
    let Some(registry) = with_base() else { return };
    let (layer, _) = parts(&registry);
    let store = TestStore::empty();
    store.write("ctx/file", "content");
    let dockerfile = format!("FROM {}\nWORKDIR /app\nCOPY file .\n", registry.name("base:1"));
    store.build_text(&dockerfile, &["-t", "app"]).ok();
    assert_eq!(registry.count("GET", &layer), 1);
    assert_eq!(store.build(&["-t", "app"]).ok().executed(), [""; 0]);
    assert_eq!(registry.count("GET", &layer), 1);
    let root = store.root_filesystem(&[]);
    assert!(root.join("bin/busybox").exists() && root.join("app/file").exists());
    assert_eq!(registry.count("GET", &layer), 1);
}

#[test]
fn two_processes_fetch_a_layer_once() {
    let Some(registry) = with_base() else { return };
    let (layer, _) = parts(&registry);
    let store = TestStore::empty();
    store.write("ctx/file", "content");
    let dockerfile = format!("FROM {}\nCOPY --link file /file\n", registry.name("base:1"));
    store.build_text(&dockerfile, &["-t", "app"]).ok();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let store = &store;
            scope.spawn(move || store.run(&["save", "app", "-o", &format!("{number}.tar")]).ok());
        }
    });
    assert_eq!(registry.count("GET", &layer), 1);
}

#[test]
fn a_layer_that_is_gone_or_wrong_is_named_with_what_to_do() {
    let Some(registry) = with_base() else { return };
    let (layer, _) = parts(&registry);
    let wrong: [fn(Reply) -> Reply; 4] = [
        |_| Reply::new(404, ""),
        |mut reply| {
            reply.body[300] ^= 1;
            reply
        },
        |mut reply| {
            reply.cut = Some(reply.body.len() / 2);
            reply
        },
        |_| Reply::new(403, ""),
    ];
    for (number, change) in wrong.into_iter().enumerate() {
        let store = TestStore::empty();
        store.write("ctx/file", "content");
        let dockerfile = format!("FROM {}\nCOPY --link file /file\n", registry.name("base:1"));
        store.build_text(&dockerfile, &["-t", "app"]).ok();
        let digest = layer.clone();
        registry.set_fault(move |request, reply| if request.path.ends_with(&digest) { change(reply) } else { reply });
        let said = store.run(&["save", "app", "-o", "app.tar"]).fails(1).stderr();
        assert!(said.contains("cannot be fetched") && said.contains(&registry.name("base")), "{number}: {said}");
        assert!(said.contains("hint: bring the place back"), "{number}: {said}");
        registry.clear_fault();
        // A broken connection is tolerated; a location that turned out wrong is only asked again by a build.
        store.build(&["-t", "app"]).ok();
        store.run(&["save", "app", "-o", "app.tar"]).ok();
    }
}
