//! After a power loss: files whose names exist but whose content does not. The next command finds them before anything
//! is served, and no repair is needed. (`tests/vm/power-loss.py` really cuts the power of a machine.)

use std::path::PathBuf;

use crate::common::{TestStore, wait_until};

/// Simulates a power loss: everything written after the last sync may be corrupted.
fn reboot(store: &TestStore) {
    std::fs::write(store.root().join("boot"), "another").unwrap();
    let database = rusqlite::Connection::open(store.root().join("store.db")).unwrap();
    database.execute("UPDATE layers SET boot = 'another'", []).unwrap();
    database.execute("UPDATE cache SET boot = 'another'", []).unwrap();
    database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

/// A build, including its work in the background.
fn built(store: &TestStore, text: &str, name: &str) -> String {
    let id = store.build_text(text, &["-q", "-t", name]).ok().stdout();
    wait_until_synced(store);
    id
}

/// Waits for a build's background work: nothing is marked with this boot. Records marked with another boot that were
/// rewritten since may stay so.
pub fn wait_until_synced(store: &TestStore) {
    let database = rusqlite::Connection::open(store.root().join("store.db")).unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let unsynced =
        "SELECT (SELECT count(*) FROM cache WHERE boot = ?1) + (SELECT count(*) FROM layers WHERE boot = ?1)";
    wait_until("the store is synced", || {
        database.query_row(unsynced, [boot.trim()], |row| row.get::<_, i64>(0)).is_ok_and(|count| count == 0)
    });
}

fn blob(store: &TestStore, id: &str) -> PathBuf {
    store.root().join("blobs/sha256").join(id.trim().trim_start_matches("sha256:"))
}

const TEXT: &str = "FROM busybox\nRUN echo one > /one\nRUN echo two > /two\n";

#[test]
fn what_is_whole_is_kept_and_told_from_what_is_not() {
    let Some(store) = TestStore::in_memory() else { return };
    built(&store, TEXT, "app");
    reboot(&store);
    assert_eq!(store.build(&["-t", "app"]).ok().executed(), [""; 0], "all of it proved right");
    reboot(&store);
    for entry in walkdir::WalkDir::new(store.root().join("layers")).into_iter().flatten() {
        if entry.file_name() == "two" {
            std::fs::write(entry.path(), "").unwrap();
        }
    }
    let said = store.run(&["run", "--rm", "--network", "none", "app", "true"]);
    assert_ne!(said.code(), Some(0));
    assert!(said.stderr().contains("warning: lost when the machine went down: layer"), "{}", said.stderr());
    assert!(
        said.stderr().to_lowercase().contains("no such image") || said.stderr().contains("app"),
        "{}",
        said.stderr()
    );
    let again = store.build(&["-t", "app"]).ok();
    assert_eq!(again.executed(), ["RUN echo two > /two"]);
    let read = store.run(&["run", "--rm", "--network", "none", "app", "cat", "/two"]).ok();
    assert_eq!((read.stdout().as_str(), read.stderr().as_str()), ("two\n", ""));
    assert_eq!(store.run(&["system", "check"]).ok().stdout(), "The store is in order.\n");
}

#[test]
fn torn_documents_and_archives_are_made_and_loaded_again() {
    let Some(store) = TestStore::in_memory() else { return };
    let id = built(&store, TEXT, "app");
    store.run(&["save", "-o", "saved.tar", "app"]).ok();
    for torn in ["config", "base"] {
        reboot(&store);
        match torn {
            "config" => std::fs::write(blob(&store, &id), "").unwrap(),
            _ => {
                for entry in std::fs::read_dir(store.root().join("blobs/sha256")).unwrap().flatten() {
                    if entry.metadata().unwrap().len() > 100_000 {
                        std::fs::File::options().write(true).open(entry.path()).unwrap().set_len(4096).unwrap();
                    }
                }
            }
        }
        store.run(&["images"]).ok();
        store.run(&["load", "-i", &crate::common::busybox_archive().unwrap().to_string_lossy()]).ok();
        assert_eq!(store.build(&["-q", "-t", "app"]).ok().stdout(), id, "{torn}");
        store.run(&["run", "--rm", "--network", "none", "app", "cat", "/one", "/two"]).ok();
        store.run(&["load", "-i", "saved.tar"]).ok();
        assert_eq!(store.run(&["system", "check"]).ok().stdout(), "The store is in order.\n", "{torn}");
    }
}

#[test]
fn records_of_containers_and_volumes_that_are_torn_stop_nobody() {
    let Some(store) = TestStore::in_memory() else { return };
    let run = |name: &str, volume: &str| {
        store.run(&[
            "run",
            "--name",
            name,
            "--network",
            "none",
            "-v",
            volume,
            "busybox",
            "sh",
            "-c",
            "echo kept > /data/f",
        ])
    };
    run("torn", "data:/data").ok();
    run("stateless", "other:/data").ok();
    let id = |name: &str| store.run(&["inspect", "--format", "{{.Id}}", name]).ok().stdout();
    for (id, file) in [(id("stateless"), "state.json"), (id("torn"), "config.json")] {
        std::fs::write(store.root().join("containers").join(id.trim()).join(file), "").unwrap();
    }
    std::fs::write(store.root().join("volumes/data/volume.json"), "").unwrap();
    assert_ne!(store.run(&["volume", "ls"]).code(), Some(0));
    std::fs::write(store.root().join("boot"), "another").unwrap();
    let said = store.run(&["volume", "ls", "-q"]).ok();
    assert_eq!(said.stdout(), "data\nother\n");
    assert!(said.stderr().contains("volume data: its record cannot be read; it has a new one"), "{}", said.stderr());
    store.run(&["ps", "-a"]).ok();
    let read =
        store.run(&["run", "--rm", "--network", "none", "-v", "data:/d", "busybox", "cat", "/d/f"]).ok().stdout();
    assert_eq!(read, "kept\n");
    assert_eq!(store.run(&["system", "check"]).ok().stdout(), "The store is in order.\n");
}
