//! rbuild's own image builds images where namespaces are not available, also in place of kaniko's.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::common::{TestStore, busybox_archive, is_root, skip};

/// A typical kaniko job; the base is not in a registry here.
const SCRIPT: &str = r#"
set -e
rbuild load -q -i /busybox.tar
/kaniko/executor --context dir:///workspace --no-push --tar-path /tmp/out.tar --digest-file /tmp/digest
cat /tmp/digest; echo
rbuild load -q -i /tmp/out.tar
rbuild info | grep ^Isolation
"#;

/// Both targets of the image, with the tested binary; skips, with a reason, if that is not possible.
pub(super) fn images() -> Option<TestStore> {
    let store = TestStore::with_busybox()?;
    if !is_root() {
        skip("ordinary users' containers have other rights");
        return None;
    }
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/image");
    let context = store.work().join("image");
    std::fs::create_dir_all(context.join("tree/kaniko")).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_rbuild"), context.join("rbuild")).unwrap();
    std::fs::write(context.join("ca-certificates.crt"), "none\n").unwrap();
    std::os::unix::fs::symlink("/usr/bin/rbuild", context.join("tree/kaniko/executor")).unwrap();
    for folder in ["tree/tmp", "tree/var/lib/rbuild"] {
        std::fs::create_dir_all(context.join(folder)).unwrap();
        std::fs::set_permissions(context.join(folder), Permissions::from_mode(0o1777)).unwrap();
    }
    let file = packaging.join("Dockerfile").display().to_string();
    for (name, more) in [("own", &[][..]), ("own:debug", &["--target", "debug"])] {
        store.run(&[&["build", "-q", "-f", &file, "-t", name], more, &["image"]].concat()).ok();
    }
    Some(store)
}

#[test]
fn a_job_of_kanikos_runs_in_it() {
    let Some(store) = images() else { return };
    let version = store.run(&["run", "--rm", "--network", "none", "own", "version"]).ok().stdout();
    assert!(version.contains("rbuild"), "{version}");
    // Without a command, kaniko's is meant, as in Tekton's task and Skaffold's pod.
    let tekton =
        ["run", "--rm", "--network", "none", "own", "--dockerfile=./Dockerfile", "--context=/none/./", "--no-push"];
    let said = store.run(&tekton).fails(1).stderr();
    assert!(said.contains("cannot open the build context `/none/./`"), "{said}");
    store.write("job/Dockerfile", "FROM busybox\nCOPY file /\nRUN cat /file > /copy && id -u\n");
    store.write("job/file", "content\n");
    store.write("script", SCRIPT);
    let job = format!("{}:/workspace", store.work().join("job").display());
    let script = format!("{}:/script:ro", store.work().join("script").display());
    let base = format!("{}:/busybox.tar:ro", busybox_archive().unwrap().display());
    let words = ["run", "--rm", "--network", "none", "-v", &job, "-v", &script, "-v", &base];
    let words = [&words[..], &["--entrypoint", "/busybox/sh", "own:debug", "/script"]].concat();
    let said = store.run(&words).ok().stdout();
    assert!(said.contains("sha256:") && said.contains("unset-image-name:latest"), "{said}");
    assert!(said.contains("Isolation: chroot:"), "{said}");
}
