//! Several machines that build at the same time with one cache.

use std::collections::BTreeSet;

use crate::common::TestStore;
use crate::registry::TestRegistry;
use crate::shared::{machine, sorted};

fn id(store: &TestStore) -> String {
    store.run(&["inspect", "--format", "{{.Id}}", "app"]).ok().stdout()
}

#[test]
fn reproducible_builds_have_one_digest_on_all_machines() {
    let (Some(first), Some(second)) = (machine(), machine()) else { return };
    first.build(&["--reproducible", "-t", "app"]).ok();
    // Files' times have a resolution of seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let built = second.build(&["--reproducible", "-t", "app"]).ok();
    assert_eq!(built.executed().len(), 5);
    assert_eq!(id(&first), id(&second));
}

#[test]
fn two_machines_at_once_end_with_one_digest() {
    let (Some(first), Some(second), Some(third)) = (machine(), machine(), machine()) else { return };
    let registry = TestRegistry::start();
    let name = registry.name("ci/cache:main");
    let to = format!("type=registry,ref={name},mode=max");
    let arguments = ["--reproducible", "-t", "app", "--cache-from", &name, "--cache-to", &to];
    std::thread::scope(|scope| {
        for store in [&first, &second] {
            scope.spawn(|| store.build(&arguments).ok());
        }
    });
    assert_eq!(id(&first), id(&second));
    let again = third.build(&["--reproducible", "-t", "app", "--cache-from", &name]).ok();
    assert_eq!(again.executed(), [""; 0]);
    assert_eq!(id(&first), id(&third));
}

/// Eight builders, each with its own project and a shared one, export to one name at the same time, round after round.
/// Then a new machine finds every record of every builder, and the right one.
#[test]
fn eight_builders_lose_and_mix_no_record() {
    let rounds: usize = std::env::var("RBUILD_TEST_SOAK_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    const BUILDERS: usize = 8;
    let registry = TestRegistry::start();
    let name = registry.name("ci/cache:main");
    let to = format!("type=registry,ref={name},mode=max");
    let dockerfile = |builder: usize, round: usize| {
        format!("FROM scratch\nCOPY shared /shared\nCOPY own /own-{builder}-{round}\nCOPY shared /again\n")
    };
    let write = |store: &TestStore, builder: usize, round: usize| {
        store.write("ctx/shared", format!("shared {round}"));
        store.write("ctx/own", format!("builder {builder} round {round}"));
        store.write("ctx/Dockerfile", dockerfile(builder, round));
    };
    for round in 0..rounds {
        std::thread::scope(|scope| {
            for builder in 0..BUILDERS {
                let (name, to, write) = (&name, &to, &write);
                scope.spawn(move || {
                    let store = TestStore::empty();
                    write(&store, builder, round);
                    store.build(&["--reproducible", "--cache-from", name, "--cache-to", to]).ok();
                });
            }
        });
        let mut results = BTreeSet::new();
        for builder in 0..BUILDERS {
            let store = TestStore::empty();
            write(&store, builder, round);
            let answer = store.build(&["--reproducible", "--cache-from", &name]).ok();
            assert_eq!(answer.executed(), [""; 0], "builder {builder}, round {round}: {}", answer.stderr());
            let root = store.root_filesystem(&["--reproducible"]);
            let own = std::fs::read_to_string(root.join(format!("own-{builder}-{round}"))).unwrap();
            assert_eq!(own, format!("builder {builder} round {round}"));
            results.insert(sorted(answer.cached()));
        }
        assert_eq!(results.len(), BUILDERS, "each has steps of its own");
    }
}
