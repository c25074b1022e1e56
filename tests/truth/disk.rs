//! A disk that is full, at each kind of write: the error says so, nothing is left half written, and the store works again
//! once there is room.

use std::fs;
use std::path::PathBuf;

use crate::common::{Answer, TestStore, busybox_archive, has_programs, is_root, must_run, skip};

/// A store on a small disk.
struct Small {
    store: TestStore,
}

impl Small {
    fn new(megabytes: u32) -> Option<Self> {
        if !is_root() || !has_programs(&["mount", "umount"]) {
            skip("a small filesystem needs root");
            return None;
        }
        TestStore::with_busybox()?;
        let store = TestStore::empty();
        fs::create_dir_all(store.root()).unwrap();
        let target = store.root().display().to_string();
        must_run("mount", &["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "small", &target]);
        Some(Self { store })
    }

    fn resize(&self, kilobytes: u32) {
        let target = self.store.root().display().to_string();
        must_run("mount", &["-o", &format!("remount,size={kilobytes}k"), &target]);
    }

    /// Leaves so many bytes free, and gives the file that takes the rest.
    fn fill(&self, left: u64) -> PathBuf {
        let path = self.store.root().join("ballast");
        let status = rustix::fs::statvfs(self.store.root().as_path()).unwrap();
        let free = status.f_bavail * status.f_frsize;
        fs::write(&path, vec![0; usize::try_from(free.saturating_sub(left)).unwrap()]).unwrap();
        path
    }

    fn load(&self) -> Answer {
        self.store.run(&["load", "-i", &busybox_archive().unwrap().to_string_lossy()])
    }

    #[track_caller]
    fn is_in_order(&self) {
        let check = self.store.run(&["system", "check"]);
        assert_eq!(check.code(), Some(0), "{}{}", check.stdout(), check.stderr());
        let left: Vec<_> = fs::read_dir(self.store.root().join("tmp")).unwrap().flatten().collect();
        // The check's own folders are gone by now.
        assert!(left.is_empty(), "{left:?}");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.store.root()).status();
    }
}

#[track_caller]
fn says_full(answer: &Answer) {
    assert_ne!(answer.code(), Some(0), "{}", answer.stdout());
    let said = answer.stderr().to_lowercase();
    assert!(said.contains("no space left") || said.contains("disk is full") || said.contains("disk i/o"), "{said}");
}

#[test]
fn blobs_layers_and_archives() {
    let Some(small) = Small::new(64) else { return };
    let store = &small.store;
    small.load().ok();
    let ballast = small.fill(300 << 10);
    store.write("ctx/big", vec![7; 4 << 20]);
    says_full(&store.build_text("FROM busybox\nCOPY big /big\n", &[]));
    says_full(&store.build_text("FROM busybox\nRUN head -c 4000000 /dev/zero > /z || exit 7; cat /z /z > /y\n", &[]));
    says_full(&store.run(&["save", "-o", &store.root().join("out.tar").to_string_lossy(), "busybox"]));
    assert!(!store.root().join("out.tar").exists(), "half an archive");
    store.run(&["rmi", "-f", "busybox"]).ok();
    fs::remove_file(&ballast).unwrap();
    let ballast = small.fill(300 << 10);
    says_full(&small.load());
    fs::remove_file(ballast).unwrap();
    small.is_in_order();
    small.load().ok();
    store.build_text("FROM busybox\nCOPY big /big\nRUN ls /big\n", &[]).ok();
    small.is_in_order();
}

#[test]
fn the_database_and_what_is_noted_beside_it() {
    let Some(small) = Small::new(64) else { return };
    let store = &small.store;
    small.load().ok();
    for left in [0, 4 << 10, 16 << 10, 64 << 10] {
        let ballast = small.fill(left);
        let tag = store.run(&["tag", "busybox", "other:1"]);
        if tag.code() != Some(0) {
            says_full(&tag);
        }
        store.write("ctx/f", format!("{left}"));
        let build = store.build_text("FROM busybox\nCOPY f /f\nRUN echo 1 > /1\n", &["-t", "noted"]);
        if build.code() != Some(0) {
            says_full(&build);
        }
        fs::remove_file(ballast).unwrap();
        small.is_in_order();
        store.run(&["tag", "busybox", "other:2"]).ok();
        store.build(&["-t", "noted"]).ok();
        let said = store.run(&["run", "--rm", "--network", "none", "noted", "cat", "/f"]).ok().stdout();
        assert_eq!(said, format!("{left}"));
    }
    small.resize(128 << 10);
    small.is_in_order();
}
