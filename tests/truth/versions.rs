//! Stores of earlier versions, and guarantees for later ones: the archives in `fixtures/stores` can be opened, and
//! cache keys stay the same.

use std::io::Read as _;
use std::path::Path;

use crate::common::support::assert_golden;
use crate::common::{TestStore, busybox_archive, can_run_containers};

/// The path of a fixture store when it was created (`fixtures/stores/make.py`).
const MADE_AT: &str = "/rbuild-fixture-store";

/// Unpacks a fixture store, and replaces its path in its files by the current one.
fn unpack(archive: &str, root: &Path) {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stores").join(archive);
    let file = std::fs::File::open(archive).unwrap();
    let mut entries = tar::Archive::new(flate2::read::GzDecoder::new(file));
    std::fs::create_dir(root).unwrap();
    let mut folders = Vec::new();
    for entry in entries.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        if path.extension().is_some_and(|extension| extension == "json") {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            std::fs::write(root.join(&path), text.replace(MADE_AT, root.to_str().unwrap())).unwrap();
        } else {
            entry.unpack_in(root).unwrap();
        }
        if entry.header().entry_type().is_dir() {
            folders.push((root.join(&path), entry.header().mtime().unwrap()));
        }
    }
    // Unpacking into a folder changes its time.
    for (folder, seconds) in folders {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        if let Ok(folder) = std::fs::File::open(folder) {
            folder.set_modified(time).unwrap();
        }
    }
}

#[test]
fn a_store_of_an_earlier_version_is_opened_with_all_that_is_in_it() {
    let store = TestStore::empty();
    unpack("format-5.tar.gz", &store.root());
    let said = |arguments: &[&str]| store.run(arguments).ok().stdout();

    let mut images: Vec<String> =
        said(&["images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]).lines().map(str::to_owned).collect();
    images.sort();
    assert_eq!(
        images,
        [
            "both:1 e10f9817a33e",
            "hello:1 e10f9817a33e",
            "hello:committed bd88e60c213d",
            "registry.example/team/hello:kept e10f9817a33e",
        ]
    );
    assert_eq!(said(&["inspect", "-f", "{{.Config.Labels.kept}}", "hello:1"]), "yes\n");
    assert_eq!(
        said(&["ps", "-a", "--format", "{{.Names}} {{.State}} {{.Image}}"]),
        "waiting created hello:1\ncommitted exited hello:1\nran exited hello:1\n"
    );
    assert_eq!(said(&["inspect", "-f", "{{.HostConfig.NetworkMode}}", "waiting"]), "lan\n");
    assert!(said(&["inspect", "-f", "{{.Config.Env}}", "waiting"]).contains("NAME=value"));
    assert_eq!(said(&["logs", "ran"]), "hello\n");
    assert_eq!(said(&["volume", "ls", "-q", "-f", "label=of=fixture"]), "things\n");
    assert_eq!(said(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", "lan"]), "10.233.77.0/24\n");
    let volume = said(&["volume", "inspect", "-f", "{{.Mountpoint}}", "things"]);
    assert_eq!(std::fs::read_to_string(Path::new(volume.trim_end()).join("made")).unwrap(), "by the program\n");

    store.run(&["system", "check"]).ok();
    store.run(&["save", "-o", "saved.tar", "hello:1", "both:1"]).ok();
    if can_run_containers() {
        assert_eq!(said(&["start", "-a", "ran"]), "hello\n");
        assert_eq!(said(&["run", "--rm", "hello:committed"]), "hello\n");
    }
}

/// Instructions, each of which creates one layer with its own key, on scratch or on the layer before.
const KEYED: &[(&str, &str)] = &[
    ("COPY of a file", "COPY a /c"),
    ("COPY of folders", "COPY a d /into/"),
    ("COPY of a pattern", "COPY d/* /into/"),
    ("COPY with all its flags", "COPY --chown=1:2 --chmod=u=rwX,go=rX --parents --link --exclude=*.x d /all/"),
    ("COPY with an octal mode", "COPY --chmod=0640 a /a"),
    ("COPY of a heredoc", "COPY <<E /text\nhello\nE"),
    ("COPY from a stage", "COPY --from=made /a /b"),
    ("ADD of an archive", "ADD t.tar /unpacked/"),
    ("WORKDIR", "WORKDIR /w/x"),
];

const KEYED_WITH_EPOCH: &[(&str, &str)] =
    &[("WORKDIR with an epoch", "WORKDIR /w/x"), ("COPY with an epoch", "COPY a /c")];

const KEYED_RUNS: &[(&str, &str)] = &[
    ("RUN", "RUN true"),
    ("RUN with a variable", "ENV A=b\nRUN true"),
    ("RUN with a heredoc", "RUN <<E\ntrue\nE"),
    ("RUN with a user and without a network", "USER 1:2\nRUN --network=none true"),
    ("RUN with a bind", "RUN --mount=type=bind,source=d,target=/d true"),
    ("RUN with a bind of a stage", "RUN --mount=from=made,target=/d,rw true"),
    ("RUN with a cache", "RUN --mount=type=cache,id=c,target=/c,uid=3,mode=0700 true"),
    ("RUN with a tmpfs", "RUN --mount=type=tmpfs,target=/t,size=1m true"),
    ("RUN with a secret", "RUN --mount=type=secret,id=s,env=S true"),
];

fn keys(store: &TestStore) -> Vec<String> {
    let database = rusqlite::Connection::open(store.root().join("store.db")).unwrap();
    let mut rows = database.prepare("SELECT lower(hex(key)) FROM cache").unwrap();
    let keys = rows.query_map([], |row| row.get(0)).unwrap();
    keys.map(Result::unwrap).collect()
}

/// If a key changes unnecessarily, everybody has to rebuild everything. A change of a key's inputs requires a new tag
/// and a new golden file.
#[test]
fn cache_keys_stay_what_they_are() {
    let store = TestStore::empty();
    for (name, content) in [("a", "alpha"), ("d/b", "bravo"), ("d/c.x", "charlie"), ("d/e/f", "foxtrot")] {
        store.write(&format!("ctx/{name}"), content);
    }
    for folder in ["ctx", "ctx/d", "ctx/d/e"] {
        mode(&store.work().join(folder), 0o755);
    }
    for file in ["ctx/a", "ctx/d/b", "ctx/d/c.x", "ctx/d/e/f"] {
        mode(&store.work().join(file), 0o644);
    }
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(5);
    header.set_mode(0o644);
    archive.append_data(&mut header, "in/it", &b"hotel"[..]).unwrap();
    store.write("ctx/t.tar", archive.into_inner().unwrap());
    mode(&store.work().join("ctx/t.tar"), 0o644);

    let epoch = ["--build-arg", "SOURCE_DATE_EPOCH=1000000000"];
    let plain = new_keys(&store, "scratch", KEYED, &[]);
    let timed = new_keys(&store, "scratch", KEYED_WITH_EPOCH, &epoch);
    assert_golden("cache_keys.txt", &(plain + &timed), "\n");
    if can_run_containers() {
        let busybox = busybox_archive().unwrap();
        store.run(&["load", "-i", &busybox.to_string_lossy()]).ok();
        assert_golden(
            "cache_keys_of_run.txt",
            &new_keys(&store, "busybox", KEYED_RUNS, &["--secret", "id=s,env=PATH"]),
            "\n",
        );
    }
}

/// The keys that each instruction adds on top of `base`, one per line.
fn new_keys(store: &TestStore, base: &str, rows: &[(&str, &str)], arguments: &[&str]) -> String {
    let made = "FROM scratch AS made\nCOPY a /a\n";
    store.build_text(made, arguments).ok();
    let mut said = String::new();
    for (name, instruction) in rows {
        let before = keys(store);
        store.build_text(&format!("{made}FROM {base}\n{instruction}\n"), arguments).ok();
        let mut new: Vec<String> = keys(store).into_iter().filter(|key| !before.contains(key)).collect();
        new.sort();
        said.push_str(&format!("{name}: {}\n", new.join(" ")));
    }
    said
}

fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
