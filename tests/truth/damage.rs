//! Corrupted bytes on the disk: detected, named, and rebuilt or refused.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::common::{TestStore, has_programs, must_run, wait_until};
use crate::web;

/// Changes one byte and keeps the times.
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
    let store = TestStore::in_memory()?;
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
fn what_is_remembered_of_builds_is_checked() {
    let Some(store) = built() else { return };
    let history = store.root().join("history");
    let journal = std::fs::read_to_string(history.join("journal")).unwrap();
    // As a power loss leaves it.
    std::fs::write(history.join("journal"), format!("{journal}{}\n", &journal[..journal.len() / 2])).unwrap();
    let (old, new) = (history.join("logs/orphan"), history.join("logs/begun"));
    let ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    for (path, time) in [(&old, ago), (&new, std::time::SystemTime::now())] {
        std::fs::write(path, "half").unwrap();
        std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }
    let said = store.run(&["system", "check"]).fails(1).stdout();
    assert!(said.contains("file history/journal: 1 of 2 builds cannot be read"), "{said}");
    assert!(said.contains("history/logs/orphan") && !said.contains("begun"), "{said}");
    store.run(&["system", "check", "--repair"]).ok();
    assert_eq!(store.run(&["system", "check"]).ok().stdout(), "The store is in order.\n");
    assert!(!old.exists() && new.exists());
    assert_eq!(std::fs::read_to_string(history.join("journal")).unwrap(), journal, "the other build is forgotten");
}

#[test]
fn what_is_kept_of_steps_is_checked() {
    let Some(store) = built() else { return };
    let folder = store.root().join("debug");
    let kept: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!kept.is_empty(), "the build has executed something");
    // A record that was truncated by a power loss, one of another version, and steps of a killed build.
    for (name, record) in [("0-cut", Some("{\"format\":1")), ("0-other", Some("{\"format\":99}")), ("0-begun", None)] {
        std::fs::create_dir_all(folder.join(name).join("step-1")).unwrap();
        if let Some(text) = record {
            std::fs::write(folder.join(name).join("record"), text).unwrap();
        }
        let ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        std::fs::File::open(folder.join(name)).unwrap().set_modified(ago).unwrap();
    }
    let said = store.run(&["system", "check"]).fails(1).stdout();
    assert!(said.contains("debug/0-cut: its record cannot be read"), "{said}");
    assert!(said.contains("debug/0-begun") && !said.contains("0-other"), "{said}");
    store.run(&["system", "check", "--repair"]).ok();
    assert_eq!(store.run(&["system", "check"]).ok().stdout(), "The store is in order.\n");
    assert!(!folder.join("0-cut").exists() && !folder.join("0-begun").exists() && folder.join("0-other").exists());
    assert!(kept.iter().all(|path| path.exists()), "those that can be entered stay");
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

/// A repository with one file, served as files; returns its URL.
fn repository(store: &TestStore) -> Option<String> {
    let script = r#"set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t.invalid GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t.invalid
mkdir -p repository/docs && cd repository && git init -q . && echo 'of a repository' > docs/text && git add -A && git commit -q -m 1
git clone -q --bare . ../served.git && cd ../served.git && git update-server-info"#;
    if !has_programs(&["git"]) {
        return None;
    }
    must_run("sh", &["-c", &format!("cd {} && {script}", store.work().display())]);
    let root = store.work();
    let address = web::serve(move |request| {
        let path = request.path.trim_start_matches('/');
        std::fs::read(root.join(path)).map_or_else(|_| web::Reply::new(404, ""), |body| web::Reply::new(200, body))
    });
    Some(format!("http://{address}/served.git"))
}

#[test]
fn a_changed_checkout_is_made_again() {
    let Some(store) = TestStore::with_busybox() else { return };
    let Some(url) = repository(&store) else { return };
    let dockerfile = format!("FROM busybox\nADD {url} /there\n");
    let options = ["-q", "--no-cache", "--allow", "network.host", "-t", "whole"];
    let show = ["run", "--rm", "--network", "none", "whole", "cat", "/there/docs/text"];
    let kept = |name: &str| find(&store.root().join("checkouts"), name);
    store.build_text(&dockerfile, &options).ok();
    for name in ["text", "sum"] {
        flip(&kept(name), 3);
        store.build_text(&dockerfile, &options).ok();
        assert_eq!(store.run(&show).ok().stdout(), "of a repository\n", "{name}");
    }
    std::fs::remove_file(kept("text")).unwrap();
    store.build_text(&dockerfile, &options).ok();
    assert_eq!(store.run(&show).ok().stdout(), "of a repository\n");
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
    // The folder of the layer still exists.
    store.run(&["run", "--rm", "--network", "none", "busybox", "true"]).ok();
}

/// Data that only makes builds faster or explains them detects its own corruption, which has no effect.
#[test]
fn changed_notes_are_named_and_never_believed() {
    let Some(store) = built() else { return };
    for number in 0..80 {
        store.write(&format!("ctx/many/{number}"), format!("{number}"));
    }
    let text = "FROM busybox\nCOPY many /many\n";
    // Old enough for the stat cache to trust it.
    std::thread::sleep(std::time::Duration::from_millis(200));
    store.build_text(text, &["-q", "-t", "many"]).ok();
    let layers = || store.run(&["image", "inspect", "-f", "{{.RootFS.Layers}}", "many"]).ok().stdout();
    let whole = layers();
    for folder in ["contexts", "copies"] {
        let files: Vec<_> = std::fs::read_dir(store.root().join(folder)).unwrap().flatten().collect();
        assert!(!files.is_empty(), "{folder}");
        for (number, file) in files.iter().enumerate() {
            flip(&file.path(), 70 + 11 * number as u64);
        }
        let said = store.run(&["system", "check"]).fails(1).stdout();
        assert!(said.contains(&format!("damaged  file {folder}/")), "{said}");
        store.build(&["-q", "--no-cache", "-t", "many"]).ok();
        assert_eq!(layers(), whole, "{folder}");
        store.run(&["system", "check", "--repair"]).ok();
    }
    let database = rusqlite::Connection::open(store.root().join("store.db")).unwrap();
    database.execute("UPDATE file_lists SET list = x'0102'", []).unwrap();
    database.execute("UPDATE builds SET report = '{' || report", []).unwrap();
    drop(database);
    store.write("ctx/many/1", "other");
    store.build(&[]).ok();
    let said = store.run(&["system", "check"]).fails(1).stdout();
    assert!(said.contains("damaged  report of a build") && said.contains("damaged  list of files"), "{said}");
    store.run(&["system", "check", "--repair"]).ok();
    assert_eq!(store.run(&["system", "check"]).ok().stdout(), "The store is in order.\n");
}

/// Bytes of the database: whatever changes (`RBUILD_TEST_FLIPS=200` times), an image is right, rebuilt or refused.
#[test]
fn no_changed_byte_of_the_database_makes_another_image() {
    let Some(store) = built() else { return };
    let (changes, mut dice) = crate::stale::Dice::with_count("RBUILD_TEST_FLIPS", 8);
    let database = store.root().join("store.db");
    settle(&store);
    let right = save(&store).expect("nothing was changed yet");
    let whole = std::fs::read(&database).unwrap();
    let used: Vec<usize> = (0..whole.len()).filter(|place| whole[*place] != 0).collect();
    for _ in 0..changes {
        let mut changed = whole.clone();
        let place = used[dice.below(used.len() as u64) as usize];
        changed[place] ^= 1 << dice.below(8);
        settle(&store);
        for side in ["store.db-wal", "store.db-shm"] {
            let _ = std::fs::remove_file(store.root().join(side));
        }
        std::fs::write(&database, changed).unwrap();
        store.build(&["-t", "whole"]);
        if let Some(saved) = save(&store) {
            assert!(saved == right, "byte {place} changed, and with it the image");
        }
        store.run(&["system", "check", "--repair"]);
        store.run(&["system", "check", "--repair"]).ok();
        store.run(&["load", "-q", "-i", &crate::common::busybox_archive().unwrap().to_string_lossy()]).ok();
        store.build(&["-t", "whole"]).ok();
        assert!(save(&store).is_some_and(|saved| saved == right), "byte {place} changed, and the repair did not help");
    }
}

/// The image as an archive, if it is available.
fn save(store: &TestStore) -> Option<Vec<u8>> {
    let _ = std::fs::remove_file(store.work().join("out.tar"));
    let saved = store.build(&["--reproducible", "-o", "type=oci,dest=out.tar"]);
    (saved.code() == Some(0)).then(|| std::fs::read(store.work().join("out.tar")).unwrap())
}

/// Waits until nobody has the database open, and everything is in its main file: a build syncs in the background, and
/// the last process to close it checkpoints the log.
fn settle(store: &TestStore) {
    crate::power::wait_until_synced(store);
    wait_until("the database is closed", || {
        let database = rusqlite::Connection::open(store.root().join("store.db"));
        drop(database.and_then(|database| database.execute_batch("PRAGMA user_version")));
        !store.root().join("store.db-wal").exists()
    });
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
    settle(&store);
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
