//! Files of the host that are exchanged while they are given to a container or a step: it gets one or the other
//! completely, and rbuild changes neither.

use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::fixtures::{Canary, Exchanger, ends, everybody};
use crate::machine::Machine;

const TRIES: usize = 12;

/// Gives everything in a folder to the store's owner, who may not be the user who runs the tests.
fn give(machine: &Machine, folder: &Path) {
    use std::os::unix::fs::MetadataExt as _;
    let owner = machine.0.work().metadata().unwrap();
    for entry in walkdir::WalkDir::new(folder).into_iter().flatten() {
        std::os::unix::fs::lchown(entry.path(), Some(owner.uid()), Some(owner.gid())).unwrap();
    }
}

#[test]
fn a_bind_is_the_one_or_the_other() {
    for (name, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        let place = machine.0.work().join("host");
        for (folder, text) in [("one", "one"), ("real", "two")] {
            machine.0.write(&format!("host/{folder}/which"), format!("{text}\n"));
        }
        symlink("real", place.join("other")).unwrap();
        machine.0.write("host/file-one", "one\n");
        // Following this would change the canary.
        symlink(canary.path().join("empty-folder"), place.join("file-other")).unwrap();
        give(&machine, &place);
        let _exchangers = [Exchanger::of(&place, "one", "other"), Exchanger::of(&place, "file-one", "file-other")];
        let (folder, file) = (place.join("one"), place.join("file-one"));
        let mut seen = Vec::new();
        for number in 0..TRIES {
            let (folder, file) = (folder.display(), file.display());
            let mounts = match number % 3 {
                0 => vec!["-v".to_owned(), format!("{folder}:/m"), "-v".to_owned(), format!("{file}:/f:ro")],
                1 => vec!["--mount".to_owned(), format!("type=bind,src={folder},dst=/m")],
                _ => vec!["-v".to_owned(), format!("{folder}:/m:ro"), "-w".to_owned(), "/m".to_owned()],
            };
            let mounts: Vec<&str> = mounts.iter().map(String::as_str).collect();
            let first = ["run", "--rm", "--network", "none"];
            let answer =
                ends(machine.0.command(&[&first, mounts.as_slice(), &["busybox", "cat", "/m/which"]].concat()));
            match answer.code() {
                Some(0) => seen.push(answer.stdout()),
                code => assert!(matches!(code, Some(125..)), "{name}: {code:?} {}", answer.stderr()),
            }
            canary.assert_untouched();
        }
        assert!(!seen.is_empty() && seen.iter().all(|text| text == "one\n" || text == "two\n"), "{name}: {seen:?}");
    }
}

#[test]
fn a_secret_is_the_one_or_the_other() {
    for (name, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        let place = machine.0.work().join("host");
        machine.0.write("host/one", "one-whole\n");
        machine.0.write("host/real", "two-whole\n");
        symlink("real", place.join("other")).unwrap();
        machine.0.write("host/plain", "plain\n");
        symlink("/dev/zero", place.join("endless")).unwrap();
        give(&machine, &place);
        let _exchangers = [Exchanger::of(&place, "one", "other"), Exchanger::of(&place, "plain", "endless")];
        machine.0.write(
            "ctx/Dockerfile",
            "FROM busybox\nRUN --mount=type=secret,id=s --mount=type=secret,id=t cat /run/secrets/s /run/secrets/t > /seen; chmod 777 /run/secrets/s; echo x >> /run/secrets/s; true\n\
             FROM scratch\nCOPY --from=0 /seen /\n",
        );
        let mut whole = 0;
        for number in 0..TRIES {
            let out = format!("out-{number}");
            let arguments = [
                "build",
                "-q",
                "--no-cache",
                "--secret",
                "id=s,src=host/one",
                "--secret",
                "id=t,src=host/plain",
                "-o",
                &out,
                "ctx",
            ];
            // The endless one is refused.
            if ends(machine.0.command(&arguments)).code() == Some(0) {
                let seen = std::fs::read_to_string(machine.0.work().join(out).join("seen")).unwrap();
                assert!(["one-whole\nplain\n", "two-whole\nplain\n"].contains(&seen.as_str()), "{name}: {seen:?}");
                whole += 1;
            }
        }
        assert!(whole > 0, "{name}: never was it the one that can be read");
        for (file, text) in [("real", "two-whole\n"), ("plain", "plain\n")] {
            let found = [file, "endless"].map(|name| std::fs::symlink_metadata(place.join(name)).unwrap().len());
            let either = std::fs::read_to_string(place.join("real")).unwrap();
            assert!(found[0] > 0 && either == "two-whole\n", "{name}: {file} is no longer {text}");
        }
        canary.assert_untouched();
    }
}

/// A context whose files are exchanged with links to the host's, FIFOs and folders while it is sent.
#[test]
fn a_context_is_what_lies_in_it() {
    for (name, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        let place = machine.0.work().join("ctx");
        machine.0.write("ctx/d/Dockerfile", "FROM scratch\nCOPY d /d\nCOPY e/secret /e\n");
        machine.0.write("ctx/Dockerfile", "FROM scratch\nCOPY d /d\nCOPY e/secret /e\n");
        for (folder, other) in [("d", "d2"), ("e", "e2")] {
            machine.0.write(&format!("ctx/{folder}/secret"), "mine\n");
            machine.0.write(&format!("ctx/{folder}/full/secret"), "mine\n");
            symlink(canary.path(), place.join(other)).unwrap();
        }
        machine.0.write("ctx/d/file", "mine\n");
        mknodat(CWD, place.join("d/pipe"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
        symlink(canary.path().join("secret"), place.join("ignore")).unwrap();
        machine.0.write("ctx/.dockerignore", "nothing\n");
        give(&machine, &place);
        // The inner one first, while `e` is still the folder.
        let exchangers = [
            Exchanger::of(&place.join("e"), "secret", "full"),
            Exchanger::of(&place, "d", "d2"),
            Exchanger::of(&place, "e", "e2"),
            Exchanger::of(&place, ".dockerignore", "ignore"),
        ];
        for number in 0..TRIES {
            let out = machine.0.work().join(format!("out-{number}"));
            let output = format!("type=local,dest={}", out.display());
            let answer = ends(machine.0.command(&["build", "--no-cache", "--progress", "plain", "-o", &output, "ctx"]));
            canary.assert_not_in(answer.stderr());
            canary.assert_not_below(&out);
            canary.assert_untouched_by(&name);
        }
        drop(exchangers);
    }
}
