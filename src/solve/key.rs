//! Cache keys: what a step does, and what it starts from. Never a time.
//!
//! A key changes with everything that the step's result may depend on, and with nothing else. The tags carry a version:
//! a change of what goes into a key is a change of its tag.

use crate::digest::{CacheKey, FieldHasher};
use crate::plan::{CopyStep, DirectoryStep, NetworkMode, RunStep};
use crate::snapshot::Stack;

/// The part of a key that all kinds of steps have.
fn hasher(tag: &str, parent: &Stack) -> FieldHasher {
    let mut hasher = FieldHasher::new(tag);
    hasher.field(&parent.tree_digest());
    hasher
}

pub(super) fn directory(step: &DirectoryStep, parent: &Stack) -> CacheKey {
    let mut hasher = hasher("directory-1", parent);
    hasher.field(step.path.as_os_str().as_encoded_bytes()).field(step.user.as_bytes());
    CacheKey::from_bytes(hasher.finish())
}

/// `sources` is a digest of what is copied.
pub(super) fn copy(step: &CopyStep, parent: &Stack, sources: &[u8; 32]) -> CacheKey {
    let nothing = Stack::default();
    // With --link the files below are not looked at, unless for the name of an owner.
    let names_owner =
        step.chown.as_deref().is_some_and(|owner| owner.contains(|c: char| !c.is_ascii_digit() && c != ':'));
    let below = if step.link && !names_owner { &nothing } else { parent };
    let mut hasher = hasher("copy-1", below);
    hasher.field(step.destination.as_bytes());
    optional(&mut hasher, step.chown.as_deref());
    optional(&mut hasher, step.chmod.as_ref().map(|chmod| format!("{chmod:?}")).as_deref());
    hasher.number(u64::from(step.parents)).number(u64::from(step.link));
    hasher.field(sources);
    CacheKey::from_bytes(hasher.finish())
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
    strings(&mut hasher, &step.devices);
    let (name, text) = step.script.clone().unwrap_or_default();
    hasher.field(name.as_bytes()).field(text.as_bytes());
    hasher.field(mounts).field(settings);
    CacheKey::from_bytes(hasher.finish())
}

pub(super) fn strings(hasher: &mut FieldHasher, list: &[String]) {
    hasher.list(list.len());
    for text in list {
        hasher.field(text.as_bytes());
    }
}

fn optional(hasher: &mut FieldHasher, text: Option<&str>) {
    match text {
        Some(text) => hasher.number(1).field(text.as_bytes()),
        None => hasher.number(0),
    };
}
