//! Rights over files of many owners. An ordinary user has them only as root of a user namespace, and to make one takes as
//! long as a build in which nothing changed. Such a build does without: it begins as it is, and whatever turns out to
//! need the rights says so here first, upon which the program begins anew and gets them. Where they can't be had at all,
//! a command does without to its end, or fails where it needs them.

use std::sync::OnceLock;

struct Without {
    begin_anew: fn(),
    /// They may be had, and were only put off.
    can_be_had: bool,
}

static WITHOUT: OnceLock<Without> = OnceLock::new();

/// This process goes on without the rights. `begin_anew` puts another program in its place and does not return.
pub fn put_off(begin_anew: fn()) {
    WITHOUT.get_or_init(|| Without { begin_anew, can_be_had: true });
}

/// This process can't have the rights, and goes on as far as it gets. `fail` says why it ends, and does not return.
pub fn go_without(fail: fn()) {
    WITHOUT.get_or_init(|| Without { begin_anew: fail, can_be_had: false });
}

pub fn are_put_off() -> bool {
    WITHOUT.get().is_some_and(|without| without.can_be_had)
}

/// To be called before layers are made, looked into or removed. Does not return where there are no rights yet.
pub fn need() {
    if let Some(without) = WITHOUT.get() {
        (without.begin_anew)();
    }
}

/// To be called before anything that takes longer than getting the rights, or that has them where they can be had. Does
/// not return where they were put off.
pub fn want() {
    if are_put_off() {
        need();
    }
}
