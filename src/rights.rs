//! Rights over files of many owners. An ordinary user has them only as root of a user namespace, and to make one takes as
//! long as a build in which nothing changed. Such a build does without: it begins as it is, and whatever turns out to
//! need the rights says so here first, upon which the program begins anew and gets them.

use std::sync::OnceLock;

static BEGIN_ANEW: OnceLock<fn()> = OnceLock::new();

/// This process goes on without the rights. `begin_anew` puts another program in its place and does not return.
pub fn put_off(begin_anew: fn()) {
    BEGIN_ANEW.get_or_init(|| begin_anew);
}

pub fn are_put_off() -> bool {
    BEGIN_ANEW.get().is_some()
}

/// To be called before layers are made, looked into or removed, and before anything that takes longer than getting the
/// rights. Does not return where they were put off.
pub fn need() {
    if let Some(begin_anew) = BEGIN_ANEW.get() {
        begin_anew();
    }
}
