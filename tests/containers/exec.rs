//! `exec`, and `top`.

use super::machine::Machine;

#[test]
fn a_program_joins_a_container() {
    let Some(machine) = Machine::new() else { return };
    machine.start("host", &["-e", "A=1", "-w", "/tmp", "-h", "box"], "sleep 100");
    let exec =
        |options: &[&str], script: &str| machine.run(&[&["exec"], options, &["host", "sh", "-c", script]].concat());
    assert_eq!(exec(&["-e", "B=2"], "echo $A $B; pwd; hostname").ok().stdout(), "1 2\n/tmp\nbox\n");
    assert_eq!(exec(&["-u", "7:8", "-w", "/"], "id -u; id -g; pwd").ok().stdout(), "7\n8\n/\n");
    assert_eq!(exec(&[], "exit 9").code(), Some(9));
    assert_eq!(exec(&[], "kill -9 $$").code(), Some(137));
    assert_eq!(machine.run(&["exec", "host", "nothing"]).code(), Some(127));
    assert_eq!(machine.run(&["exec", "host", "/etc"]).code(), Some(126));
    machine.run(&["exec", "nobody", "true"]).fails(1);
    let processes = machine.says(&["exec", "host", "ps"]);
    assert!(processes.contains("sleep 100") && processes.lines().count() < 6, "{processes}");
    let piped = machine.0.run_with_input(&["exec", "-i", "host", "cat"], b"through\n");
    assert_eq!(piped.ok().stdout(), "through\n");
    exec(&["-d"], "echo later > /later").ok();
    machine.until(&["exec", "host", "cat", "/later"], |text| text == "later\n");
}

#[test]
fn an_exec_has_the_containers_rights() {
    let Some(machine) = Machine::new() else { return };
    machine.start("host", &["--cap-drop", "ALL", "--security-opt", "no-new-privileges"], "sleep 100");
    let status = |options: &[&str]| {
        let arguments = [&["exec"], options, &["host", "cat", "/proc/self/status"]].concat();
        machine.says(&arguments)
    };
    let usual = status(&[]);
    assert!(usual.contains("CapEff:\t0000000000000000") && usual.contains("NoNewPrivs:\t1"), "{usual}");
    assert!(usual.contains("Seccomp:\t2"), "{usual}");
    assert!(!status(&["--privileged"]).contains("CapEff:\t0000000000000000"));
    let open = machine.says(&["exec", "host", "sh", "-c", "ls /proc/self/fd | wc -l"]);
    assert!(open.trim().parse::<usize>().unwrap() <= 4, "{open}");
}

#[test]
fn top_shows_the_containers_processes() {
    let Some(machine) = Machine::new() else { return };
    if !super::common::has_programs(&["ps"]) {
        return;
    }
    machine.start("host", &[], "sleep 321 & sleep 322");
    let shown = machine.until(&["top", "host"], |text| text.lines().count() == 3);
    assert!(shown.starts_with("UID") && shown.contains("sleep 321") && shown.contains("sleep 322"), "{shown}");
    assert!(machine.says(&["top", "host", "-o", "pid,args"]).starts_with("PID"));
}
