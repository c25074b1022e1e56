//! Failures: the message, what is left, and the exit codes, as in docker 28.5.2.

use super::common::{is_root, skip};
use super::machine::Machine;

/// The exit codes of `run` and `start`, and the record afterwards.
#[test]
fn codes_of_containers_that_could_not_start() {
    let Some(machine) = Machine::new() else { return };
    machine.says(&["volume", "create", "vol"]);
    let cases: &[(&[&str], &str, i32, &str)] = &[
        (&["--device", "/dev/no-such"], "true", 127, "created 128"),
        (&["--mount", "type=volume,src=vol,dst=/x,volume-subpath=none"], "true", 127, "created 128"),
        (&["-u", "nobody-here"], "true", 125, "created 128"),
        (&["-v", "/etc/hostname:/etc"], "true", 125, "created 127"),
        (&["-v", "/etc:/etc/passwd"], "true", 125, "created 127"),
        (&["--tmpfs", "/etc/passwd"], "true", 125, "created 127"),
        (&[], "no-such-program", 127, "created 127"),
        (&[], "/no/such/program", 127, "created 127"),
        (&[], "/etc/passwd/program", 125, "created 127"),
        (&[], "/etc", 126, "created 126"),
        (&[], "/etc/passwd", 126, "created 126"),
    ];
    for (options, program, code, state) in cases {
        let start = ["run", "--name", "box", "--network", "none"];
        machine.run(&[&start[..], options, &["busybox", program]].concat()).fails(*code);
        let of_state = || machine.field("box", "{{.State.Status}} {{.State.ExitCode}}");
        assert_eq!(of_state(), *state, "{options:?} {program}");
        machine.run(&["start", "box"]).fails(1);
        machine.run(&["start", "-a", "box"]).fails(1);
        assert_eq!(of_state(), *state, "{options:?} {program}, started again");
        machine.says(&["rm", "box"]);
    }
}

#[test]
fn what_can_be_known_before_leaves_no_container() {
    let Some(machine) = Machine::new() else { return };
    for (options, said) in [
        (["--ipc", "container:gone"], "no such container: gone"),
        (["--pid", "container:gone"], "no such container: gone"),
        (["--cpuset-cpus", "0-100000"], "requested CPUs are not available"),
        (["--cpuset-cpus", "x"], "invalid value x for cpuset cpus"),
        (["--cpuset-mems", "y"], "invalid value y for cpuset mems"),
        (["--add-host", "x"], "--add-host"),
        (["--mount", "type=volume,src=vol,dst=/x,volume-subpath=../x"], "relative path within the volume"),
    ] {
        let answer = machine.run(&[&["run", "--name", "box"], &options[..], &["busybox", "true"]].concat()).fails(125);
        assert!(answer.stderr().contains(said), "{options:?}: {}", answer.stderr());
        assert_eq!(machine.says(&["ps", "-aq"]), "");
    }
    let said = machine.run(&["network", "disconnect", "-f", "bridge", "gone"]).fails(1).stderr();
    assert!(said.contains("endpoint gone not found"), "{said}");
}

/// A file in place of a folder, as a message.
#[test]
fn a_mount_of_another_kind_is_named() {
    let Some(machine) = Machine::new() else { return };
    let (_, said) = machine.script(&["-v", "/etc/hostname:/etc"], "true");
    assert!(said.contains("cannot mount a file onto the folder `/etc`"), "{said}");
    let (_, said) = machine.script(&["-v", "/etc:/etc/passwd"], "true");
    assert!(said.contains("cannot mount a folder onto the file `/etc/passwd`"), "{said}");
}

/// A container that was started without such a limit has no cgroup of that kind yet.
#[test]
fn limits_are_changed_that_there_were_none_of() {
    let Some(machine) = Machine::new() else { return };
    if !is_root() {
        return skip("needs root, whose containers may have limits");
    }
    for options in [&[][..], &["-m", "100m"], &["--pids-limit", "50"]] {
        machine.start("box", options, "sleep 100");
        machine.says(&["update", "--cpuset-cpus", "0", "box"]);
        assert_eq!(machine.field("box", "{{.HostConfig.CpusetCpus}}"), "0");
        let allowed = machine.says(&["exec", "box", "sh", "-c", "grep Cpus_allowed_list /proc/1/status"]);
        assert!(allowed.ends_with("\t0"), "{options:?}: {allowed}");
        machine.run(&["update", "--cpuset-cpus", "100000", "box"]).fails(1);
        assert_eq!(machine.field("box", "{{.HostConfig.CpusetCpus}}"), "0");
        machine.says(&["rm", "-f", "box"]);
    }
}

#[test]
fn prune_leaves_volumes_without_a_name() {
    let Some(machine) = Machine::new() else { return };
    machine.says(&["create", "-v", "/anonymous", "busybox"]);
    machine.says(&["container", "prune", "-f"]);
    let left = machine.says(&["volume", "ls", "-qf", "dangling=true"]);
    assert_eq!((left.lines().count(), left.len()), (1, 64), "{left}");
    machine.says(&["create", "-v", "/anonymous", "--name", "box", "busybox"]);
    machine.says(&["rm", "-v", "box"]);
    assert_eq!(machine.says(&["volume", "ls", "-q"]), left);
}

#[test]
fn events_end_after_they_begin() {
    let Some(machine) = Machine::new() else { return };
    let said = machine.run(&["events", "--since", "10", "--until", "9"]).fails(1).stderr();
    assert!(said.contains("`since` time (10) cannot be after `until` time (9)"), "{said}");
    machine.says(&["events", "--until", "9"]);
}

/// Filters by ports match the ports of a running container.
#[test]
fn containers_by_their_ports() {
    let Some(machine) = Machine::new() else { return };
    let port = super::common::free_port().to_string();
    machine.says(&["create", "--name", "idle", "-p", "81", "--expose", "98", "busybox"]);
    let publish = format!("{port}:80");
    machine.says(&["run", "-d", "--name", "box", "-p", &publish, "--expose", "99", "busybox", "sleep", "100"]);
    let found = |filters: &[&str]| {
        let filters: Vec<&str> = filters.iter().flat_map(|filter| ["-f", filter]).collect();
        machine.says(&[&["ps", "-a", "--format", "{{.Names}}"], &filters[..]].concat())
    };
    let public = format!("publish={port}");
    for filter in [public.as_str(), "expose=80", "expose=99", "expose=90-100/tcp"] {
        assert_eq!(found(&[filter]), "box", "{filter}");
    }
    for filter in ["publish=80", "publish=81", "publish=99", "expose=81", "expose=98", "expose=80/udp"] {
        assert_eq!(found(&[filter]), "", "{filter}");
    }
    assert_eq!(found(&[&public, "expose=1"]), "box", "either will do");
}
