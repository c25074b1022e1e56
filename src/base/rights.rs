//! Rights over files of many owners. An ordinary user has them only as root of a user namespace, and creating one takes
//! as long as a build in which nothing changed. Such a build defers that: it starts without the rights. Code that needs
//! them calls this module first, which restarts the program inside a namespace. Where the rights are not available at
//! all, a command continues without them, or fails where it needs them.

use std::sync::OnceLock;

struct Without {
    begin_anew: fn(),
    /// They are available, but deferred.
    can_be_had: bool,
}

static WITHOUT: OnceLock<Without> = OnceLock::new();

/// This process continues without the rights. `begin_anew` replaces it by another program and does not return.
pub fn put_off(begin_anew: fn()) {
    WITHOUT.get_or_init(|| Without { begin_anew, can_be_had: true });
}

/// This process can't have the rights, and continues as far as possible. `fail` reports the reason, and does not
/// return.
pub fn go_without(fail: fn()) {
    WITHOUT.get_or_init(|| Without { begin_anew: fail, can_be_had: false });
}

pub fn are_put_off() -> bool {
    WITHOUT.get().is_some_and(|without| without.can_be_had)
}

/// Call this before making, reading or removing layers. Does not return if the rights are missing.
pub fn need() {
    if let Some(without) = WITHOUT.get() {
        (without.begin_anew)();
    }
}

/// Call this before anything that takes longer than getting the rights, or that uses them if they are available. Does
/// not return if they were deferred.
pub fn want() {
    if are_put_off() {
        need();
    }
}
