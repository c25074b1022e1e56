//! From `create` to `rm`, with everything that can happen in between.

use super::common::wait_for;
use super::machine::Machine;

#[test]
fn a_container_is_made_started_stopped_and_removed() {
    let Some(machine) = Machine::new() else { return };
    let id = machine.says(&["create", "--name", "web", "--network", "none", "busybox", "sleep", "100"]);
    assert_eq!(id.len(), 64);
    assert_eq!(machine.says(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]), "web created");
    assert_eq!(machine.says(&["ps", "-q"]), "");
    assert_eq!(machine.says(&["start", &id[..5]]), &id[..5]);
    assert_eq!(machine.says(&["ps", "-q", "--no-trunc"]), id);
    let refused = machine.run(&["rm", "web"]).fails(1);
    assert!(refused.stderr().contains("container is running"), "{}", refused.stderr());
    assert_eq!(machine.says(&["stop", "-t", "0", "web"]), "web");
    assert_eq!(machine.says(&["ps", "-a", "--format", "{{.State}}"]), "exited");
    assert_eq!(machine.says(&["wait", "web"]), "137");
    machine.says(&["start", "web"]);
    machine.says(&["restart", "-t", "0", "web"]);
    assert_eq!(machine.says(&["ps", "--format", "{{.Names}}"]), "web");
    assert_eq!(machine.says(&["rm", "-f", "web", "never-there"]), "web");
    assert_eq!(machine.says(&["ps", "-aq"]), "");
}

#[test]
fn signals_and_exit_codes() {
    let Some(machine) = Machine::new() else { return };
    let script =
        "trap 'echo term; exit 5' TERM; trap 'echo usr; exit 6' USR1; echo up; while true; do sleep 0.05; done";
    for (name, arguments, code) in [
        ("stopped", vec!["stop"], "5"),
        ("signalled", vec!["stop", "-s", "USR1"], "6"),
        ("killed", vec!["kill"], "137"),
        ("by-signal", vec!["kill", "-s", "SIGUSR1"], "6"),
    ] {
        machine.start(name, &[], script);
        // A first process ignores signals for which it has no handler yet.
        machine.until(&["logs", name], |text| text == "up\n");
        machine.says(&[arguments.as_slice(), &[name]].concat());
        assert_eq!(machine.says(&["wait", name]), code, "{name}");
    }
    assert_eq!(machine.says(&["logs", "stopped"]), "up\nterm");
    let answer = machine.run(&["kill", "stopped"]).fails(1);
    assert!(answer.stderr().contains("is not running"), "{}", answer.stderr());
    let several = machine.run(&["rm", "nothing", "stopped", "nobody", "killed"]).fails(1);
    assert_eq!(several.stdout(), "stopped\nkilled\n");
    assert!(several.stderr().contains("nothing") && several.stderr().contains("nobody"), "{}", several.stderr());
}

#[test]
fn restart_policies() {
    let Some(machine) = Machine::new() else { return };
    machine.start("retried", &["--restart", "on-failure:2"], "echo run; exit 3");
    assert_eq!(machine.says(&["wait", "retried"]), "3");
    assert_eq!(machine.says(&["logs", "retried"]), "run\nrun\nrun");
    machine.start("always", &["--restart", "always"], "echo run; sleep 0.05");
    machine.until(&["logs", "always"], |text| text.lines().count() > 2);
    machine.says(&["stop", "always"]);
    let lines = machine.says(&["logs", "always"]);
    assert_eq!(machine.says(&["ps", "-q"]), "");
    machine.says(&["update", "--restart", "no", "always"]);
    machine.says(&["start", "always"]);
    machine.says(&["wait", "always"]);
    assert_eq!(machine.says(&["logs", "always"]).lines().count(), lines.lines().count() + 1);
    let refused = machine.run(&["run", "--rm", "--restart", "always", "busybox", "true"]);
    assert_ne!(refused.code(), Some(0));
}

#[test]
fn a_monitor_or_a_program_that_is_killed_is_told_of() {
    let Some(machine) = Machine::new() else { return };
    machine.start("lost", &[], "echo one; sleep 100");
    machine.until(&["logs", "lost"], |text| text == "one\n");
    let kill = |field: &str| {
        let pid = rustix::process::Pid::from_raw(machine.state_number("lost", field)).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        machine.until(&["ps", "-a", "--format", "{{.Status}}"], |text| text.starts_with("Exited (137)"));
        machine.says(&["start", "lost"]);
        assert_eq!(machine.says(&["ps", "--format", "{{.Names}}"]), "lost");
    };
    kill("MonitorPid");
    kill("Pid");
    // As after a reboot: nothing runs, and everything that belongs to a boot is gone.
    machine.says(&["kill", "lost"]);
    machine.says(&["wait", "lost"]);
    machine.says(&["start", "lost"]);
    assert_eq!(machine.says(&["ps", "--format", "{{.State}}"]), "running");
}

#[test]
fn health_is_looked_after() {
    let Some(machine) = Machine::new() else { return };
    let options = ["--health-cmd", "echo looked; test -e /well", "--health-interval", "100ms", "--health-retries", "2"];
    machine.start("patient", &options, "sleep 100");
    let status = ["ps", "--format", "{{.Status}}"];
    machine.until(&status, |text| text.contains("(unhealthy)"));
    machine.says(&["exec", "patient", "touch", "/well"]);
    machine.until(&status, |text| text.contains("(healthy)"));
    assert_eq!(machine.says(&["ps", "-q", "--filter", "health=healthy"]).len(), 12);
    let log = machine.field("patient", "{{json .State.Health.Log}}");
    assert!(log.contains("looked") && log.contains("\"ExitCode\":0"), "{log}");
}

#[test]
fn pausing_and_limits() {
    let Some(machine) = Machine::new() else { return };
    if !super::common::is_root() {
        super::common::skip("cgroups need root");
        return;
    }
    machine.start("slow", &[], "while true; do echo x; sleep 0.02; done");
    machine.says(&["pause", "slow"]);
    assert!(machine.says(&["ps", "--format", "{{.Status}}"]).ends_with("(Paused)"));
    // Earlier output may still be on its way to the log.
    let before = wait_for("nothing more is printed", || {
        let before = machine.says(&["logs", "slow"]);
        std::thread::sleep(std::time::Duration::from_millis(150));
        let after = machine.says(&["logs", "slow"]);
        if before == after { Ok(before) } else { Err(after) }
    });
    assert!(machine.run(&["exec", "slow", "true"]).fails(1).stderr().contains("is paused"));
    machine.says(&["unpause", "slow"]);
    machine.until(&["logs", "slow"], |text| text.len() > before.len() + 4);
    machine.says(&["update", "--pids-limit", "7", "-m", "32m", "slow"]);
    let limits = "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null";
    assert_eq!(machine.says(&["exec", "slow", "sh", "-c", &format!("{limits}; true")]), "7");
    let row = machine.says(&["stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}"]);
    assert!(row.starts_with("slow ") && row.ends_with("/ 32MiB"), "{row}");
}

#[test]
fn names_filters_and_events() {
    let Some(machine) = Machine::new() else { return };
    machine.start("first", &["--label", "k=v", "--expose", "80"], "sleep 100");
    machine.start("second", &[], "exit 4");
    machine.says(&["wait", "second"]);
    let names = |arguments: &[&str]| {
        let all = [&["ps", "--format", "{{.Names}}"], arguments].concat();
        machine.says(&all).replace('\n', " ")
    };
    assert_eq!(names(&[]), "first");
    assert_eq!(names(&["-a"]), "second first");
    assert_eq!(names(&["-l"]), "second");
    assert_eq!(names(&["-n", "1"]), "second");
    for (filter, wanted) in [
        ("label=k", "first"),
        ("label=k=x", ""),
        ("exited=4", "second"),
        ("status=running", "first"),
        ("name=sec", "second"),
        ("ancestor=busybox", "second first"),
        ("before=second", "first"),
        ("since=first", "second"),
        ("expose=80", "first"),
        ("network=none", "second first"),
        ("health=none", "second first"),
    ] {
        assert_eq!(names(&["-a", "--filter", filter]), wanted, "{filter}");
    }
    machine.run(&["ps", "--filter", "nonsense=1"]).fails(1);
    machine.says(&["rename", "first", "renamed"]);
    assert_eq!(names(&[]), "renamed");
    let taken = machine.run(&["rename", "second", "renamed"]).fails(1);
    assert!(taken.stderr().contains("in use"), "{}", taken.stderr());
    let events = machine.says(&["events", "--since", "1h", "--until", "0s", "--format", "{{.Action}}"]);
    for action in ["create", "start", "die", "rename"] {
        assert!(events.lines().any(|line| line == action), "{action} in {events}");
    }
    let of_second =
        ["events", "--since", "1h", "--until", "0s", "--filter", "container=second", "--filter", "event=die"];
    let line = machine.says(&of_second);
    assert!(line.lines().count() == 1 && line.contains("exitCode=4"), "{line}");
    assert!(machine.says(&["container", "prune", "-f"]).contains("Total reclaimed space"));
    assert_eq!(names(&["-a"]), "renamed");
}
