//! Containers that start again with the machine. A killed monitor has the same effect as a machine that goes down.

use super::common::wait_until;
use super::machine::Machine;

const FOR_EVER: &str = "trap 'exit 0' TERM; sleep 1000 & wait";

fn kill_monitor(machine: &Machine, name: &str) {
    let pid = rustix::process::Pid::from_raw(machine.state_number(name, "MonitorPid")).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    wait_until("it is gone", || machine.field(name, "{{.State.Running}}") == "false");
}

fn running(machine: &Machine) -> Vec<String> {
    let mut names: Vec<String> = machine.says(&["ps", "--format", "{{.Names}}"]).lines().map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn policies_and_what_was_stopped_by_hand_decide() {
    let Some(machine) = Machine::new() else { return };
    for (name, policy) in [
        ("always", "always"),
        ("stopped-always", "always"),
        ("unless", "unless-stopped"),
        ("stopped-unless", "unless-stopped"),
        ("failing", "on-failure"),
        ("once", "no"),
    ] {
        machine.start(name, &["--restart", policy], FOR_EVER);
    }
    let options = ["--restart", "always", "--network", "none", "busybox", "true"];
    machine.says(&[&["create", "--name", "never-started"], options.as_slice()].concat());
    machine.says(&["stop", "-t", "0", "stopped-always", "stopped-unless"]);
    for name in ["always", "unless", "failing", "once"] {
        kill_monitor(&machine, name);
    }
    assert_eq!(running(&machine), Vec::<String>::new());
    let ids = machine.says(&["system", "service", "boot"]);
    assert_eq!(ids.lines().count(), 3, "{ids}");
    assert_eq!(running(&machine), ["always", "stopped-always", "unless"]);
    assert_eq!(machine.says(&["system", "service", "boot"]), "", "what runs is left alone");

    // A regular shutdown stops them, but no user does.
    machine.says(&["start", "once"]);
    let ended = machine.says(&["system", "service", "shutdown"]);
    assert_eq!(ended.lines().count(), 4, "{ended}");
    assert_eq!(running(&machine), Vec::<String>::new());
    assert_eq!(machine.field("unless", "{{.State.ExitCode}}"), "0", "it was asked to end");
    machine.says(&["system", "service", "boot"]);
    assert_eq!(running(&machine), ["always", "stopped-always", "unless"]);
    // Nor does a restart count as stopped by a user.
    machine.says(&["restart", "-t", "0", "unless"]);
    kill_monitor(&machine, "unless");
    machine.says(&["system", "service", "boot"]);
    assert_eq!(running(&machine), ["always", "stopped-always", "unless"]);
}

#[test]
fn those_that_others_need_come_first() {
    let Some(machine) = Machine::new() else { return };
    machine.start("base", &["--restart", "always", "--ipc", "shareable"], FOR_EVER);
    let joins = ["run", "-d", "--restart", "always", "--network", "container:base", "--name"];
    machine.says(&[joins.as_slice(), &["joins", "busybox", "sleep", "1000"]].concat());
    machine.start("far", &["--restart", "always", "--pid", "container:joins"], FOR_EVER);
    // The one that the others need is the newest now.
    let ids = ["base", "joins", "far"].map(|name| machine.field(name, "{{.Id}}"));
    for name in ["far", "joins", "base"] {
        kill_monitor(&machine, name);
    }
    let order = machine.says(&["system", "service", "boot"]);
    assert_eq!(order.lines().collect::<Vec<_>>(), ids);
    // A container that can't be started is reported, and does not prevent others from starting.
    for name in ["far", "joins", "base"] {
        kill_monitor(&machine, name);
    }
    machine.says(&["update", "--restart", "no", "base"]);
    let failed = machine.run(&["system", "service", "boot"]).fails(1);
    assert!(failed.stderr().contains(&format!("cannot start container {}", ids[1])), "{}", failed.stderr());
}

#[test]
fn a_paused_container_is_not_started() {
    let Some(machine) = Machine::new() else { return };
    if !super::common::is_root() {
        return super::common::skip("cgroups need root");
    }
    machine.start("held", &[], FOR_EVER);
    machine.says(&["pause", "held"]);
    let refused = machine.run(&["start", "held"]).fails(1).stderr();
    assert!(refused.contains("cannot start a paused container, try unpause instead"), "{refused}");
}
