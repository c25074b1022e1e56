//! A store on a disk that can be filled.

use std::fs;
use std::path::PathBuf;

use super::{Answer, TestStore, has_programs, is_root, must_run, skip, wait_until};

/// A store on a small disk.
pub struct Small {
    pub store: TestStore,
}

impl Small {
    pub fn new(megabytes: u32) -> Option<Self> {
        if !is_root() || !has_programs(&["mount", "umount"]) {
            skip("a small filesystem needs root");
            return None;
        }
        let store = TestStore::empty();
        fs::create_dir_all(store.root()).unwrap();
        let target = store.root().display().to_string();
        must_run("mount", &["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "small", &target]);
        Some(Self { store })
    }

    pub fn resize(&self, kilobytes: u32) {
        let target = self.store.root().display().to_string();
        must_run("mount", &["-o", &format!("remount,size={kilobytes}k"), &target]);
    }

    /// Leaves that many bytes free, and returns the file that takes up the rest.
    pub fn fill(&self, left: u64) -> PathBuf {
        let path = self.store.root().join("ballast");
        // Syncing in the background may take up space meanwhile.
        wait_until("the disk is still", || {
            let status = rustix::fs::statvfs(self.store.root().as_path()).unwrap();
            let free = status.f_bavail * status.f_frsize;
            let filled = fs::write(&path, vec![0; usize::try_from(free.saturating_sub(left)).unwrap()]).is_ok();
            if !filled {
                fs::remove_file(&path).unwrap();
            }
            filled
        });
        path
    }

    #[track_caller]
    pub fn is_in_order(&self) {
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
pub fn says_full(answer: &Answer) {
    assert_ne!(answer.code(), Some(0), "{}", answer.stdout());
    let said = answer.stderr().to_lowercase();
    assert!(said.contains("no space left") || said.contains("disk is full") || said.contains("disk i/o"), "{said}");
}
