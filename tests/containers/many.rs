//! Many at once.

use super::machine::Machine;

#[test]
fn nothing_is_left_of_many_containers() {
    let Some(machine) = Machine::new() else { return };
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
    let before = mounts();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let machine = &machine;
            scope.spawn(move || {
                for number in 0..5 {
                    let name = format!("c-{worker}-{number}");
                    machine.start(&name, &[], "trap 'exit 0' TERM; while true; do sleep 0.05; done");
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
    assert_eq!(mounts(), before);
}

#[test]
fn programs_join_one_container_at_once() {
    let Some(machine) = Machine::new() else { return };
    machine.start("host", &[], "sleep 100");
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..20)
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
