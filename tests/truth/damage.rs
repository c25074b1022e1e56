//! Bytes that changed on the disk: found, named, and rebuilt or refused.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::common::TestStore;

/// Changes one byte and keeps the time.
fn flip(path: &Path, offset: u64) {
    let modified = std::fs::metadata(path).unwrap().modified().unwrap();
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x20], offset).unwrap();
    file.set_modified(modified).unwrap();
}

fn find(folder: &Path, name: &str) -> PathBuf {
    let mut entries = walkdir::WalkDir::new(folder).into_iter().flatten();
    entries.find(|entry| entry.file_name() == name).unwrap_or_else(|| panic!("no {name}")).into_path()
}

const DOCKERFILE: &str = "FROM busybox\nCOPY data /data\nRUN echo made > /made\n";

fn built() -> Option<TestStore> {
    let store = TestStore::with_busybox()?;
    store.write("ctx/data", "the content of a file\n");
    store.build_text(DOCKERFILE, &["-t", "whole"]).ok();
    Some(store)
}

#[test]
fn a_store_in_order_is_said_to_be() {
    let Some(store) = built() else { return };
    assert_eq!(store.run(&["system", "check"]).ok().stdout(), "The store is in order.\n");
    assert_eq!(store.run(&["system", "check", "--format", "json"]).ok().stdout(), "");
}

#[test]
fn a_changed_layer_is_found_refused_and_made_again() {
    let Some(store) = built() else { return };
    let file = find(&store.root().join("layers"), "data");
    flip(&file, 3);
    let said = store.run(&["system", "check"]).fails(1).stdout();
    assert!(said.contains("damaged  layer sha256:"), "{said}");
    let save = store.run(&["save", "-o", "out.tar", "whole"]);
    assert_ne!(save.code(), Some(0), "a damaged layer was saved");
    assert!(save.stderr().contains("is damaged in the store"), "{}", save.stderr());
    assert!(!store.work().join("out.tar").exists());
    let repaired = store.run(&["system", "check", "--repair"]).ok().stdout();
    assert!(repaired.contains("removed: it is made"), "{repaired}");
    assert_eq!(store.run(&["system", "check"]).ok().stdout(), "The store is in order.\n");
    let again = store.build(&["-t", "whole"]).ok();
    assert!(again.stderr().contains("why: evicted: system check removed"), "{}", again.stderr());
    let said = store.run(&["run", "--rm", "--network", "none", "whole", "cat", "/data"]).ok().stdout();
    assert_eq!(said, "the content of a file\n");
}

#[test]
fn a_changed_layer_of_a_base_is_unpacked_again() {
    let Some(store) = built() else { return };
    flip(&find(&store.root().join("layers"), "busybox"), 5000);
    let said = store.run(&["system", "check"]).fails(1).stdout();
    assert!(said.contains("its files are not those of its blob"), "{said}");
    store.run(&["system", "check", "-r"]).ok();
    store.run(&["run", "--rm", "--network", "none", "whole", "cat", "/made"]).ok();
    assert_eq!(store.run(&["system", "check"]).ok().stdout(), "The store is in order.\n");
}

#[test]
fn changed_blobs_are_never_passed_on() {
    let Some(store) = built() else { return };
    store.run(&["save", "-o", "ok.tar", "busybox"]).ok();
    for blob in std::fs::read_dir(store.root().join("blobs/sha256")).unwrap().flatten() {
        if blob.metadata().unwrap().len() > 100_000 {
            flip(&blob.path(), 70_000);
        }
    }
    let save = store.run(&["save", "-o", "out.tar", "busybox"]);
    assert_ne!(save.code(), Some(0), "a damaged blob was saved");
    let said = store.run(&["system", "check"]).fails(1).stdout();
    assert!(said.contains("damaged  blob sha256:"), "{said}");
    store.run(&["system", "check", "-r"]).ok();
    // The folder of the layer is still there.
    store.run(&["run", "--rm", "--network", "none", "busybox", "true"]).ok();
}

#[test]
fn an_image_without_its_config_is_refused_and_removed() {
    let Some(store) = built() else { return };
    let id = store.run(&["images", "-q", "--no-trunc", "whole"]).ok().stdout();
    let path = store.root().join("blobs/sha256").join(id.trim().trim_start_matches("sha256:"));
    flip(&path, 10);
    assert_ne!(store.run(&["run", "--rm", "whole", "true"]).code(), Some(0));
    assert_ne!(store.run(&["save", "-o", "out.tar", "whole"]).code(), Some(0));
    let said = store.run(&["system", "check", "--repair"]).ok().stdout();
    assert!(said.contains("whole:latest"), "{said}");
    assert_eq!(store.run(&["images", "-q", "whole"]).ok().stdout(), "");
    assert_eq!(store.build(&["-t", "whole"]).ok().executed(), [""; 0]);
    assert_eq!(store.build(&["-q"]).ok().stdout(), id);
}

#[test]
fn a_damaged_database_is_named_and_rebuilt_from_what_can_be_read() {
    let Some(store) = built() else { return };
    let database = store.root().join("store.db");
    // All of it is in the main file once whoever closes it last has written the log back: a build syncs behind the
    // user's back.
    for _ in 0..400 {
        drop(rusqlite::Connection::open(&database).and_then(|database| database.execute_batch("PRAGMA user_version")));
        if !store.root().join("store.db-wal").exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    let pages = std::fs::metadata(&database).unwrap().len() / 4096;
    let file = std::fs::File::options().write(true).open(&database).unwrap();
    for page in (pages / 2)..pages {
        file.write_all_at(&[0xff; 4096], page * 4096).unwrap();
    }
    let said = store.run(&["system", "check"]);
    assert_eq!(said.code(), Some(1), "{}", said.stdout());
    let said = store.run(&["system", "check", "--repair"]).stdout();
    assert!(said.contains("a new one was made with"), "{said}");
    store.run(&["system", "check", "--repair"]).ok();
    assert_eq!(store.run(&["system", "check"]).ok().stdout(), "The store is in order.\n");
    std::fs::write(&database, "this was a database").unwrap();
    let refused = store.run(&["images"]);
    assert!(refused.code() == Some(1) && refused.stderr().contains("system check --repair"), "{}", refused.stderr());
    store.run(&["system", "check", "--repair"]).ok();
    store.run(&["images"]).ok();
}
