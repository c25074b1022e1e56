//! A program's streams are rbuild's pipes: there is no file of the host's that it could reopen through /proc/self/fd.

use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::Stdio;

use crate::common::{Answer, is_root, skip, wait_until};
use crate::fixtures::everybody;
use crate::machine::Machine;

/// Changes everything that it can through its descriptors, and prints nothing else.
const ATTACK: &str = "for n in 0 1 2; do
    chmod 4777 /proc/$$/fd/$n 2>/dev/null
    chown 7:8 /proc/$$/fd/$n 2>/dev/null
    dd if=/dev/zero of=/proc/$$/fd/$n bs=1 count=0 seek=1 2>/dev/null
done
echo planted >>/proc/$$/fd/0
echo said; echo complained >&2; exit 3";

/// Files of the host that are a command's standard streams.
struct Given {
    paths: [PathBuf; 3],
    before: Vec<(u32, u32, u64)>,
}

impl Given {
    fn new(machine: &Machine, name: &str) -> Self {
        let write = |kind: &str, text: &str| {
            let path = machine.0.write(&format!("{name}-{kind}"), text);
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            path
        };
        let paths = [write("in", "typed\n"), write("out", "earlier output\n"), write("errors", "earlier errors\n")];
        let before = paths.iter().map(facts).collect();
        Self { paths, before }
    }

    fn run(&self, machine: &Machine, arguments: &[&str]) -> Option<i32> {
        let mut command = machine.0.command(arguments);
        let append = |path: &PathBuf| Stdio::from(File::options().append(true).open(path).unwrap());
        command
            .stdin(File::open(&self.paths[0]).unwrap())
            .stdout(append(&self.paths[1]))
            .stderr(append(&self.paths[2]));
        command.status().unwrap().code()
    }

    #[track_caller]
    fn has_only(&self, added: [&str; 2], what: &str) {
        assert_eq!(self.paths.iter().map(facts).collect::<Vec<_>>(), self.before, "{what}");
        let text = |number: usize| std::fs::read_to_string(&self.paths[number]).unwrap();
        assert_eq!(text(0), "typed\n", "{what}");
        assert_eq!(
            (text(1), text(2)),
            (format!("earlier output\n{}", added[0]), format!("earlier errors\n{}", added[1])),
            "{what}"
        );
    }
}

fn facts(path: &PathBuf) -> (u32, u32, u64) {
    let metadata = std::fs::metadata(path).unwrap();
    (metadata.mode(), metadata.uid(), metadata.ino())
}

#[test]
fn a_program_gets_no_file_of_the_host() {
    for (name, machine) in everybody() {
        machine.start("box", &[], "sleep 1000");
        let started = ["--network", "none", "busybox", "sh", "-c", ATTACK];
        machine.says(&[&["create", "-i", "--name", "again"], &started[..]].concat());
        for (number, command) in [
            [&["exec", "-i", "box", "sh", "-c"][..], &[ATTACK]].concat(),
            [&["exec", "box", "sh", "-c"][..], &[ATTACK]].concat(),
            [&["run", "--rm", "-i"][..], &started].concat(),
            [&["run", "--rm"][..], &started].concat(),
            ["start", "-a", "-i", "again"].to_vec(),
        ]
        .iter()
        .enumerate()
        {
            let given = Given::new(&machine, &number.to_string());
            assert_eq!(given.run(&machine, command), Some(3), "{name}: {command:?}");
            given.has_only(["said\n", "complained\n"], &format!("{name}: {command:?}"));
        }
        let begins = format!("read go; {ATTACK}");
        machine.says(&["run", "-d", "-i", "--name", "later", "--network", "none", "busybox", "sh", "-c", &begins]);
        let given = Given::new(&machine, "attach");
        given.run(&machine, &["attach", "later"]);
        given.has_only(["said\n", "complained\n"], &format!("{name}: attach"));
    }
}

/// The host's own null device: a program that has it open as root could make it unusable for others.
#[test]
fn the_null_device_of_a_program_is_not_the_hosts() {
    if !is_root() {
        return skip("nobody but root can change it");
    }
    struct Null(PathBuf, (u32, u32, u64));
    impl Drop for Null {
        fn drop(&mut self) {
            std::fs::set_permissions(&self.0, Permissions::from_mode(0o666)).unwrap();
            std::os::unix::fs::chown(&self.0, Some(0), Some(0)).unwrap();
        }
    }
    let path = PathBuf::from("/dev/null");
    let null = Null(path.clone(), facts(&path));
    let Some(machine) = Machine::new() else { return };
    let attack = "chmod 606 /proc/self/fd/0 /dev/null; chown 7 /proc/self/fd/0; touch /done; cat /proc/self/fd/0; echo x > /dev/null";
    machine.start("box", &[], "sleep 1000");
    machine.script(&[], attack);
    assert_eq!(facts(&path), null.1, "run");
    machine.says(&["exec", "box", "sh", "-c", attack]);
    machine.says(&["exec", "-d", "box", "sh", "-c", &format!("rm /done; {attack}")]);
    machine.until(&["exec", "box", "ls", "/"], |names| names.contains("done"));
    assert_eq!(facts(&path), null.1, "exec");
    machine.0.build_text(&format!("FROM busybox\nRUN {attack}\n"), &[]).ok();
    assert_eq!(facts(&path), null.1, "build");
    let health = ["--health-cmd", "chmod 606 /proc/self/fd/0; touch /checked", "--health-interval", "100ms"];
    machine.start("healthy", &health, "sleep 1000");
    machine.until(&["exec", "healthy", "ls", "/"], |names| names.contains("checked"));
    assert_eq!(facts(&path), null.1, "a health check");
}

#[test]
fn what_a_program_says_arrives_as_it_was_said() {
    let Some(machine) = Machine::new() else { return };
    machine.start("box", &[], "sleep 1000");
    // With one file for both streams, their order is kept, whether it is opened for appending or not.
    let script = "i=0; while [ $i -lt 500 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done; exit 4";
    let expected: String = (0..500).map(|number| format!("o{number}\ne{number}\n")).collect();
    for append in [false, true] {
        let path = machine.0.write("both", "");
        let both = || Stdio::from(File::options().write(true).append(append).open(&path).unwrap());
        let file = File::options().write(true).append(append).open(&path).unwrap();
        let mut command = machine.0.command(&["exec", "box", "sh", "-c", script]);
        let status = match append {
            true => command.stdout(both()).stderr(both()).status(),
            false => command.stdout(file.try_clone().unwrap()).stderr(file).status(),
        };
        assert_eq!(status.unwrap().code(), Some(4));
        assert!(std::fs::read_to_string(&path).unwrap() == expected, "append: {append}");
    }
    // A lot of data, up to the end.
    let bytes: Vec<u8> = (0..2_000_000u32).flat_map(u32::to_le_bytes).collect();
    let through = machine.0.run_with_input(&["exec", "-i", "box", "cat"], &bytes).ok();
    assert!(through.stdout_bytes() == bytes);
    // A background process does not delay the exit, and a closed reader is signalled to the program.
    let answer = machine.run(&["exec", "box", "sh", "-c", "sleep 1000 & echo here"]);
    assert_eq!(answer.ok().stdout(), "here\n");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = machine.0.command(&[
        "exec",
        "box",
        "sh",
        "-c",
        "trap '' PIPE; while echo more; do :; done 2>/dev/null; touch /over",
    ]);
    command.stdout(writer).status().unwrap();
    wait_until("the program has noticed", || machine.run(&["exec", "box", "test", "-e", "/over"]).code() == Some(0));
    let full = machine.0.command(&["exec", "box", "echo", "x"]).stdout(File::create("/dev/full").unwrap()).output();
    assert_eq!(Answer::from(full.unwrap()).code(), Some(0));
}
