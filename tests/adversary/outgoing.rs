//! The output path was occupied before by a link, a FIFO or a file: by another user of the machine, in a folder that
//! everybody may write to, or by the creator of the context.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::common::{is_root, skip};
use crate::fixtures::{Canary, ends, everybody};
use crate::machine::Machine;

const STRANGER: u32 = 64_322;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Commands that write a file with that name, and whether it may exist.
fn files(path: &str) -> Vec<Vec<String>> {
    let build = |option: &str, value: &str| words(&["build", "-q", option, value, "ctx"]);
    vec![
        build("--iidfile", path),
        build("--metadata-file", path),
        build("-o", &format!("type=tar,dest={path}")),
        build("-o", &format!("type=docker,dest={path}")),
        build("-o", &format!("type=oci,dest={path}")),
        words(&["save", "-q", "-o", path, "busybox"]),
        words(&["export", "-o", path, "made"]),
        words(&["run", "--rm", "--network", "none", "--cidfile", path, "busybox", "true"]),
        words(&["create", "--cidfile", path, "busybox"]),
        words(&["copy", "-q", "store:busybox", &format!("docker-archive:{path}")]),
        words(&["bake", "-q", "-f", "bake.json", "--metadata-file", path]),
    ]
}

/// Commands that write into a folder with that name.
fn folders(path: &str) -> Vec<Vec<String>> {
    let build = |option: &str, value: &str| words(&["build", "-q", "--no-cache", option, value, "ctx"]);
    vec![
        build("-o", path),
        build("-o", &format!("type=local,dest={path},mode=delete")),
        build("-o", &format!("type=oci,dest={path},tar=false")),
        build("--cache-to", &format!("type=local,dest={path}")),
        words(&["container", "bundle", "made", path]),
        words(&["copy", "-q", "store:busybox", &format!("oci:{path}:x")]),
    ]
}

struct Place {
    machine: Machine,
    /// A folder with the sticky bit: everybody may create names, and remove only their own.
    shared: PathBuf,
}

impl Place {
    fn new(machine: Machine) -> Self {
        machine.0.write("ctx/Dockerfile", "FROM scratch\nCOPY Dockerfile /secret\nCOPY Dockerfile /full/secret\n");
        machine.0.write("bake.json", r#"{"target": {"default": {"context": "ctx"}}}"#);
        machine.says(&["create", "--name", "made", "busybox"]);
        let shared = machine.0.work().join("shared");
        std::fs::create_dir(&shared).unwrap();
        std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o1777)).unwrap();
        Self { machine, shared }
    }

    fn run(&self, words: &[String]) -> Option<i32> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        ends(self.machine.0.command(&words)).code()
    }

    fn remove(&self, path: &Path) {
        if path.symlink_metadata().is_ok_and(|status| status.is_dir()) {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Lets a user put a link there.
    fn plant(&self, target: &Path, link: &Path, owner: u32) {
        symlink(target, link).unwrap();
        self.give(link, owner);
    }

    /// Gives what is there to a user.
    fn give(&self, path: &Path, owner: u32) {
        lchown(path, Some(owner), Some(owner)).unwrap();
    }
}

#[test]
fn what_another_user_has_put_there_is_not_written_through() {
    if !is_root() {
        return skip("only root can be somebody else");
    }
    for (_, machine) in everybody() {
        let place = Place::new(machine);
        let canary = Canary::beside(&place.machine.0);
        let planted = place.shared.join("planted");
        for target in ["secret", "new", "empty", "empty-folder", ""] {
            for below in ["", "/full/new", "/new"] {
                let path = format!("shared/planted{below}");
                let (files, folders) = (files(&path), folders(&path));
                // Paths below a link are tried with folders only.
                let all = if below.is_empty() || matches!(target, "empty-folder" | "") { files } else { Vec::new() };
                for words in all.iter().chain(&folders) {
                    place.plant(&canary.path().join(target), &planted, STRANGER);
                    place.run(words);
                    canary.assert_untouched_by(&(words, target));
                    place.remove(&planted);
                }
            }
        }
    }
}

#[test]
fn a_pipe_or_a_device_of_another_user_keeps_nobody_waiting() {
    if !is_root() {
        return skip("only root can be somebody else");
    }
    for (_, machine) in everybody() {
        let place = Place::new(machine);
        let planted = place.shared.join("planted");
        for words in files("shared/planted").iter().chain(&folders("shared/planted")) {
            mknodat(CWD, &planted, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
            place.give(&planted, STRANGER);
            assert_ne!(place.run(words), Some(0), "{words:?}");
            assert_eq!(planted.symlink_metadata().unwrap().uid(), STRANGER);
            place.remove(&planted);
        }
        // A link of theirs to a device that only root may write to must be unchanged afterwards.
        if let Some(disk) = disk() {
            let start = |path: &Path| {
                let mut bytes = vec![0; 4096];
                std::io::Read::read_exact(&mut std::fs::File::open(path).unwrap(), &mut bytes).unwrap();
                bytes
            };
            let before = start(&disk.0);
            for words in files("shared/planted") {
                symlink(&disk.0, &planted).unwrap();
                place.give(&planted, STRANGER);
                place.run(&words);
                assert!(start(&disk.0) == before, "{words:?}");
                place.remove(&planted);
            }
        }
    }
}

/// A RAM disk without a filesystem.
struct Disk(PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("losetup").arg("-d").arg(&self.0).status();
    }
}

fn disk() -> Option<Disk> {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 20).unwrap();
    let made = std::process::Command::new("losetup").args(["-f", "--show"]).arg(file.path()).output().ok()?;
    let path = String::from_utf8(made.stdout).ok()?.trim().to_owned();
    (made.status.success() && !path.is_empty()).then(|| Disk(path.into()))
}

#[test]
fn a_file_of_another_user_is_replaced_or_left_alone() {
    if !is_root() {
        return skip("only root can be somebody else");
    }
    for (name, machine) in everybody() {
        let place = Place::new(machine);
        let planted = place.shared.join("planted");
        for words in files("shared/planted") {
            std::fs::write(&planted, "theirs").unwrap();
            std::fs::set_permissions(&planted, std::fs::Permissions::from_mode(0o666)).unwrap();
            place.give(&planted, STRANGER);
            let kept = std::fs::File::open(&planted).unwrap();
            place.run(&words);
            // A process that has it open can neither read nor change what was written.
            assert_eq!(std::io::read_to_string(&kept).unwrap(), "theirs", "{name}: {words:?}");
            place.remove(&planted);
        }
    }
}

#[test]
fn names_that_another_user_has_guessed_keep_nothing_from_being_written() {
    if !is_root() {
        return skip("only root can be somebody else");
    }
    for (name, machine) in everybody() {
        let place = Place::new(machine);
        let last: u32 = std::fs::read_to_string("/proc/sys/kernel/ns_last_pid").unwrap().trim().parse().unwrap();
        // Possible temporary names of the next processes.
        for process in last..last + 3000 {
            let guessed = place.shared.join(format!(".new-{process}-0"));
            std::fs::write(&guessed, "").unwrap();
            place.give(&guessed, STRANGER);
        }
        assert_eq!(place.run(&words(&["save", "-o", "shared/saved.tar", "busybox"])), Some(0), "{name}");
        assert!(place.shared.join("saved.tar").metadata().unwrap().len() > 0, "{name}");
    }
}

#[test]
fn no_service_listens_where_a_link_of_another_user_leads() {
    if !is_root() {
        return skip("only root can be somebody else");
    }
    for (_, machine) in everybody() {
        let place = Place::new(machine);
        let canary = Canary::beside(&place.machine.0);
        let planted = place.shared.join("planted");
        for below in ["", "/new"] {
            place.plant(&canary.path().join("empty-folder"), &planted, STRANGER);
            let address = format!("unix://shared/planted{below}/d.sock");
            assert_eq!(place.run(&words(&["system", "service", "--time", "1", &address])), Some(1));
            canary.assert_untouched_by(&address);
            place.remove(&planted);
        }
        // A link in place of the socket itself is replaced.
        place.plant(&canary.path().join("secret"), &planted, STRANGER);
        place.run(&words(&["system", "service", "--time", "1", "unix://shared/planted"]));
        canary.assert_untouched_by(&"a link in the place of the socket");
    }
}

#[test]
fn a_link_of_the_context_gives_way_to_the_file() {
    for (_, machine) in everybody() {
        let place = Place::new(machine);
        let canary = Canary::beside(&place.machine.0);
        let owner = place.machine.0.work().metadata().unwrap().uid();
        let planted = place.machine.0.work().join("ctx/planted");
        for target in ["secret", "new", "empty"] {
            for words in files("ctx/planted") {
                place.plant(&canary.path().join(target), &planted, owner);
                place.run(&words);
                canary.assert_untouched_by(&(words, target));
                place.remove(&planted);
            }
        }
    }
}

#[test]
fn ones_own_links_lead_where_they_lead() {
    for (name, machine) in everybody() {
        let place = Place::new(machine);
        let owner = place.machine.0.work().metadata().unwrap().uid();
        for (number, words) in folders("shared/mine").iter().enumerate() {
            let real = place.machine.0.work().join(format!("real-{number}"));
            std::fs::create_dir(&real).unwrap();
            place.give(&real, owner);
            symlink(&real, place.shared.join("mine")).unwrap();
            place.give(&place.shared.join("mine"), owner);
            assert_eq!(place.run(words), Some(0), "{name}: {words:?}");
            assert!(real.read_dir().unwrap().next().is_some(), "{name}: {words:?}");
            place.remove(&place.shared.join("mine"));
        }
    }
    let Some(machine) = Machine::new() else { return };
    let place = Place::new(machine);
    for path in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let answer = place.machine.run(&["build", "-q", "--no-cache", "--iidfile", path, "ctx"]).ok();
        assert_eq!(answer.stdout().matches("sha256:").count(), 2, "{path}");
    }
}
