//! Cache keys: a digest of what a step does, and what it starts from. They contain no time.
//!
//! A key changes with everything that the step's result may depend on, and with nothing else. The tags carry a version:
//! whoever changes the content of a key changes its tag.

use crate::base::digest::{CacheKey, FieldHasher};
use crate::language::plan::{Chmod, CopyStep, DirectoryStep, NetworkMode, RunStep};
use crate::store::snapshot::Stack;

/// The part of a key that all kinds of steps share.
fn hasher(tag: &str, parent: &Stack) -> FieldHasher {
    let mut hasher = FieldHasher::new(tag);
    hasher.field(&parent.tree_digest());
    hasher
}

pub(super) fn directory(step: &DirectoryStep, parent: &Stack) -> CacheKey {
    let mut hasher = hasher("directory-1", parent);
    hasher.field(step.path.as_os_str().as_encoded_bytes()).field(step.user.as_bytes());
    epoch(&mut hasher, step.epoch);
    CacheKey::from_bytes(hasher.finish())
}

/// With --link the files below are not read, except for an owner's name.
pub(super) fn looks_below(step: &CopyStep) -> bool {
    let names_owner = |owner: &str| owner.contains(|letter: char| !letter.is_ascii_digit() && letter != ':');
    !step.link || step.chown.as_deref().is_some_and(names_owner)
}

/// `sources` is a digest of what is copied.
pub(super) fn copy(step: &CopyStep, parent: &Stack, sources: &[u8; 32]) -> CacheKey {
    let nothing = Stack::default();
    let below = if looks_below(step) { parent } else { &nothing };
    let mut hasher = hasher("copy-4", below);
    copy_operation(&mut hasher, step);
    hasher.field(sources);
    epoch(&mut hasher, step.epoch);
    if let Some(seconds) = step.latest_time {
        hasher.field(b"latest time").field(&seconds.to_le_bytes());
    }
    CacheKey::from_bytes(hasher.finish())
}

/// A copy's operation, without its content.
pub(super) fn copy_operation(hasher: &mut FieldHasher, step: &CopyStep) {
    hasher.field(step.destination.as_bytes());
    hasher.optional(step.chown.as_deref().map(str::as_bytes));
    hasher.optional(step.chmod.as_ref().map(Chmod::encoded).as_deref().map(str::as_bytes));
    hasher.number(u64::from(step.parents)).number(u64::from(step.link));
}

/// `mounts` is a digest of what is mounted.
pub(super) fn run(step: &RunStep, parent: &Stack, mounts: &[u8; 32], settings: &[u8; 32]) -> CacheKey {
    let mut hasher = hasher("run-1", parent);
    strings(&mut hasher, &step.arguments);
    hasher.list(step.environment.len());
    for (name, value) in &step.environment {
        hasher.field(name.as_bytes()).field(value.as_bytes());
    }
    hasher.field(step.working_directory.as_bytes()).field(step.user.as_bytes());
    let network = match step.network {
        NetworkMode::Default => 0,
        NetworkMode::None => 1,
        NetworkMode::Host => 2,
    };
    hasher.number(network).number(u64::from(step.insecure));
    strings(&mut hasher, &step.devices.iter().map(|device| device.name.clone()).collect::<Vec<_>>());
    let (name, text) = step.script.clone().unwrap_or_default();
    hasher.field(name.as_bytes()).field(text.as_bytes());
    hasher.field(mounts).field(settings);
    if step.epoch.is_some() {
        epoch(&mut hasher, step.epoch);
    }
    CacheKey::from_bytes(hasher.finish())
}

pub(super) fn strings(hasher: &mut FieldHasher, list: &[String]) {
    hasher.list(list.len());
    for text in list {
        hasher.field(text.as_bytes());
    }
}

/// A requested time is part of the result, so that the same inputs give the same bytes from any cache.
fn epoch(hasher: &mut FieldHasher, epoch: Option<i64>) {
    hasher.optional(epoch.map(|seconds| seconds.to_string()).as_deref().map(str::as_bytes));
}

/// The layers below, and the requested times: that of new files, and the maximum.
pub(super) fn stack_at(below: &[u8; 32], times: [Option<i64>; 2]) -> [u8; 32] {
    let mut hasher = FieldHasher::new("stack-at-2");
    hasher.field(below);
    for time in times {
        hasher.optional(time.map(i64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::{DiffId, TreeDigest};
    use crate::language::plan::StepId;
    use crate::store::snapshot::StackLayer;

    fn stack(diff_id: u8, tree: u8) -> Stack {
        let tree = Some(TreeDigest::from_bytes([tree; 32]));
        Stack::default().with(StackLayer { diff_id: DiffId::from_bytes([diff_id; 32]), tree })
    }

    fn run_step() -> RunStep {
        RunStep {
            parent: StepId(0),
            arguments: vec!["/bin/sh".to_owned(), "-c".to_owned(), "make".to_owned()],
            environment: vec![("PATH".to_owned(), "/bin".to_owned())],
            argument_names: Vec::new(),
            proxies: Vec::new(),
            working_directory: "/src".to_owned(),
            user: String::new(),
            network: NetworkMode::Default,
            insecure: false,
            mounts: Vec::new(),
            devices: Vec::new(),
            script: None,
            epoch: None,
        }
    }

    /// A change of a key's content must change its tag, and this test.
    #[test]
    fn keys_stay_what_they_are() {
        let directory_step =
            DirectoryStep { parent: StepId(0), path: "/w".into(), user: "app".to_owned(), epoch: None };
        let keys =
            [directory(&directory_step, &stack(1, 2)).hex(), run(&run_step(), &stack(1, 2), &[3; 32], &[4; 32]).hex()];
        assert_eq!(
            keys,
            [
                "9321d4d7c547fd7b1ebfb92ec5c2e8c040d8362199391905a441c391047a5a5e",
                "1ecde20a0055f674fad31497e077eef2bf34beb39ce8a0c5f21e89aaf97a0c4c",
            ]
        );
    }

    #[test]
    fn a_key_knows_the_tree_below_and_no_time_and_no_proxy() {
        let key = |step: &RunStep, parent: &Stack| run(step, parent, &[0; 32], &[0; 32]);
        let usual = key(&run_step(), &stack(1, 2));
        assert_eq!(key(&run_step(), &stack(9, 2)), usual, "the same tree with other times");
        assert_ne!(key(&run_step(), &stack(1, 9)), usual, "another tree");
        let proxies = vec![("http_proxy".to_owned(), "http://proxy".to_owned())];
        assert_eq!(key(&RunStep { proxies, ..run_step() }, &stack(1, 2)), usual, "a proxy");
        let user = "app".to_owned();
        assert_ne!(key(&RunStep { user, ..run_step() }, &stack(1, 2)), usual, "another user");
    }
}
