//! `system service install` and `uninstall`, checked by the files that they write.

use std::os::unix::fs::symlink;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use crate::common::user::User;
use crate::common::{Answer, TestStore, has_programs, is_root, skip};

const NAMES: [&str; 3] = ["rbuild.socket", "rbuild.service", "rbuild-containers.service"];

#[test]
fn a_users_units() {
    let Some(user) = User::find() else { return };
    let folder = user.home.path().join(".config/systemd/user");
    let run = |words: &[&str]| {
        let mut command = user.command(words);
        command.env_remove("RBUILD_ROOT").env_remove("XDG_CONFIG_HOME");
        Answer::of(command).ok()
    };
    let installed = run(&["system", "service", "install"]);
    let paths: Vec<String> = NAMES.iter().map(|name| folder.join(name).display().to_string()).collect();
    assert_eq!(installed.stdout().lines().collect::<Vec<_>>(), paths);
    let said = installed.stderr();
    assert!(said.contains("systemctl --user enable --now rbuild.socket rbuild-containers.service"), "{said}");
    assert!(said.contains("loginctl enable-linger"), "{said}");
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(text("rbuild.socket").contains("ListenStream=%t/rbuild/docker.sock\nSocketMode=0600\n"));
    let program = user.program().display().to_string();
    assert!(text("rbuild.service").contains(&format!("ExecStart={program} system service --time 60 fd://\n")));
    let containers = text("rbuild-containers.service");
    for line in [
        format!("ExecStart={program} system service boot"),
        format!("ExecStop={program} system service shutdown"),
        "Type=oneshot".to_owned(),
        "RemainAfterExit=yes".to_owned(),
        "KillMode=process".to_owned(),
        "WantedBy=default.target".to_owned(),
    ] {
        assert!(containers.lines().any(|known| known == line), "{line}: {containers}");
    }
    for path in &paths {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o644, "{path}");
    }
    // As `systemctl enable` leaves them.
    let link = folder.join("sockets.target.wants/rbuild.socket");
    std::fs::create_dir(link.parent().unwrap()).unwrap();
    symlink(folder.join("rbuild.socket"), &link).unwrap();
    // It belongs to the user, whoever runs the test.
    let owner = std::fs::metadata(user.home.path()).unwrap().uid();
    std::os::unix::fs::chown(link.parent().unwrap(), Some(owner), None).unwrap();
    std::fs::write(folder.join("other.service"), "").unwrap();
    let removed = run(&["system", "service", "uninstall"]).stdout();
    assert_eq!(removed.lines().count(), 4, "{removed}");
    assert!(NAMES.iter().all(|name| !folder.join(name).exists()) && link.symlink_metadata().is_err());
    assert!(folder.join("other.service").exists(), "others' units stay");
    assert!(run(&["system", "service", "uninstall"]).stderr().contains("no units of rbuild are in"));
}

#[test]
fn roots_units_and_a_store_elsewhere() {
    if !is_root() {
        return skip("only root has a place for units of the machine");
    }
    if !has_programs(&["unshare", "mount"]) {
        return;
    }
    let store = TestStore::empty();
    // Not in the machine's own folder.
    const ALONE: &str = "mount -t tmpfs none /etc && \"$1\" --root '/srv/a b' system service install --group 7 && \
                         cat /etc/systemd/system/rbuild* && \"$1\" system service uninstall && ls /etc/systemd/system";
    let asked = store.command(&[]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", ALONE, "sh"]).arg(asked.get_program()).env("RBUILD_ROOT", store.root());
    let said = Answer::of(command).ok().stdout();
    for line in [
        "ListenStream=/run/rbuild/docker.sock",
        "SocketMode=0660",
        "SocketGroup=7",
        "After=network-online.target",
        "WantedBy=multi-user.target",
    ] {
        assert!(said.lines().any(|known| known == line), "{line}: {said}");
    }
    assert!(said.contains(" --root \"/srv/a b\" system service boot\n"), "{said}");
    assert!(said.trim_end().ends_with("/etc/systemd/system/rbuild-containers.service"), "nothing is left: {said}");
}
