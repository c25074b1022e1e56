//! A container exchanges a folder with a link to the host's while its files are read, mounted or removed.

use std::io::Read as _;

use crate::common::TestStore;
use crate::fixtures::{Canary, everybody, exchange_in, with_attacker};
use crate::machine::Machine;

/// How often a command is tried that reads what is exchanged: it hit one time in four.
const TRIES: usize = 24;

/// Starts `box`, which creates a non-empty folder `one` and a link `other` to the canary, and exchanges the two.
fn exchanging(machine: &Machine, canary: &Canary, options: &[&str], (one, other): (&str, &str)) {
    let script = format!(
        "mkdir -p {one}; for i in $(seq 200); do echo own > {one}/f$i; done; echo own > {one}/secret; ln -s {} {other}; \
         touch /ready; sleep 1000",
        canary.at("full")
    );
    let arguments = [&["run", "-d", "--name", "box", "--network", "none"], options, &["attacker", "sh", "-c", &script]];
    machine.says(&arguments.concat());
    machine.until(&["exec", "box", "sh", "-c", "ls /ready; true"], |found| !found.is_empty());
    exchange_in(machine, "box", one, other);
}

#[test]
fn part_of_a_volume_is_nothing_else() {
    for (name, machine) in everybody() {
        let Some(machine) = with_attacker(machine) else { return };
        let canary = Canary::beside(&machine.0);
        machine.says(&["volume", "create", "vol"]);
        exchanging(&machine, &canary, &["-v", "vol:/v"], ("/v/a", "/v/b"));
        let mut own = 0;
        for part in ["a", "a/.", "b", "a/../b"].into_iter().cycle().take(TRIES) {
            let mount = format!("type=volume,src=vol,dst=/m,volume-subpath={part}");
            let script = "cat /m/secret; echo x > /m/new 2>/dev/null";
            let arguments = ["run", "--rm", "--network", "none", "--mount", &mount, "busybox", "sh", "-c", script];
            let answer = machine.run(&arguments);
            canary.assert_not_in(answer.stdout());
            own += usize::from(answer.stdout().contains("own"));
        }
        assert!(own > 0, "{name}: it never found what it was to mount");
    }
}

#[test]
fn what_is_read_of_a_container_is_its_own() {
    for (name, machine) in everybody() {
        let Some(machine) = with_attacker(machine) else { return };
        let canary = Canary::beside(&machine.0);
        exchanging(&machine, &canary, &[], ("/a", "/b"));
        let mut whole = 0;
        for _ in 0..TRIES / 4 {
            let exported = machine.run(&["export", "box"]);
            canary.assert_not_in(exported.stdout_bytes());
            whole += usize::from(exported.code() == Some(0));
            // Without a pause, files may disappear while they are read; the result is the container's.
            for pause in ["--pause=false", "--pause"] {
                if machine.run(&["commit", pause, "box", "taken"]).code() == Some(0) {
                    canary.assert_not_in(machine.run(&["save", "taken"]).ok().stdout_bytes());
                    machine.says(&["rmi", "-f", "taken"]);
                }
            }
            let commands: [&[&str]; 3] = [&["cp", "box:/a", "-"], &["cp", "box:/b/.", "-"], &["diff", "box"]];
            for command in commands {
                canary.assert_not_in(machine.run(command).stdout_bytes());
            }
        }
        assert!(whole > 0, "{name}: it was never exported");
        assert_eq!(machine.field("box", "{{.State.Status}}"), "running");
    }
}

#[test]
fn what_is_written_to_a_container_stays_in_it() {
    for (_, machine) in everybody() {
        let Some(machine) = with_attacker(machine) else { return };
        let canary = Canary::beside(&machine.0);
        exchanging(&machine, &canary, &[], ("/a", "/b"));
        machine.0.write("local/secret", "from outside");
        let archive = machine.run(&["cp", "box:/bin/true", "-"]).ok();
        for _ in 0..TRIES / 4 {
            machine.run(&["cp", "local/secret", "box:/a/secret"]);
            machine.run(&["cp", "local/.", "box:/b"]);
            machine.0.run_with_input(&["cp", "-", "box:/a"], archive.stdout_bytes());
        }
        canary.assert_untouched();
    }
}

#[test]
fn places_of_mounts_are_removed_where_they_were_made() {
    for (_, machine) in everybody() {
        let store = &machine.0;
        let canary = Canary::beside(store);
        let mounts = [
            ("type=tmpfs,target=/a/empty-folder", "/a"),
            ("type=tmpfs,target=/a/deep/empty-folder", "/a/deep"),
            ("type=cache,target=/a/empty-folder", "/a"),
            ("type=bind,from=busybox,source=/bin,target=/a/empty-folder", "/a"),
            ("type=secret,id=s,target=/a/empty", "/a"),
        ];
        for (number, (mount, moved)) in mounts.iter().enumerate() {
            let folder = format!("ctx-{number}");
            let host = canary.path().display();
            let text = format!("FROM busybox\nRUN --mount={mount} mv {moved} /m && ln -s {host} {moved}\n");
            store.write(&format!("{folder}/Dockerfile"), text);
            store.write("secret", "x");
            machine.run(&["build", "-q", "--secret", "id=s,src=secret", &folder]).ok();
            canary.assert_untouched();
        }
        let script = format!("mv /q /z && ln -s {} /q", canary.path().display());
        for option in [&["-v", "/q/empty-folder"], &["--tmpfs", "/q/empty-folder"]] {
            let arguments =
                [&["run", "--name", "box", "--network", "none"], &option[..], &["busybox", "sh", "-c", &script]];
            machine.run(&arguments.concat()).ok();
            machine.says(&["commit", "box", "taken"]);
            machine.says(&["rm", "-fv", "box"]);
            canary.assert_untouched();
        }
    }
}

/// A container that can't be paused is read while it runs, with a warning.
#[test]
fn who_reads_what_cannot_be_paused_says_so() {
    for (name, machine) in everybody() {
        machine.start("box", &[], "sleep 10000");
        if machine.run(&["pause", "box"]).code() == Some(0) {
            machine.says(&["unpause", "box"]);
            continue;
        }
        for arguments in [&["export", "-o", "out.tar", "box"][..], &["commit", "box", "taken"]] {
            let answer = machine.run(arguments).ok();
            let said = answer.stderr();
            assert!(said.contains("warning: the container box could not be paused"), "{name} {arguments:?}: {said}");
        }
        // No warning if no pause was requested.
        let answer = machine.run(&["commit", "--pause=false", "box", "taken"]).ok();
        assert_eq!(answer.stderr(), "", "{name}");
    }
}

#[test]
fn a_container_is_paused_for_as_long_as_it_is_read() {
    let Some(machine) = Machine::new() else { return };
    let script = "i=0; while true; do i=$((i+1)); echo $i > /one; echo $i > /two; done";
    machine.start("box", &[], script);
    machine.until(&["exec", "box", "cat", "/two"], |text| !text.is_empty());
    let content = |bytes: &[u8]| {
        let mut archive = tar::Archive::new(bytes);
        let mut found = Vec::new();
        for mut entry in archive.entries().unwrap().flatten() {
            if ["one", "two"].iter().any(|name| entry.path().unwrap().ends_with(name)) {
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                found.push(text.trim().parse::<u64>().unwrap_or(0));
            }
        }
        found
    };
    if !machine.run(&["pause", "box"]).stdout().contains("box") {
        // With a warning.
        let exported = machine.run(&["export", "-o", "out.tar", "box"]).ok();
        assert!(exported.stderr().contains("could not be paused"), "{}", exported.stderr());
        return;
    }
    // A paused container stays paused.
    let exported = machine.run(&["export", "box"]).ok();
    assert_eq!(machine.field("box", "{{.State.Status}}"), "paused");
    assert!(exported.stderr().is_empty() && content(exported.stdout_bytes()).len() == 2);
    machine.says(&["unpause", "box"]);
    for _ in 0..3 {
        let found = content(machine.run(&["export", "box"]).ok().stdout_bytes());
        // It was stopped between two writes at most.
        assert!(found.contains(&0) || found[0].abs_diff(found[1]) <= 1, "{found:?}");
        machine.until(&["inspect", "-f", "{{.State.Status}}", "box"], |status| status.trim() == "running");
    }
}

#[test]
fn a_volume_is_filled_with_what_the_image_has() {
    let Some(store) = TestStore::with_busybox() else { return };
    let machine = Machine(store);
    let text = "FROM busybox\nRUN mkdir /d && mkfifo -m 640 /d/fifo && mknod /d/null c 1 3 || true; echo x > /d/one; \
                ln /d/one /d/two; ln -s nowhere /d/link\n";
    machine.0.write("ctx/Dockerfile", text);
    machine.says(&["build", "-q", "-t", "special", "ctx"]);
    let list = "stat -c '%n %F %a %h' /d/*";
    let of_image = machine.says(&["run", "--rm", "--network", "none", "special", "sh", "-c", list]);
    let of_volume = machine.says(&["run", "--rm", "--network", "none", "-v", "vol:/d", "special", "sh", "-c", list]);
    assert_eq!(of_image, of_volume);
    assert!(of_image.contains("/d/fifo fifo 640"), "{of_image}");
}
