//! Many at once; `RBUILD_TEST_CONTAINERS` sets how many.

use super::common::{none, wait_for, wait_until};
use super::machine::Machine;

#[test]
fn nothing_is_left_of_many_containers() {
    let Some(machine) = Machine::new() else { return };
    let all = std::env::var("RBUILD_TEST_CONTAINERS").ok().and_then(|text| text.parse().ok()).unwrap_or(24);
    let network = crate::common::is_root().then(|| machine.says(&["network", "create", "crowd"]));
    let options: &[&str] = if network.is_some() { &["--network", "crowd"] } else { &["--network", "none"] };
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let machine = &machine;
            scope.spawn(move || {
                for number in 0..all / 8 {
                    let name = format!("c-{worker}-{number}");
                    let script = "trap 'exit 0' TERM; while true; do sleep 0.05; done";
                    let first = ["run", "-d", "--name", &name];
                    machine.says(&[&first, options, &["busybox", "sh", "-c", script]].concat());
                    assert_eq!(machine.says(&["exec", &name, "echo", "here"]), "here");
                    machine.says(&["stop", &name]);
                    machine.says(&["rm", &name]);
                }
            });
        }
    });
    assert_eq!(machine.says(&["ps", "-aq"]), "");
    let left: Vec<_> =
        machine.0.root().join("containers").read_dir().unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["by-name"]);
    assert_eq!(machine.0.root().join("containers/by-name").read_dir().unwrap().count(), 0);
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&machine.0.root().display().to_string()), "{mounts}");
    wait_for("no process is left", || none(&machine.0.processes()));
    if let Some(network) = network {
        let left = |folder: String| std::fs::read_dir(folder).into_iter().flatten().flatten().count();
        // The kernel removes a dead container's interface in the background.
        let ports = format!("/sys/class/net/rb-{}/brif", &network[..12]);
        wait_until("no interface is left", || left(ports.clone()) == 0);
        assert_eq!(left(format!("/run/rbuild/networks/{network}/endpoints")), 0, "addresses");
        machine.says(&["network", "rm", "crowd"]);
    }
}

#[test]
fn programs_join_one_container_at_once() {
    let Some(machine) = Machine::new() else { return };
    machine.start("host", &[], "sleep 100");
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..100)
            .map(|number| {
                let machine = &machine;
                scope.spawn(move || machine.says(&["exec", "host", "echo", &number.to_string()]))
            })
            .collect();
        for (number, thread) in threads.into_iter().enumerate() {
            assert_eq!(thread.join().unwrap(), number.to_string());
        }
    });
    assert_eq!(machine.says(&["exec", "host", "sh", "-c", "ps | grep -c '[e]cho [0-9]' || true"]).trim(), "0");
}
