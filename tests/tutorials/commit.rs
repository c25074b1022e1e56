//! A container that is changed by hand, committed to an image, inspected, and exported.

use super::machine::Machine;

#[test]
fn by_hand() {
    let Some(machine) = Machine::new() else { return };
    let arguments = ["run", "-i", "--network", "none", "--name", "work", "busybox", "sh"];
    let session = machine.0.run_with_input(&arguments, b"echo changed > /root/file\nrm /etc/group\nexit\n");
    session.ok();
    let diff = machine.says(&["diff", "work"]);
    assert!(
        diff.lines().any(|line| line == "A /root/file") && diff.lines().any(|line| line == "D /etc/group"),
        "{diff}"
    );
    let id = machine.field("work", "{{.Id}}");
    machine.says(&["commit", "-m", "msg", "-a", "author", &id[..12], "name:v1"]);
    let again = ["run", "--rm", "--network", "none", "name:v1", "cat", "/root/file"];
    assert_eq!(machine.says(&again), "changed");
    assert_eq!(machine.says(&["inspect", "-f", "{{.Comment}} {{.Author}}", "name:v1"]), "msg author");
    let archive = machine.0.work().join("fs.tar").display().to_string();
    machine.says(&["export", "-o", &archive, "work"]);
    machine.says(&["import", "-c", "CMD [\"cat\", \"/root/file\"]", &archive, "imported"]);
    assert_eq!(machine.says(&["run", "--rm", "--network", "none", "imported"]), "changed");
}
