//! `kill -9` at any moment: nothing wrong is served afterwards, and what was finished is kept.
//!
//! `RBUILD_TEST_KILLS=300` kills that often; by default often enough for every kind of command.

use std::process::Stdio;
use std::time::Duration;

use crate::common::{TestStore, busybox_archive};
use crate::registry::TestRegistry;
use crate::stale::Dice;

/// A command that is killed at some point.
fn command(kind: u64, round: u64, store: &TestStore, registry: &TestRegistry) -> Vec<String> {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    match kind {
        0 => {
            let text =
                format!("FROM busybox\nCOPY big /big\nRUN echo {round} > /round && cp /big /copy\nRUN ls / > /all\n");
            store.write("ctx/Dockerfile", text);
            words(&format!("build -t killed:{} ctx", round % 4))
        }
        1 => words(&format!("pull {}", registry.name("base:1"))),
        2 => vec!["load".to_owned(), "-i".to_owned(), busybox_archive().unwrap().display().to_string()],
        3 => words(&format!("rmi -f killed:{} {}", round % 4, registry.name("base:1"))),
        4 => words("builder prune -af"),
        5 => words("image prune -f"),
        6 => words("run --rm --network none busybox sh -c true"),
        _ => words("save -o saved.tar busybox"),
    }
}

#[test]
fn whatever_is_killed_the_store_is_in_order() {
    let Some(store) = TestStore::with_busybox() else { return };
    let (kills, mut dice) = Dice::with_count("RBUILD_TEST_KILLS", 24);
    let registry = TestRegistry::start();
    store.run(&["tag", "busybox", &registry.name("base:1")]).ok();
    store.run(&["push", &registry.name("base:1")]).ok();
    store.write("ctx/big", vec![5; 1 << 20]);
    for round in 0..kills {
        let words = command(round % 8, round, &store, &registry);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut child = store.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Most races are in the first moments.
        let most = if dice.below(2) == 0 { 30 } else { 250 };
        std::thread::sleep(Duration::from_millis(dice.below(most)));
        child.kill().unwrap();
        child.wait().unwrap();
        let check = store.run(&["system", "check"]);
        assert_eq!(check.code(), Some(0), "after {words:?}:\n{}{}", check.stdout(), check.stderr());
    }
    let repaired = store.run(&["system", "check", "--repair"]).ok().stdout();
    let after = store.run(&["system", "check"]).ok().stdout();
    assert_eq!(after, "The store is in order.\n", "{repaired}");
    store.run(&["load", "-i", &busybox_archive().unwrap().to_string_lossy()]).ok();
    let image = |store: &TestStore| store.build(&["-q", "--reproducible"]).ok().stdout();
    store.write("ctx/Dockerfile", "FROM busybox\nCOPY big /big\nRUN ls / > /all\n");
    let clean = TestStore::loaded().unwrap();
    clean.write("ctx/Dockerfile", "FROM busybox\nCOPY big /big\nRUN ls / > /all\n");
    clean.write("ctx/big", vec![5; 1 << 20]);
    assert_eq!(image(&store), image(&clean));
}

#[test]
fn steps_that_were_finished_are_kept() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", "FROM busybox\nRUN echo kept > /kept\nRUN sleep 600\n");
    let mut child = store.command(&["build", "--progress", "plain", "ctx"]).stderr(Stdio::piped()).spawn().unwrap();
    let said = std::io::BufReader::new(child.stderr.take().unwrap());
    let begun = std::io::BufRead::lines(said).map_while(Result::ok).any(|line| line.contains("RUN sleep 600"));
    assert!(begun);
    child.kill().unwrap();
    child.wait().unwrap();
    let answer = store.build_text("FROM busybox\nRUN echo kept > /kept\nRUN true\n", &[]).ok();
    assert_eq!(answer.cached(), ["RUN echo kept > /kept"]);
    assert_eq!(store.run(&["system", "check"]).code(), Some(0));
}

/// The store assumes that the machine went down since.
#[test]
fn what_was_not_synced_is_looked_at_again_after_a_power_loss() {
    let Some(store) = TestStore::in_memory() else { return };
    let text = "FROM busybox\nRUN echo one > /one\n";
    store.write("ctx/Dockerfile", text);
    store.build(&["-q"]).ok();
    crate::power::wait_until_synced(&store);
    let database = rusqlite::Connection::open(store.root().join("store.db")).unwrap();
    database.execute("UPDATE layers SET boot = 'before'", []).unwrap();
    database.execute("UPDATE cache SET boot = 'before'", []).unwrap();
    drop(database);
    // The result of a step in another second is another layer.
    std::thread::sleep(Duration::from_millis(1100));
    let again = store.build(&[]).ok();
    crate::power::wait_until_synced(&store);
    assert!(again.stderr().contains("why: its result was not safe on the disk"), "{}", again.stderr());
    let database = rusqlite::Connection::open(store.root().join("store.db")).unwrap();
    database.execute("UPDATE layers SET boot = 'before'", []).unwrap();
    drop(database);
    let said = store.run(&["system", "check", "--repair"]).ok().stdout();
    assert!(said.contains("its content is right: it is trusted again"), "{said}");
    assert_eq!(store.build(&[]).ok().executed(), [""; 0]);
}
