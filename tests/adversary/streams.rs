//! Streams from containers whose files change while they are read, and malicious streams.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use crate::common::wait_until;
use crate::fixtures::{Canary, Tar, everybody, with_attacker};
use crate::machine::Machine;

/// Headers of a file `evil` beside the target, repeated: if the length is wrong, they are taken for the next entry.
fn headers() -> Vec<u8> {
    let one = Tar::new().file("evil", 0o644, "").bytes();
    one[..512].repeat(32)
}

#[test]
fn a_file_that_grows_has_the_length_of_its_header() {
    for (name, machine) in everybody() {
        machine.0.write("headers", headers());
        machine.start("box", &[], "mkdir /dir; touch /dir/a-log; echo last > /dir/last; sleep 1000");
        machine.until(&["exec", "box", "sh", "-c", "ls /dir/last; true"], |found| !found.is_empty());
        machine.says(&["cp", "-q", "headers", "box:/headers"]);
        // It grows, and is truncated before it fills the disk.
        let grow = "while true; do i=0; while [ $i -lt 300 ]; do cat /headers; i=$((i+1)); done > /dir/a-log; done";
        machine.says(&["exec", "-d", "box", "sh", "-c", grow]);
        let mut whole = 0;
        for number in 0..12 {
            let out = machine.0.work().join(format!("out-{number}"));
            std::fs::create_dir(&out).unwrap();
            std::fs::set_permissions(&out, std::fs::Permissions::from_mode(0o777)).unwrap();
            let answer = machine.run(&["cp", "--quiet=false", "box:/dir", &format!("out-{number}")]);
            let names: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, ["dir"], "{name}: {}", answer.stderr());
            let copied = std::fs::read_dir(out.join("dir")).unwrap().count();
            assert_eq!(copied, 2, "{name}: {}", answer.stderr());
            assert_eq!(std::fs::read_to_string(out.join("dir/last")).unwrap(), "last\n");
            // A file that became shorter meanwhile is an error, and nothing else is.
            match answer.code() {
                Some(0) => whole += 1,
                code => assert!(code == Some(1) && answer.stderr().contains("became shorter"), "{}", answer.stderr()),
            }
            assert_eq!(answer.stderr().contains("Successfully copied"), answer.code() == Some(0));
            let exported = machine.run(&["export", "box"]);
            let mut archive = tar::Archive::new(exported.stdout_bytes());
            let evil = archive.entries().unwrap().flatten().any(|entry| entry.path().unwrap().starts_with("evil"));
            assert!(!evil, "{name}: {}", exported.stderr());
        }
        assert!(whole > 0, "{name}: no copy was whole");
    }
}

#[test]
fn special_files_go_both_ways() {
    for (name, machine) in everybody() {
        let script = "mkdir /f; mkfifo -m 640 /f/a; echo after > /f/b; ln /f/b /f/c; ln -s /nowhere /f/d; \
                      touch -d @1000 /f; sleep 1000";
        machine.start("box", &[], script);
        machine.until(&["exec", "box", "stat", "-c", "%Y", "/f"], |time| time.trim() == "1000");
        let out = machine.0.work().join("out");
        // A second copy replaces the files of the first one.
        for _ in 0..2 {
            machine.run(&["cp", "box:/f", "out"]).ok();
        }
        machine.run(&["cp", "box:/f/.", "out"]).ok();
        let stat = |path: &str| out.join(path).symlink_metadata().unwrap();
        assert!(stat("a").file_type().is_fifo() && stat("a").mode() & 0o777 == 0o640, "{name}");
        assert_eq!(std::fs::read_to_string(out.join("b")).unwrap(), "after\n");
        assert_eq!((stat("b").ino(), stat("f/b").ino()), (stat("c").ino(), stat("f/c").ino()));
        assert_eq!(std::fs::read_link(out.join("d")).unwrap(), Path::new("/nowhere"));
        assert_eq!(stat("f").mtime(), 1000);
        for _ in 0..2 {
            machine.run(&["cp", "out/f", "box:/tmp"]).ok();
        }
        let listed = machine.says(&["exec", "box", "stat", "-c", "%F %h %Y", "/tmp/f", "/tmp/f/a", "/tmp/f/b"]);
        assert!(listed.contains("1000") && listed.contains("fifo") && listed.contains("file 2"), "{listed}");
    }
}

#[test]
fn devices_are_copied_or_said() {
    for (name, machine) in everybody() {
        machine.start("box", &[], "mkdir /f; cp /bin/true /f/z; mknod /f/null c 1 3; touch /ready; sleep 1000");
        machine.until(&["exec", "box", "sh", "-c", "ls /ready; true"], |found| !found.is_empty());
        if machine.run(&["exec", "box", "test", "-c", "/f/null"]).code() != Some(0) {
            continue;
        }
        let answer = machine.run(&["cp", "box:/f", "out"]);
        let copy = machine.0.work().join("out/null").symlink_metadata();
        match answer.code() {
            Some(0) => assert!(copy.unwrap().file_type().is_char_device(), "{name}"),
            _ => assert!(copy.is_err() && answer.stderr().contains("null"), "{name}: {}", answer.stderr()),
        }
        // Everything else exists in any case.
        assert!(machine.0.work().join("out/z").exists(), "{name}");
    }
}

#[test]
fn archives_from_outside_stay_in_the_container() {
    for (_, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        machine.start("box", &[], &format!("{}; mkdir /in; touch /ready; sleep 1000", canary.decoy()));
        machine.until(&["exec", "box", "sh", "-c", "ls /ready; true"], |found| !found.is_empty());
        let host = canary.path().display().to_string();
        let attacks = [
            Tar::new().link("way", &host).file("way/secret", 0o644, "x"),
            Tar::new().hard_link("copy", &canary.at("secret")).file("copy", 0o644, "x"),
            Tar::new().file(&format!("../../../..{host}/secret"), 0o644, "x"),
            Tar::new().file(&canary.at("secret"), 0o644, "x"),
            Tar::new().link("root", "/proc/1/root").file(&format!("root{host}/secret"), 0o644, "x"),
        ];
        for attack in attacks {
            machine.0.run_with_input(&["cp", "-", "box:/in"], &attack.bytes());
            canary.assert_untouched();
        }
    }
}

#[test]
fn packed_archives_are_taken() {
    let Some(machine) = Machine::new() else { return };
    machine.start("box", &[], "ln -s /etc /way; touch /ready; sleep 1000");
    machine.until(&["exec", "box", "sh", "-c", "ls /ready; true"], |found| !found.is_empty());
    let archive = Tar::new().file("way/packed", 0o640, "packed").bytes();
    let mut packed = Vec::new();
    let mut encoder = flate2::read::GzEncoder::new(archive.as_slice(), flate2::Compression::fast());
    std::io::Read::read_to_end(&mut encoder, &mut packed).unwrap();
    machine.0.run_with_input(&["cp", "-", "box:/"], &packed).ok();
    assert_eq!(machine.says(&["exec", "box", "cat", "/etc/packed"]), "packed");
    // A link among the archive's parent folders is resolved in the container.
    assert!(machine.says(&["exec", "box", "ls", "-ld", "/way"]).contains("->"));
    machine.0.run_with_input(&["cp", "-", "box:/"], b"no archive at all, but long enough to be one").fails(1);
}

#[test]
fn links_are_copied_and_written_through() {
    let Some(machine) = Machine::new() else { return };
    let script = "mkdir /d; echo in > /d/f; ln -s d /to-folder; ln -s nowhere /dangling; ln -s /d/f /to-file; \
                  touch /ready; sleep 1000";
    machine.start("box", &[], script);
    machine.until(&["exec", "box", "sh", "-c", "ls /ready; true"], |found| !found.is_empty());
    let work = machine.0.work();
    std::fs::create_dir(work.join("out")).unwrap();
    for (link, target) in [("to-folder", "d"), ("dangling", "nowhere"), ("to-file", "/d/f")] {
        machine.run(&["cp", &format!("box:/{link}"), "out"]).ok();
        assert_eq!(std::fs::read_link(work.join("out").join(link)).unwrap(), Path::new(target));
        machine.run(&["cp", &format!("out/{link}"), "box:/tmp"]).ok();
        assert_eq!(machine.says(&["exec", "box", "readlink", &format!("/tmp/{link}")]), target);
    }
    machine.run(&["cp", "-L", "box:/to-folder", "out/followed"]).ok();
    assert!(work.join("out/followed/f").is_file());
    machine.run(&["cp", "box:/nosuch/../d/f", "out/plain"]).ok();
    assert_eq!(std::fs::read_to_string(work.join("out/plain")).unwrap(), "in\n");
    // The target of a dangling link is created.
    machine.run(&["cp", "out/plain", "box:/dangling"]).ok();
    assert_eq!(machine.says(&["exec", "box", "cat", "/nowhere"]), "in");
    std::os::unix::fs::symlink("later", work.join("waits")).unwrap();
    machine.run(&["cp", "box:/d/f", "waits"]).ok();
    assert_eq!(std::fs::read_to_string(work.join("later")).unwrap(), "in\n");
    machine.run(&["cp", "out/plain", "box:/dev/null"]).fails(1);
}

#[test]
fn a_program_that_just_ends_is_no_error() {
    let Some(machine) = Machine::new() else { return };
    machine.run(&["create", "--name", "box", "--network", "none", "busybox", "sh", "-c", "echo x > /f"]).ok();
    for _ in 0..10 {
        machine.says(&["start", "box"]);
        machine.run(&["cp", "box:/etc/passwd", "out"]).ok();
    }
    wait_until("it has ended", || machine.field("box", "{{.State.Status}}") == "exited");
    machine.run(&["cp", "box:/f", "out"]).ok();
}

#[test]
fn a_log_that_grows_without_end_is_copied() {
    let Some(machine) = Machine::new().and_then(with_attacker) else { return };
    machine.says(&["run", "-d", "--name", "box", "--network", "none", "attacker", "sh", "-c", "mkdir /d; sleep 1000"]);
    machine.until(&["exec", "box", "sh", "-c", "ls -d /d; true"], |found| !found.is_empty());
    machine.says(&["exec", "-d", "box", "timeout", "20", "attacker", "grow", "/d/log", "one more line of a log"]);
    machine.until(&["exec", "box", "sh", "-c", "ls /d/log; true"], |found| !found.is_empty());
    for name in ["one", "two"] {
        let answer = machine.run(&["cp", "--quiet=false", "box:/d", name]).ok();
        assert!(answer.stderr().contains("Successfully copied"));
        let log = std::fs::read(machine.0.work().join(name).join("log")).unwrap();
        assert!(log.starts_with(b"one more line"), "{name}");
    }
}
