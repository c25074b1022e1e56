//! The attacks on root's containers with their own users (`--userns=remap`), for which rbuild acts with root's rights.

use std::fs::File;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Stdio;

use crate::commands::pairs;
use crate::common::{Answer, is_root, skip};
use crate::fixtures::{Canary, Setting, Tar, add_image, ends, exchange_all_in, with_attacker};
use crate::machine::Machine;

/// User IDs of the host that nobody has.
const USERS: &str = "--userns=remap:3000000:65536";

/// A machine of root whose kernel and filesystem support ID-mapped mounts; skips, with a reason, if there is none.
fn machine() -> Option<Machine> {
    if !is_root() {
        skip("only root can give containers other users");
        return None;
    }
    let machine = Machine::new()?;
    let answer = machine.run(&["run", "--rm", "--network", "none", USERS, "busybox", "true"]);
    let has_mounts = !answer.stderr().contains("ID-mapped");
    if !has_mounts {
        skip("the filesystem of the store knows no ID-mapped mounts");
    }
    assert!(answer.code() == Some(0) || !has_mounts, "{}", answer.stderr());
    has_mounts.then_some(machine)
}

fn run(machine: &Machine, options: &[&str], image: &str, script: &str) -> Answer {
    let first = ["run", "--rm", "--network", "none", USERS];
    ends(machine.0.command(&[&first, options, &[image, "sh", "-c", script]].concat()))
}

#[test]
fn the_kernels_files_are_the_kernels() {
    let Some(machine) = machine() else { return };
    let setting = Setting::new(Setting::CORE_PATTERN);
    let link = |name: &str| Tar::new().link(name, Setting::CORE_PATTERN);
    add_image(&machine.0, "dev", link("dev/null"), "VOLUME /dev");
    add_image(&machine.0, "sys", link("proc/sys/net/core/somaxconn"), "VOLUME /proc/sys/net");
    let script =
        "for f in interrupts keys kcore timer_list; do echo x > /proc/$f; done; echo x > /proc/sys/kernel/core_pattern";
    for (options, image) in [
        (&[][..], "dev"),
        (&["--sysctl", "net.core.somaxconn=1024"], "sys"),
        (&["--cap-add", "ALL"], "dev"),
        (&["-t"], "dev"),
    ] {
        run(&machine, options, image, script);
        setting.assert_untouched();
    }
    let dockerfile = format!(
        "FROM busybox AS d\nRUN mkdir /d && ln -s {} /d/null\nFROM busybox\nRUN --mount=type=bind,from=d,source=/d,target=/dev {script}; true\n",
        Setting::CORE_PATTERN
    );
    machine.0.build_text(&dockerfile, &["--no-cache", USERS]);
    setting.assert_untouched();
}

#[test]
fn what_is_exchanged_leads_nowhere() {
    let Some(machine) = machine().and_then(with_attacker) else { return };
    let canary = Canary::beside(&machine.0);
    let script = format!("{}; {}; : > /ready; sleep 10000", pairs("/v", &canary), pairs("/w", &canary));
    machine.says(&[
        "run",
        "-d",
        "--name",
        "box",
        "--network",
        "none",
        USERS,
        "-v",
        "vol:/v",
        "attacker",
        "sh",
        "-c",
        &script,
    ]);
    machine.until(&["exec", "box", "ls", "/"], |names| names.contains("ready"));
    exchange_all_in(&machine, "box", "/v");
    exchange_all_in(&machine, "box", "/w");
    machine.0.write("mine", "mine");
    let attack = "cat /m/secret /m/full/secret /m; touch /m/new; chmod 777 /m /m/secret; rm -rf /m/*; true";
    let answer = |arguments: &[&str]| {
        let answer = ends(machine.0.command(arguments));
        canary.assert_not_in(answer.stdout_bytes());
        canary.assert_untouched_by(&arguments);
    };
    for number in 0..6 {
        for part in ["folder1-a", "folder2-b", "folder3-a/full", "file1-a"] {
            let mount = format!("type=volume,src=vol,dst=/m,volume-subpath={part}");
            answer(&["run", "--rm", "--network", "none", USERS, "--mount", &mount, "busybox", "sh", "-c", attack]);
        }
        answer(&["export", "box"]);
        for pause in ["--pause=false", "--pause=true"] {
            answer(&["commit", pause, "box", "taken"]);
            answer(&["save", "taken"]);
        }
        answer(&["cp", "box:/w", "-"]);
        answer(&["cp", "box:/w/folder1-a", &format!("out-{number}")]);
        answer(&["cp", "mine", "box:/w/folder1-a/secret"]);
        answer(&["exec", "-w", "/w/folder2-a", "box", "sh", "-c", "cat secret; rm -rf ./*; touch new"]);
        answer(&["diff", "box"]);
        answer(&["system", "df", "-v"]);
    }
    machine.says(&["rm", "-f", "-v", "box"]);
    canary.assert_not_below(&machine.0.work());
}

#[test]
fn places_of_mounts_are_removed_where_they_were_made() {
    let Some(machine) = machine() else { return };
    let canary = Canary::beside(&machine.0);
    let host = canary.path().display();
    for mount in ["type=tmpfs", "type=cache,id=a", "type=bind,from=busybox,source=/bin"] {
        for moved in ["/a", "/a/full"] {
            let run = format!("RUN --mount={mount},target=/a/full/new mv {moved} /m && ln -s {host} {moved}\n");
            machine.0.build_text(&format!("FROM busybox\nRUN mkdir -p /a/full\n{run}"), &["--no-cache", USERS]);
            canary.assert_untouched_by(&(mount, moved));
        }
    }
    let script = format!("mv /q /z && ln -s {host} /q");
    for option in [["-v", "/q/empty-folder"], ["--tmpfs", "/q/empty-folder"]] {
        let first = ["run", "--name", "box", "--network", "none", USERS];
        ends(machine.0.command(&[&first[..], &option, &["busybox", "sh", "-c", &script]].concat()));
        machine.says(&["commit", "box", "taken"]);
        machine.says(&["rm", "-fv", "box"]);
        canary.assert_untouched_by(&option);
    }
}

#[test]
fn a_program_gets_no_file_of_the_host() {
    let Some(machine) = machine() else { return };
    let canary = Canary::beside(&machine.0);
    machine.says(&["run", "-d", "--name", "box", "--network", "none", USERS, "busybox", "sleep", "1000"]);
    let attack = "for n in 0 1 2; do chmod 4777 /proc/self/fd/$n; done 2>/dev/null; echo x >> /proc/self/fd/0; true";
    let [input, output] = ["in", "out"].map(|name| machine.0.write(name, "before\n"));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode();
    let before = [mode(&input), mode(&output)];
    for arguments in [
        &["exec", "-i", "box", "sh", "-c", attack][..],
        &["run", "--rm", "-i", "--network", "none", USERS, "busybox", "sh", "-c", attack],
    ] {
        let mut command = machine.0.command(arguments);
        command.stdin(File::open(&input).unwrap()).stdout(File::options().append(true).open(&output).unwrap());
        command.stderr(Stdio::null()).status().unwrap();
        assert_eq!([mode(&input), mode(&output)], before, "{arguments:?}");
        assert_eq!(std::fs::read_to_string(&input).unwrap(), "before\n");
        assert_eq!(input.metadata().unwrap().uid(), 0);
    }
    for number in 3..24 {
        let folder = format!("/proc/self/fd/{number}");
        let mut shell = std::process::Command::new("bash");
        let exec = machine.0.command(&["exec", "-w", &folder, "box", "sh", "-c", "cat secret full/secret; ls -a"]);
        shell.args(["-c", &format!("exec 9<{}; exec \"$@\"", canary.path().display()), "bash"]);
        shell.arg(exec.get_program()).args(exec.get_args()).env("RBUILD_ROOT", machine.0.root());
        let answer = Answer::of(shell);
        canary.assert_not_in(answer.stdout() + &answer.stderr());
    }
}

/// The host's null device, which only root may change.
#[test]
fn the_null_device_is_the_containers() {
    let Some(machine) = machine() else { return };
    let facts = || std::fs::metadata("/dev/null").map(|null| (null.mode(), null.uid())).unwrap();
    let before = facts();
    let attack = "chmod 606 /proc/self/fd/0 /dev/null; chown 7 /proc/self/fd/0; echo x > /dev/null && cat /dev/null";
    machine.says(&["run", "-d", "--name", "box", "--network", "none", USERS, "busybox", "sleep", "1000"]);
    run(&machine, &[], "busybox", attack);
    machine.run(&["exec", "box", "sh", "-c", attack]).ok();
    assert_eq!(facts(), before);
}
