//! Images moved to another store, given two names, and protected from removal while they are in use.

use super::common::TestStore;
use super::machine::Machine;

#[test]
fn save_and_load_elsewhere() {
    let (Some(machine), Some(other)) = (Machine::new(), TestStore::with_busybox()) else { return };
    machine.0.write("ctx/Dockerfile", "FROM busybox\nRUN echo here > /file\n");
    machine.says(&["build", "-q", "-t", "moved:1", "ctx"]);
    let archive = machine.0.work().join("moved.tar").display().to_string();
    machine.says(&["save", "-o", &archive, "moved:1"]);
    assert!(other.run(&["load", "-i", &archive]).ok().stdout().contains("Loaded image: moved:1"));
    let seen = other.run(&["run", "--rm", "--network", "none", "moved:1", "cat", "/file"]).ok().stdout();
    assert_eq!(seen, "here\n");
    assert!(machine.says(&["history", "moved:1"]).contains("echo here"));
}

#[test]
fn two_names_and_a_user() {
    let Some(machine) = Machine::new() else { return };
    machine.says(&["tag", "busybox", "second:name"]);
    assert_eq!(machine.says(&["rmi", "second:name"]), "Untagged: second:name");
    machine.start("user", &[], "sleep 100");
    let refused = machine.run(&["rmi", "busybox"]).fails(1).stderr();
    let id = machine.field("user", "{{.Id}}");
    assert!(refused.contains(&id[..12]), "{refused}");
    let running = machine.run(&["rm", "user"]).fails(1).stderr();
    assert!(running.contains("user"), "{running}");
    machine.says(&["rm", "-f", "user"]);
    machine.says(&["rmi", "busybox"]);
    assert_eq!(machine.says(&["images", "-q"]), "");
}
