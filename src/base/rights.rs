//! Rights over files of many owners, which layers have. root has them. An ordinary user has them as root of a user
//! namespace, and creating one takes as long as a build in which nothing changed; so such a build is first probed
//! without. Where no namespace can be had, a command continues without them, as far as it gets.
//!
//! A face finds out how it is with this process before its command runs, and says so here where rights are missing.
//! Code that makes, reads or removes layers asks for them with [`held`], and returns the error if there are none: only
//! the face decides what that means.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// This process has rights over files of many owners, or is nobody who was told that it lacks them. What adds a layer
/// to a store wants one of these.
#[derive(Debug, Clone, Copy)]
pub struct Rights(());

/// Rights that were asked for are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process has no rights over files of other users")]
pub struct NoRights(());

impl NoRights {
    /// For what is only probed. It is noted, should the error get lost on its way.
    pub fn noted() -> Self {
        WERE_MISSED.store(true, Ordering::Relaxed);
        Self(())
    }
}

/// Why a process is without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lack {
    /// They can be had by another process in place of this one.
    Deferred,
    Refused,
}

static LACK: OnceLock<Lack> = OnceLock::new();
static WERE_MISSED: AtomicBool = AtomicBool::new(false);

/// This process starts without the rights; where they are asked for, another one with them has to take its place.
pub fn defer() {
    LACK.get_or_init(|| Lack::Deferred);
}

/// This process can't have the rights, and continues as far as possible.
pub fn go_without() {
    LACK.get_or_init(|| Lack::Refused);
}

/// Whether this process only probes.
pub fn are_deferred() -> bool {
    LACK.get() == Some(&Lack::Deferred)
}

/// Whether something failed for want of rights.
pub fn were_missed() -> bool {
    WERE_MISSED.load(Ordering::Relaxed)
}

/// For what makes, reads or removes layers.
pub fn held() -> Result<Rights, NoRights> {
    match LACK.get() {
        None => Ok(Rights(())),
        Some(_) => Err(NoRights::noted()),
    }
}

/// For what takes longer than getting the rights, and does not need them: an error where they are only deferred.
pub fn not_deferred() -> Result<(), NoRights> {
    if are_deferred() { held().map(drop) } else { Ok(()) }
}
