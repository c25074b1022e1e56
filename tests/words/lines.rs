//! The tables of command lines.

use super::common::{TestStore, is_root, skip};
use super::table;

/// Messages before anything is looked up: no store, image or rights are needed.
#[test]
fn lines_that_need_nothing() {
    let store = TestStore::empty();
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    table::check(&store, &table::rows(include_str!("lines.tsv")));
}

#[test]
fn lines_that_need_containers() {
    if !is_root() {
        return skip("needs root");
    }
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("env", "A=1\n");
    table::check(&store, &table::rows(include_str!("containers.tsv")));
}

#[test]
fn lines_about_what_runs() {
    if !is_root() {
        return skip("needs root");
    }
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("env", "FOO=file\n");
    store.write("names", "UNSET_HERE\n");
    store.write("marked", "\u{feff}A=1\nB=2\n");
    store.write("labels", "\u{feff}l1=1\nl2=2\n");
    table::check(&store, &table::rows(include_str!("running.tsv")));
}
