//! Pipes, devices and sockets, wherever they are copied.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use super::common::{is_root, skip};
use super::machine::Machine;

const SPECIAL: &str = "mkdir /d && mkfifo -m 640 /d/fifo && mknod /d/null c 1 3 && mknod /d/block b 7 0 && \
                       echo x >/d/file && ln /d/file /d/link && ln -s file /d/way && chown 5:6 /d/fifo";
/// A socket that had a listener.
const SOCKET: &str = "ln -s /d/socket /dev/log && syslogd && while ! [ -S /d/socket ]; do sleep 0.05; done";
/// The start of each line of `ls -l`, including the number of hard links.
const SHOWN: &str = "brw-r--r-- 1,prw-r----- 1,-rw-r--r-- 2,-rw-r--r-- 2,crw-r--r-- 1,lrwxrwxrwx 1";

fn machine() -> Option<Machine> {
    let machine = Machine::new()?;
    if !is_root() {
        skip("needs root, who makes devices");
        return None;
    }
    machine.0.build_text(&format!("FROM busybox\nRUN {SPECIAL} && {SOCKET}\n"), &["-t", "special"]).ok();
    Some(machine)
}

/// What is in a container's folder, in the form of `SHOWN`.
fn listed(machine: &Machine, options: &[&str], image: &str, folder: &str) -> String {
    let script = format!("ls -l {folder} | tail -n +2 | awk '{{print $1, $2}}'");
    let command = [&["run", "--rm", "--network", "none"], options, &[image, "sh", "-c", &script]].concat();
    machine.says(&command).replace('\n', ",")
}

#[test]
fn they_are_in_images_and_what_is_made_of_them() {
    let Some(machine) = machine() else { return };
    assert_eq!(listed(&machine, &[], "special", "/d"), SHOWN);
    // A volume is filled with them, and keeps them.
    for _ in 0..2 {
        assert_eq!(listed(&machine, &["-v", "filled:/d"], "special", "/d"), SHOWN);
    }
    machine.0.write("ctx/Dockerfile", "FROM special\n");
    let folder = machine.0.root_filesystem(&[]).join("d");
    let of = |name: &str| std::fs::symlink_metadata(folder.join(name)).unwrap();
    assert!(of("fifo").file_type().is_fifo() && of("fifo").mode() & 0o777 == 0o640);
    assert!(of("null").file_type().is_char_device() && of("null").rdev() == rustix::fs::makedev(1, 3));
    assert!(of("block").file_type().is_block_device() && of("block").rdev() == rustix::fs::makedev(7, 0));
    assert_eq!((of("file").ino(), of("file").nlink()), (of("link").ino(), 2));
    assert!(of("way").file_type().is_symlink() && !folder.join("socket").exists());
    let archive = machine.0.build(&["-o", "type=tar,dest=-"]).ok();
    let mut archive = tar::Archive::new(archive.stdout_bytes());
    let kinds = archive.entries().unwrap().map(Result::unwrap).filter_map(|entry| {
        let path = entry.path().unwrap().display().to_string();
        path.strip_prefix("d/")
            .filter(|name| !name.is_empty())
            .map(|name| (name.to_owned(), entry.header().entry_type()))
    });
    let kinds: Vec<String> = kinds.map(|(name, kind)| format!("{name} {}", char::from(kind.as_byte()))).collect();
    assert_eq!(kinds, ["block 4", "fifo 6", "file 0", "link 1", "null 3", "way 2"]);
}

#[test]
fn they_are_copied_and_sockets_are_left_out() {
    let Some(machine) = machine() else { return };
    machine.says(&["run", "--name", "box", "--network", "none", "special", "sh", "-c", SOCKET]);
    machine.says(&["cp", "box:/d", "out"]);
    let out = machine.0.work().join("out");
    assert!(std::fs::symlink_metadata(out.join("fifo")).unwrap().file_type().is_fifo() && !out.join("socket").exists());
    let _socket = std::os::unix::net::UnixListener::bind(out.join("other")).unwrap();
    machine.says(&["cp", "out", "box:/back"]);
    machine.says(&["commit", "box", "changed"]);
    for folder in ["/d", "/back"] {
        assert_eq!(listed(&machine, &[], "changed", folder), SHOWN, "{folder}");
    }
    let exported = machine.run(&["export", "box"]).ok();
    let mut archive = tar::Archive::new(exported.stdout_bytes());
    let names = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
    let names: Vec<String> = names.filter(|name| name.contains("socket") || name.contains("other")).collect();
    assert_eq!(names, [""; 0]);
}

/// `--device DIR` means the devices below it, and nothing else.
#[test]
fn folders_of_devices() {
    let Some(machine) = machine() else { return };
    let folder = machine.0.work().join("devices/below");
    std::fs::create_dir_all(&folder).unwrap();
    let make = |name: &str, minor: u32| {
        let mode = rustix::fs::Mode::from_raw_mode(0o666);
        let device = rustix::fs::makedev(1, minor);
        rustix::fs::mknodat(rustix::fs::CWD, folder.join(name), rustix::fs::FileType::CharacterDevice, mode, device)
    };
    if make("zero", 5).and_then(|()| make("full", 7)).and_then(|()| make("kmsg", 11)).is_err() {
        return skip("needs to be allowed to make devices");
    }
    std::fs::write(folder.join("file"), "no device").unwrap();
    let given = folder.parent().unwrap().display().to_string();
    let script = "find /dev/given | sort | tr '\\n' ' '; head -c 3 /dev/given/below/zero | wc -c; \
                  echo x 2>&1 >/dev/given/below/full";
    let (_, said) = machine.script(&["--device", &format!("{given}:/dev/given")], script);
    let (found, rest) = said.split_once("zero ").unwrap_or((&said, ""));
    assert_eq!(
        found, "/dev/given /dev/given/below /dev/given/below/full /dev/given/below/kmsg /dev/given/below/",
        "{said}"
    );
    assert!(rest.starts_with("3\n") && rest.contains("No space left"), "{said}");
    // One that containers may not write to otherwise.
    let (_, said) = machine.script(&["--device", &format!("{given}:/dev/given:r")], "echo x >/dev/given/below/kmsg");
    assert!(said.contains("not permitted"), "{said}");
    std::fs::create_dir(machine.0.work().join("none")).unwrap();
    let none = machine.0.work().join("none").display().to_string();
    let (code, said) = machine.script(&["--device", &none], "true");
    assert!(code == 125 && said.contains("not a device node"), "{said}");
}
