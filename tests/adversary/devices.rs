//! CDI specifications that others may write: they could mount anything.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};

use crate::fixtures::{Canary, ends, everybody};
use crate::machine::Machine;

const STRANGER: u32 = 64_322;

/// Builds with the specifications in the folder `cdi`; returns the output.
fn build(machine: &Machine) -> String {
    machine.0.write(
        "ctx/Dockerfile",
        "FROM busybox\nRUN --device=vendor.com/d=x cat /m/secret /m/full/secret; touch /m/new; rm -rf /m/*; true\n",
    );
    let mut command = machine.0.command(&["build", "--no-cache", "--progress", "plain", "--allow", "device", "ctx"]);
    command.env("CDI_SPEC_DIRS", machine.0.work().join("cdi"));
    ends(command).stderr()
}

fn describe(machine: &Machine, folder: &str) {
    let edits =
        format!(r#"{{"mounts": [{{"hostPath": "{folder}", "containerPath": "/m", "options": ["rbind", "rw"]}}]}}"#);
    let text = format!(
        r#"{{"cdiVersion": "0.6.0", "kind": "vendor.com/d", "devices": [{{"name": "x", "containerEdits": {edits}}}]}}"#
    );
    let path = machine.0.write("cdi/vendor.json", text);
    let owner = machine.0.work().metadata().unwrap();
    for path in [path.parent().unwrap(), &path] {
        lchown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
}

#[test]
fn descriptions_that_others_may_write_mount_nothing() {
    for (name, machine) in everybody() {
        // It works if nobody else may write it.
        machine.0.write("host/secret", "of the host");
        describe(&machine, machine.0.work().join("host").to_str().unwrap());
        assert!(build(&machine).contains("of the host"), "{name}: {}", build(&machine));
        let canary = Canary::beside(&machine.0);
        describe(&machine, canary.path().to_str().unwrap());
        let work = machine.0.work();
        let (folder, file) = (work.join("cdi"), work.join("cdi/vendor.json"));
        let set = |path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        for (path, mode) in [(&folder, 0o777), (&folder, 0o775), (&folder, 0o1777), (&file, 0o666), (&file, 0o664)] {
            let before = path.metadata().unwrap().mode();
            set(path, mode);
            canary.assert_not_in(build(&machine));
            canary.assert_untouched_by(&(name, path, mode));
            set(path, before);
        }
        // An ordinary user's rbuild can't distinguish root's files from those of others, and accepts them.
        if name != "root" {
            continue;
        }
        for path in [&folder, &file] {
            let before = path.metadata().unwrap().uid();
            lchown(path, Some(STRANGER), None).unwrap();
            canary.assert_not_in(build(&machine));
            canary.assert_untouched_by(&(name, path, "another owner"));
            lchown(path, Some(before), None).unwrap();
        }
    }
}
