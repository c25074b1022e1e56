//! `cp`, `diff`, `commit` and `export`.

use std::path::Path;

use super::machine::Machine;
use crate::common::{Answer, TestStore};

#[test]
fn files_go_in_and_out() {
    let Some(machine) = Machine::new() else { return };
    machine.start("box", &[], "mkdir -p /data/sub; echo in > /data/sub/f; ln -s /etc/passwd /data/way; sleep 100");
    machine.until(&["exec", "box", "ls", "/data"], |text| text.contains("way"));
    machine.0.write("local/file", "from host\n");
    for state in ["running", "stopped"] {
        machine.says(&["cp", "-q", "local/file", "box:/data/new"]);
        machine.says(&["cp", "local", "box:data"]);
        let out = format!("out-{state}");
        machine.says(&["cp", "box:/data/.", &out]);
        let read = |path: &str| std::fs::read_to_string(machine.0.work().join(&out).join(path)).unwrap();
        // The folder did not exist: it was created, with its contents.
        assert_eq!(
            (read("sub/f"), read("new"), read("local/file")),
            ("in\n".into(), "from host\n".into(), "from host\n".into())
        );
        let link = std::fs::read_link(machine.0.work().join(&out).join("way")).unwrap();
        assert_eq!(link, Path::new("/etc/passwd"));
        let tar = machine.run(&["cp", "box:/data/sub", "-"]).ok();
        let mut archive = tar::Archive::new(tar.stdout_bytes());
        let names: Vec<_> =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned()).collect();
        assert!(names.iter().any(|name| name == Path::new("sub/f")), "{names:?}");
        machine.0.run_with_input(&["cp", "-", "box:/tmp"], tar.stdout_bytes()).ok();
        machine.run(&["cp", "box:/nothing", "x"]).fails(1);
        machine.run(&["cp", "nowhere", "box:/x"]).fails(1);
        machine.run(&["cp", "local/file", "box:/none/x"]).fails(1);
        if state == "running" {
            assert_eq!(machine.says(&["exec", "box", "cat", "/tmp/sub/f"]), "in");
            assert_eq!(machine.says(&["exec", "box", "stat", "-c", "%u:%g", "/data/new"]), "0:0");
            machine.says(&["stop", "-t", "0", "box"]);
        }
    }
    machine.says(&["start", "box"]);
}

#[test]
fn a_link_in_the_container_leads_nowhere_else() {
    let Some(machine) = Machine::new() else { return };
    machine.start("box", &[], "ln -s / /root-link; ln -s ../../../../../../tmp /up; sleep 100");
    machine.until(&["exec", "box", "ls", "/"], |text| text.contains("up"));
    machine.0.write("secret", "host");
    let mark = format!("rbuild-mark-{}", std::process::id());
    machine.says(&["cp", "secret", &format!("box:/up/{mark}")]);
    machine.says(&["cp", "secret", &format!("box:/root-link/{mark}")]);
    assert!(!Path::new("/tmp").join(&mark).exists() && !Path::new("/").join(&mark).exists());
    assert_eq!(machine.says(&["exec", "box", "cat", &format!("/tmp/{mark}"), &format!("/{mark}")]), "hosthost");
}

#[test]
fn changes_become_an_image() {
    let Some(machine) = Machine::new() else { return };
    let script = "echo new > /etc/new; mkdir /d; echo x > /d/x; rm -r /var; exec sleep 100";
    machine.start("box", &["-e", "A=1"], script);
    machine.until(&["exec", "box", "ls", "/d"], |text| text == "x\n");
    let diff = machine.until(&["diff", "box"], |text| text.lines().any(|line| line == "D /var"));
    for line in ["A /d", "A /d/x", "C /etc", "A /etc/new", "D /var"] {
        assert!(diff.lines().any(|found| found == line), "{line} in {diff}");
    }
    assert!(!diff.contains("/proc") && !diff.contains("/dev") && !diff.contains("resolv.conf"), "{diff}");
    let id =
        machine.says(&["commit", "-m", "words", "-a", "somebody", "-c", "CMD [\"cat\",\"/etc/new\"]", "box", "mine:1"]);
    assert!(id.starts_with("sha256:"), "{id}");
    assert_eq!(machine.says(&["run", "--rm", "--network", "none", "mine:1"]), "new");
    let gone = machine.says(&["run", "--rm", "--network", "none", "mine:1", "sh", "-c", "ls -d /var; echo $A; true"]);
    assert_eq!(gone, "1");
    assert_eq!(machine.field("mine:1", "{{.Author}} {{json .Config.Cmd}}"), "somebody [\"cat\",\"/etc/new\"]");
    assert!(machine.says(&["history", "--no-trunc", "--format", "{{.Comment}}", "mine:1"]).starts_with("words"));
    let exported = machine.run(&["export", "box"]).ok();
    let mut archive = tar::Archive::new(exported.stdout_bytes());
    assert!(archive.entries().unwrap().any(|entry| entry.unwrap().path().unwrap() == Path::new("etc/new")));
}

#[test]
fn a_container_that_was_never_started_has_its_images_files() {
    let Some(machine) = Machine::new() else { return };
    machine.run(&["create", "--name", "box", "busybox", "true"]).ok();
    let exported = machine.run(&["export", "box"]).ok();
    let mut archive = tar::Archive::new(exported.stdout_bytes());
    assert!(archive.entries().unwrap().any(|entry| entry.unwrap().path().unwrap() == Path::new("bin/busybox")));
    assert_eq!(machine.says(&["diff", "box"]), "");
}

#[test]
fn a_bundle_says_what_the_container_is() {
    let Some(machine) = Machine::new() else { return };
    let options = ["--name", "box", "--network", "none", "--cap-drop", "ALL", "-e", "A=1", "-u", "7", "-h", "there"];
    machine.run(&[&["create"], options.as_slice(), &["busybox", "sh", "-c", "id -u"]].concat()).ok();
    machine.says(&["container", "bundle", "box", "out"]);
    let folder = machine.0.work().join("out");
    let text = std::fs::read(folder.join("config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(config["process"]["args"], serde_json::json!(["sh", "-c", "id -u"]));
    assert_eq!(config["process"]["user"]["uid"], 7);
    assert_eq!(config["process"]["capabilities"]["bounding"], serde_json::json!([]));
    assert_eq!((config["hostname"].as_str(), config["root"]["path"].as_str()), (Some("there"), Some("rootfs")));
    assert_eq!(config["linux"]["seccomp"]["defaultAction"], "SCMP_ACT_ERRNO");
    assert!(folder.join("rootfs/bin/busybox").exists());
    machine.run(&["container", "bundle", "box", "out"]).fails(1);
}

#[test]
fn files_are_called_as_they_are() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt as _;
    let Some(store) = TestStore::loaded() else { return };
    store.run(&["create", "--name", "box", "busybox"]).ok();
    let copy = |source: &OsStr, destination: &OsStr| {
        let mut command = store.command(&["cp", "-q"]);
        command.args([source, destination]);
        Answer::of(command).ok();
    };
    // Chinese, latin-1, a dash, blanks at both ends, a tab, a newline, characters with special meanings.
    let names: [&[u8]; 8] =
        ["文件".as_bytes(), b"\xe9.txt", b"-dash", b" both ", b"ta\tb", b"new\nline", b"back\\slash", b"$var*[x]"];
    for name in names.map(OsStr::from_bytes) {
        let of = |before: &str| OsString::from_iter([OsStr::new(before), name]);
        std::fs::write(store.work().join(name), name.as_bytes()).unwrap();
        copy(&of("./"), &of("box:/tmp/"));
        copy(&of("box:/tmp/"), &of("./copy of "));
        assert_eq!(std::fs::read(store.work().join(of("copy of "))).unwrap(), name.as_bytes(), "{name:?}");
    }
}
