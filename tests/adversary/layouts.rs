//! Folders in OCI layout, and folders into which builds write: whoever created or changed them can't lead a command to
//! the host's files, or keep it from ending.

use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::fixtures::{Canary, ends, everybody};
use crate::machine::Machine;

/// The names in a layout that are replaced by something hostile.
const NAMES: [&str; 3] = ["index.json", "blobs", "blobs/sha256"];

fn layout(machine: &Machine) {
    machine.0.write("ctx/Dockerfile", "FROM busybox\nCOPY Dockerfile /made\n");
    let output = "type=oci,dest=layout,tar=false";
    machine.says(&["build", "-q", "-t", "mine:2", "-o", output, "--cache-to", "type=local,dest=cache", "ctx"]);
    machine.0.write("other/Dockerfile", "FROM base\nRUN true\n");
}

/// Gives everything in a folder to the store's owner, who may not be the user who runs the tests.
fn give(machine: &Machine, folder: &Path) {
    let owner = machine.0.work().metadata().unwrap();
    for entry in walkdir::WalkDir::new(folder).into_iter().flatten() {
        std::os::unix::fs::lchown(entry.path(), Some(owner.uid()), Some(owner.gid())).unwrap();
    }
}

/// Commands that read a folder; each of them has to end.
fn readers() -> [Vec<&'static str>; 3] {
    [
        vec!["build", "-q", "--build-context", "base=oci-layout://layout:2", "other"],
        vec!["build", "-q", "--cache-from", "type=local,src=cache", "ctx"],
        vec!["copy", "-q", "oci:layout:2", "oci:taken:2"],
    ]
}

#[test]
fn a_layout_is_read_from_its_own_files() {
    for (name, machine) in everybody() {
        layout(&machine);
        let work = machine.0.work().to_owned();
        for folder in ["layout", "cache"] {
            let aside = work.join("aside");
            let place = work.join(folder).join("index.json");
            std::fs::rename(&place, &aside).unwrap();
            for kind in ["fifo", "zero", "outside", "loop"] {
                match kind {
                    "fifo" => mknodat(CWD, &place, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap(),
                    "zero" => symlink("/dev/zero", &place).unwrap(),
                    "outside" => symlink(&aside, &place).unwrap(),
                    _ => symlink("index.json", &place).unwrap(),
                }
                let place_of = |word: &&str| word.contains("layout:2") == (folder == "layout") && word.contains(folder);
                for reader in readers().iter().filter(|reader| reader[2..].iter().any(&place_of)) {
                    let answer = ends(machine.0.command(reader));
                    // An unreadable cache is no reason to stop.
                    let may_go_on = reader.contains(&"--cache-from");
                    assert!(may_go_on || answer.code() != Some(0), "{name} {reader:?} with {kind}");
                }
                std::fs::remove_file(&place).unwrap();
            }
            std::fs::rename(&aside, &place).unwrap();
        }
        // A link within the layout is as good as a file.
        std::fs::rename(work.join("layout/index.json"), work.join("layout/real.json")).unwrap();
        symlink("real.json", work.join("layout/index.json")).unwrap();
        for reader in readers() {
            ends(machine.0.command(&reader)).ok();
        }
    }
}

#[test]
fn a_layout_is_written_into_its_own_folder() {
    for (_, machine) in everybody() {
        layout(&machine);
        let canary = Canary::beside(&machine.0);
        let work = machine.0.work().to_owned();
        let writers = [
            ("cache", vec!["build", "-q", "--no-cache", "--cache-to", "type=local,dest=cache", "ctx"]),
            ("layout", vec!["build", "-q", "-t", "mine:3", "-o", "type=oci,dest=layout,tar=false", "ctx"]),
            ("taken", vec!["copy", "-q", "oci:whole:2", "oci:taken:3"]),
        ];
        std::fs::rename(work.join("layout"), work.join("whole")).unwrap();
        for (folder, arguments) in writers {
            for (target, names) in [("", &NAMES[1..]), ("secret", &[NAMES[0], "oci-layout", ".lock"]), ("new", &NAMES)]
            {
                for place in names {
                    let path = work.join(folder).join(place);
                    let _ = std::fs::remove_dir_all(work.join(folder));
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    symlink(canary.path().join(target), &path).unwrap();
                    give(&machine, &work.join(folder));
                    ends(machine.0.command(&arguments));
                    canary.assert_untouched_by(&(&arguments, place, target));
                }
            }
        }
    }
}

#[test]
fn the_folder_of_a_platform_is_in_the_output() {
    for (_, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        machine.0.write("ctx/Dockerfile", "FROM scratch\nCOPY Dockerfile /secret\nCOPY Dockerfile /full/secret\n");
        let out = machine.0.work().join("out");
        std::fs::create_dir(&out).unwrap();
        for name in ["linux_amd64", "linux_arm64"] {
            symlink(canary.path(), out.join(name)).unwrap();
        }
        give(&machine, &out);
        machine.says(&["build", "-q", "--platform", "linux/amd64,linux/arm64", "-o", "out", "ctx"]);
        canary.assert_untouched();
        assert!(out.join("linux_arm64/full/secret").symlink_metadata().unwrap().is_file());
        assert!(!Path::new(&out).join("linux_amd64").is_symlink());
    }
}
