//! Warns about a runc from which containers can escape before it is used.

use std::os::unix::fs::PermissionsExt as _;

use super::common::TestStore;

#[test]
fn an_old_runc_is_warned_of() {
    let Some(store) = TestStore::loaded() else { return };
    for (version, is_old) in [("1.1.5+ds1", true), ("1.2.7", true), ("1.2.8", false), ("1.4.0", false)] {
        let program = store.write("runc", format!("#!/bin/sh\necho runc version {version}\n"));
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        let said = store.run(&["create", "--runtime", "./runc", "busybox", "true"]).ok().stderr();
        assert_eq!(said.contains("CVE-2025-31133"), is_old, "{version}: {said}");
    }
}
