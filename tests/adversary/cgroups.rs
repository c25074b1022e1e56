//! The right to mount (`--cap-add SYS_ADMIN`) gives no access to the host's devices or cgroups.

use std::process::Command;

use crate::common::{Answer, has_programs, is_root, skip};
use crate::machine::Machine;

/// A device that root may open on the host, but no container may; as arguments of mknod(1).
const DEVICE: &str = "/dev/net/tun";
const NUMBERS: &str = "c 10 200";

/// Unmounts the cgroup v1 hierarchies, and mounts only v2.
const VERSION_2: &str = "awk '$3 ~ /^cgroup/ {print $2}' /proc/mounts | sort -r | xargs -r umount -l; \
                         mount -t cgroup2 none /sys/fs/cgroup && exec \"$@\"";

/// The cgroup versions that this machine can show to a program.
fn versions() -> Vec<u32> {
    if !is_root() {
        skip("only root's containers could open devices, and only root mounts hierarchies");
        return Vec::new();
    }
    if !has_programs(&["unshare", "awk"]) {
        return Vec::new();
    }
    if std::fs::File::open(DEVICE).is_err() {
        skip("there is no /dev/net/tun");
        return Vec::new();
    }
    let has_first = std::path::Path::new("/sys/fs/cgroup/devices/devices.list").exists();
    let test = Command::new("unshare").args(["-m", "sh", "-c", VERSION_2, "sh", "true"]).status();
    let has_second = test.is_ok_and(|status| status.success());
    if !has_first && !has_second {
        skip("no cgroup that guards devices is to be had");
    }
    [(1, has_first), (2, has_second)]
        .into_iter()
        .filter(|(_, is_there)| *is_there)
        .map(|(version, _)| version)
        .collect()
}

/// Runs a command with only that version mounted.
fn with_version(machine: &Machine, version: u32, arguments: &[&str]) -> Answer {
    let own = machine.0.command(arguments);
    if version == 1 {
        return { own }.output().expect("it can be started").into();
    }
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", VERSION_2, "sh"]).arg(own.get_program()).args(own.get_args());
    for (name, value) in own.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(folder) = own.get_current_dir() {
        command.current_dir(folder);
    }
    command.output().expect("it can be started").into()
}

fn run(machine: &Machine, version: u32, options: &[&str], script: &str) -> Answer {
    let arguments = [&["run", "--rm", "--network", "none"], options, &["busybox", "sh", "-c", script]].concat();
    with_version(machine, version, &arguments)
}

/// Prints `opened` if a node that it created can be opened, after trying to allow this in the hierarchies that it can
/// mount, and `null` if the standard device can be opened.
fn opens_device() -> String {
    format!(
        "mkdir -p /mnt /cg; mount -t tmpfs none /mnt && mknod /mnt/d {NUMBERS} && mknod /mnt/null c 1 3 && echo made
         (mount -t cgroup -o devices none /cg && echo a >/cg/devices.allow; echo '{NUMBERS} rwm' | sed 's/ 200/:200/' >/cg/devices.allow
          mkdir /cg/new; echo a >/cg/new/devices.allow; echo $$ >/cg/new/cgroup.procs
          sh -c 'echo $$ >/cg/cgroup.procs; dd if=/mnt/d count=0 2>&1 >/dev/null | grep -q ermitted || echo opened'; umount /cg
          mount -t cgroup2 none /cg && mkdir /cg/more && echo $$ >/cg/more/cgroup.procs) 2>/dev/null
         dd if=/mnt/d count=0 2>&1 >/dev/null | grep -q ermitted || echo opened
         echo x >/mnt/null && echo null"
    )
}

#[test]
fn a_device_of_the_host_cannot_be_opened() {
    for version in versions() {
        let Some(machine) = Machine::new() else { return };
        let script = opens_device();
        let wanted = "made\nnull\n";
        let mounts = ["--cap-add", "SYS_ADMIN"];
        for more in [
            &[][..],
            // cgroup v2 has no controllers beside v1.
            if version == 1 { &["-m", "100m"] } else { &[] },
            &["--device", "/dev/zero:/dev/other"],
            &["--device", "/dev/zero:/dev/other:r"],
            &["--cgroup-parent", "/rbuild-test-devices"],
        ] {
            let answer = run(&machine, version, &[&mounts, more].concat(), &script);
            assert_eq!(answer.stdout(), wanted, "version {version}, {more:?}: {}", answer.stderr());
        }
        with_version(
            &machine,
            version,
            &["run", "-d", "--name", "box", mounts[0], mounts[1], "busybox", "sleep", "1000"],
        )
        .ok();
        assert_eq!(with_version(&machine, version, &["exec", "box", "sh", "-c", &script]).stdout(), wanted);
        // Not even after the last container has tried to change what all such containers share.
        assert_eq!(run(&machine, version, &mounts, &script).stdout(), wanted, "version {version}");
        with_version(&machine, version, &["rm", "-f", "box"]).ok();
    }
}

#[test]
fn a_device_is_used_as_it_was_allowed() {
    for version in versions() {
        let Some(machine) = Machine::new() else { return };
        let script = "dd if=/dev/given count=0 2>/dev/null && echo read; dd of=/dev/given count=0 </dev/null 2>/dev/null && echo written";
        for (mode, wanted) in
            [("", "read\nwritten\n"), (":r", "read\n"), (":w", "written\n"), (":rw", "read\nwritten\n")]
        {
            let device = format!("{DEVICE}:/dev/given{mode}");
            let answer = run(&machine, version, &["--device", &device], script);
            assert_eq!(answer.stdout(), wanted, "version {version}, {mode}: {}", answer.stderr());
        }
        let made = format!("mkdir /d; mknod /d/given {NUMBERS}; {}", script.replace("/dev/given", "/d/given"));
        for (rule, wanted) in
            [("c 10:200 r", "read\n"), ("c 10:* w", "written\n"), ("c 10:201 rw", ""), ("b *:* rwm", "")]
        {
            let answer = run(&machine, version, &["--device-cgroup-rule", rule], &made);
            assert_eq!(answer.stdout(), wanted, "version {version}, {rule}: {}", answer.stderr());
        }
    }
}

/// The program that the kernel executes when a cgroup becomes empty is named by a file in a hierarchy's root.
#[test]
fn the_root_of_no_hierarchy_is_seen() {
    let hierarchies = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    for version in versions().into_iter().filter(|version| *version == 1) {
        let Some(machine) = Machine::new() else { return };
        for options in [&[][..], &["-m", "100m", "--cpuset-cpus", "0"]] {
            for line in hierarchies.lines() {
                let Some(controllers) = line.split(':').nth(1).filter(|name| !name.is_empty()) else { continue };
                let kind =
                    if controllers.contains('=') { format!("none,{controllers}") } else { controllers.to_owned() };
                let script = format!(
                    "mkdir /cg; mount -t cgroup -o {kind} none /cg || exit; ls /cg | grep -x -e tasks -e release_agent"
                );
                let answer = run(&machine, version, &[&["--cap-add", "SYS_ADMIN"], options].concat(), &script);
                assert_eq!(answer.stdout(), "tasks\n", "{controllers}: {}", answer.stderr());
            }
            // In cgroup v2, all but the root can be frozen.
            let script = "mkdir /cg; mount -t cgroup2 none /cg && test -e /cg/cgroup.freeze && echo apart";
            let answer = run(&machine, version, &["--cap-add", "SYS_ADMIN"], script);
            assert_eq!(answer.stdout(), "apart\n", "{}", answer.stderr());
        }
    }
}
