//! Contents of cache mounts that are transferred with a cache.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::common::{TestStore, is_root};
use crate::registry::TestRegistry;

const DOCKERFILE: &str = "\
FROM busybox
ARG RUN=1
RUN --mount=type=cache,target=/cache,id=test sh /cache/.seed 2>/dev/null; ls /cache; echo $RUN
";

fn machine() -> Option<TestStore> {
    let store = TestStore::with_busybox()?;
    store.write("ctx/Dockerfile", DOCKERFILE);
    Some(store)
}

/// The folder of a store's only cache mount.
fn data(store: &TestStore) -> PathBuf {
    let caches = std::fs::read_dir(store.root().join("caches")).unwrap();
    caches.map(|entry| entry.unwrap().path().join("data-0")).next().expect("there is a cache mount")
}

/// Pseudorandom bytes, the same every time.
fn noise(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(&mut next).take(count / 8 + 1).flatten().collect();
    bytes.truncate(count);
    bytes
}

/// Everything that is stored of a file.
fn facts(root: &Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(root).sort_by_file_name().min_depth(1);
    let facts = entries.into_iter().map(|entry| {
        let entry = entry.unwrap();
        let metadata = entry.path().symlink_metadata().unwrap();
        let content = match metadata.file_type() {
            kind if kind.is_symlink() => std::fs::read_link(entry.path()).unwrap().display().to_string(),
            kind if kind.is_file() => format!("{:?}", blake3::hash(&std::fs::read(entry.path()).unwrap())),
            _ => String::new(),
        };
        let path = entry.path().strip_prefix(root).unwrap().display().to_string();
        let (mode, owner) = (metadata.mode(), (metadata.uid(), metadata.gid()));
        let (links, time) = (metadata.nlink(), metadata.mtime());
        let links = if metadata.is_dir() { 0 } else { links };
        format!("{path} {mode:o} {owner:?} {links} {time} {content}")
    });
    facts.collect()
}

#[test]
fn contents_travel_with_all_that_is_known_of_them() {
    let (Some(first), Some(second)) = (machine(), machine()) else { return };
    let registry = TestRegistry::start();
    let name = registry.name("ci/cache:main");
    first.build(&[]).ok();
    let mount = data(&first);
    std::fs::create_dir(mount.join("folder")).unwrap();
    std::fs::write(mount.join("folder/file"), noise(300_000, 1)).unwrap();
    std::fs::write(mount.join("empty"), "").unwrap();
    std::fs::hard_link(mount.join("folder/file"), mount.join("linked")).unwrap();
    std::os::unix::fs::symlink("folder/file", mount.join("link")).unwrap();
    if is_root() {
        std::os::unix::fs::chown(mount.join("empty"), Some(7), Some(8)).unwrap();
    }
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(mount.join("empty"), std::fs::Permissions::from_mode(0o4751)).unwrap();
    std::fs::set_permissions(&mount, std::fs::Permissions::from_mode(0o1777)).unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    std::fs::File::open(mount.join("empty")).unwrap().set_modified(old).unwrap();

    let to = format!("type=registry,ref={name},mode=max,mounts=true");
    first.build(&["--cache-to", &to]).ok();
    let answer = second.build(&["--cache-from", &name, "--build-arg", "RUN=2"]).ok();
    assert!(answer.stderr().contains("folder"), "{}", answer.stderr());
    assert_eq!(facts(&data(&second)), facts(&mount));
    assert_eq!(data(&second).metadata().unwrap().mode() & 0o7777, 0o1777);

    // Existing contents are not touched.
    std::fs::write(data(&second).join("own"), "own").unwrap();
    second.build(&["--cache-from", &name, "--build-arg", "RUN=3"]).ok();
    assert!(data(&second).join("own").exists());
    // Nothing is fetched if that was not requested.
    let third = machine().unwrap();
    let unwanted = format!("type=registry,ref={name},mounts=false");
    third.build(&["--cache-from", &unwanted, "--build-arg", "RUN=2"]).ok();
    assert_eq!(facts(&data(&third)), [""; 0]);
}

/// 2 % of the files change: less than 5 % of the bytes are sent. RBUILD_TEST_MOUNT_MIB sets the total size.
#[test]
fn a_small_change_sends_little() {
    let mib: usize = std::env::var("RBUILD_TEST_MOUNT_MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    let Some(store) = machine() else { return };
    let folder = tempfile::tempdir().unwrap();
    store.build(&[]).ok();
    let mount = data(&store);
    const SIZE: usize = 64 << 10;
    let count = (mib << 20) / SIZE;
    for number in 0..count {
        std::fs::write(mount.join(format!("{number:06}")), noise(SIZE, number as u64)).unwrap();
    }
    let to = format!("type=local,dest={},mounts=true", folder.path().display());
    let size = || {
        let blobs = std::fs::read_dir(folder.path().join("blobs/sha256")).unwrap();
        blobs.map(|entry| entry.unwrap().metadata().unwrap().len()).sum::<u64>()
    };
    store.build(&["--cache-to", &to]).ok();
    let first = size();
    assert!(first as usize > mib << 20, "{first}");
    store.build(&["--cache-to", &to]).ok();
    assert_eq!(size(), first, "nothing changed, nothing is sent");
    for number in (0..count).step_by(50) {
        std::fs::write(mount.join(format!("{number:06}")), noise(SIZE, (number + count) as u64)).unwrap();
    }
    store.build(&["--cache-to", &to]).ok();
    let sent = size() - first;
    assert!(sent * 20 < first, "{sent} of {first}");
    println!("2 % changed: {:.2} % sent", sent as f64 * 100.0 / first as f64);

    let second = machine().unwrap();
    second
        .build(&["--cache-from", &format!("type=local,src={}", folder.path().display()), "--build-arg", "RUN=2"])
        .ok();
    assert_eq!(facts(&data(&second)), facts(&mount));
}

#[test]
fn a_mount_in_use_and_a_broken_content_are_said() {
    let Some(store) = machine() else { return };
    let folder = tempfile::tempdir().unwrap();
    store.build(&[]).ok();
    std::fs::write(data(&store).join("file"), noise(100_000, 3)).unwrap();
    let lock = std::fs::File::open(data(&store).with_file_name("lock-0")).unwrap();
    lock.lock_shared().unwrap();
    let to = format!("type=local,dest={},mounts=true", folder.path().display());
    let said = store.build(&["--cache-to", &to]).ok().stderr();
    assert!(said.contains("is in use and is not sent"), "{said}");
    drop(lock);
    store.build(&["--cache-to", &to]).ok();
    for entry in std::fs::read_dir(folder.path().join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        if bytes.len() > 50_000 {
            bytes[40_000] ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }
    }
    let second = machine().unwrap();
    let from = format!("type=local,src={}", folder.path().display());
    let said = second.build(&["--cache-from", &from, "--build-arg", "RUN=2"]).ok().stderr();
    assert!(said.contains("the cache mount /cache begins empty"), "{said}");
    assert_eq!(facts(&data(&second)), [""; 0]);
}
