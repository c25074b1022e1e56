//! Contexts whose Dockerfile or ignore file is not a plain file: something that blocks, that is endless, or that leads
//! to a file of the host; and words and archives that grow without limit.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::common::{Answer, TestStore, has_programs};
use crate::fixtures::{Canary, Tar, everybody};

const GOOD: &str = "FROM busybox\nCOPY f /\n";

/// A context's folder and its files.
struct Folder(PathBuf);

impl Folder {
    fn new(store: &TestStore, name: &str) -> Self {
        let folder = store.work().join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("f"), "f").unwrap();
        Self(folder)
    }

    fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.0.join(name), text).unwrap();
        self
    }

    fn link(self, name: &str, target: impl AsRef<Path>) -> Self {
        symlink(target, self.0.join(name)).unwrap();
        self
    }

    fn fifo(self, name: &str) -> Self {
        mknodat(CWD, self.0.join(name), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
        self
    }
}

/// Checks that none of the contexts' FIFOs is open: opening one for writing, without blocking, reports that.
#[track_caller]
fn nobody_reads_pipes(work: &Path) {
    use std::os::unix::fs::FileTypeExt as _;
    let pipes = walkdir::WalkDir::new(work).max_depth(2).into_iter().flatten();
    for pipe in pipes.filter(|entry| entry.file_type().is_fifo()) {
        let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK;
        let opened = rustix::fs::open(pipe.path(), flags, Mode::empty());
        assert_eq!(opened.err(), Some(rustix::io::Errno::NXIO), "{}", pipe.path().display());
    }
}

/// A build that has to end by itself, with a message.
#[track_caller]
fn refused(store: &TestStore, arguments: &[&str], words: &str) -> String {
    let usual = store.command(&[&["build", "--progress", "plain"], arguments].concat());
    let mut command = Command::new("timeout");
    // timeout(1) exits with 124 when the time is over, and with 137 if it had to kill.
    command.args(["-k", "1", "60", "prlimit", "--as=4000000000", "--"]).arg(usual.get_program()).args(usual.get_args());
    command.current_dir(store.work()).stdin(Stdio::null());
    for (name, value) in usual.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let answer = Answer::of(command);
    nobody_reads_pipes(&store.work());
    let said = answer.stderr();
    assert_eq!(answer.code(), Some(1), "{arguments:?}: {said}");
    assert!(said.contains(words), "{arguments:?}: no `{words}` in {said}");
    said
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    if !has_programs(&["timeout", "prlimit"]) {
        return;
    }
    for (_, machine) in everybody() {
        let store = &machine.0;
        let new = |name| Folder::new(store, name);
        for name in ["Dockerfile", "dockerfile"] {
            new("ctx").fifo(name);
            refused(store, &["ctx"], "it is a FIFO");
            new("ctx").link(name, "/dev/zero");
            refused(store, &["ctx"], "leads out of");
            std::fs::create_dir(new("ctx").0.join(name)).unwrap();
            refused(store, &["ctx"], "it is a folder");
        }
        for name in [".dockerignore", "Dockerfile.dockerignore"] {
            new("ctx").file("Dockerfile", GOOD).fifo(name);
            refused(store, &["ctx"], "it is a FIFO");
            refused(store, &["-f", "ctx/Dockerfile", "ctx"], "it is a FIFO");
            new("ctx").file("Dockerfile", GOOD).link(name, "/dev/zero");
            refused(store, &["ctx"], "leads out of");
            new("ctx").file("Dockerfile", GOOD).file(name, vec![b'\n'; (16 << 20) + 1]);
            refused(store, &["ctx"], "more than 16 MiB");
        }
        new("ctx").fifo("named").file("long", vec![b'\n'; (16 << 20) + 1]);
        for (named, words) in
            [("ctx/named", "a FIFO"), ("/dev/zero", "a device"), ("ctx", "a folder"), ("ctx/long", "more than 16 MiB")]
        {
            refused(store, &["-f", named, "ctx"], words);
        }
        // Additional contexts, which may have ignore files too.
        new("ctx").file("Dockerfile", "FROM busybox\nCOPY --from=other f /\n");
        new("other").fifo(".dockerignore");
        refused(store, &["--build-context", "other=other", "ctx"], "it is a FIFO");
        new("other").link(".dockerignore", "/dev/zero");
        refused(store, &["--build-context", "other=other", "ctx"], "leads out of");
        new("ctx").file("Dockerfile", "FROM busybox\nRUN --mount=type=secret,id=s true\n");
        refused(store, &["--secret", "id=s,src=/dev/zero", "ctx"], "more than 500 KiB");
    }
}

#[test]
fn a_context_does_not_lead_to_a_file_of_the_host() {
    if !has_programs(&["timeout", "prlimit"]) {
        return;
    }
    for (name, machine) in everybody() {
        let store = &machine.0;
        let canary = Canary::beside(store);
        let secret = std::fs::read_to_string(canary.path().join("secret")).unwrap();
        let target = canary.path().join("secret");
        let near =
            PathBuf::from("..").join(canary.path().strip_prefix(store.work()).unwrap_or(canary.path())).join("secret");
        for target in [&target, &near] {
            for link in ["Dockerfile", "dockerfile", ".dockerignore", "Dockerfile.dockerignore"] {
                let folder = Folder::new(store, "ctx").link(link, target);
                if !link.eq_ignore_ascii_case("dockerfile") {
                    std::fs::write(folder.0.join("Dockerfile"), GOOD).unwrap();
                }
                let said = refused(store, &["ctx"], "leads out of");
                assert!(!said.contains(secret.trim()), "{name}: {said}");
            }
        }
        // For an archive, the name after -f is a path in it, too.
        let archive = Tar::new().link("Dockerfile", &target.display().to_string()).file("f", 0o644, "f");
        std::fs::write(store.work().join("ctx.tar"), archive.bytes()).unwrap();
        for arguments in [&["ctx.tar"][..], &["-f", "Dockerfile", "ctx.tar"]] {
            let said = refused(store, arguments, "leads out of");
            assert!(!said.contains(secret.trim()), "{name}: {said}");
        }
    }
}

#[test]
fn what_the_user_named_is_read_wherever_it_leads() {
    let Some(store) = TestStore::loaded() else { return };
    store.write("elsewhere/file", GOOD);
    let whole = store.work().join("elsewhere/file");
    Folder::new(&store, "ctx").link("out", "../elsewhere/file").file("inside", GOOD).link("Dockerfile", "inside");
    let build = |arguments: &[&str]| store.run(&[&["build", "-q"], arguments].concat());
    // Links within a context, including those with an absolute path.
    let image = build(&["ctx"]).ok().stdout();
    Folder::new(&store, "ctx").file("inside", GOOD).link("Dockerfile", store.work().join("ctx/inside"));
    assert_eq!(build(&["ctx"]).ok().stdout(), image);
    Folder::new(&store, "ctx").link("out", "../elsewhere/file");
    for named in ["ctx/out", "elsewhere/file", &whole.display().to_string()] {
        assert_eq!(build(&["-f", named, "ctx"]).ok().stdout(), image, "{named}");
    }
    for named in ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        let answer = store.run_with_input(&["build", "-q", "-f", named, "ctx"], GOOD.as_bytes());
        assert_eq!(answer.ok().stdout(), image, "{named}");
    }
    let too_long = vec![b'\n'; (16 << 20) + 1];
    for named in ["-", "/dev/stdin"] {
        let said = store.run_with_input(&["build", "-q", "-f", named, "ctx"], &too_long).fails(1).stderr();
        assert!(said.contains("more than 16 MiB"), "{said}");
    }
    if !has_programs(&["bash"]) {
        return;
    }
    let usual = store.command(&["build", "-q", "-f"]);
    let mut command = Command::new("bash");
    command.args(["-c", "\"$0\" build -q -f <(cat elsewhere/file) --secret id=s,src=<(echo x) ctx"]);
    command.arg(usual.get_program()).current_dir(store.work()).env("RBUILD_ROOT", store.root());
    assert_eq!(Answer::of(command).ok().stdout(), image);
}

#[test]
fn words_do_not_grow_without_end() {
    if !has_programs(&["timeout", "prlimit"]) {
        return;
    }
    for (_, machine) in everybody() {
        let store = &machine.0;
        let doubled: String = (0..40).map(|_| "ARG A=$A$A\n").collect();
        let replaced: String = (0..40).map(|_| "ENV A=${A//x/$A}\n").collect();
        let labels: String = (0..300).map(|number| format!("LABEL l{number}=$A\n")).collect();
        let growing: String = (0..19).map(|_| "ARG A=$A$A\n").collect();
        for (text, words) in [
            (format!("ARG A=x\n{doubled}FROM busybox\n"), "Dockerfile:22"),
            (format!("FROM busybox\nARG A=x\n{doubled}"), "Dockerfile:23"),
            (format!("FROM busybox\nENV A=xx\n{replaced}"), "larger than 1 MiB"),
            (format!("FROM busybox\nARG A=x\n{growing}{labels}"), "more than 64 MiB in all"),
        ] {
            store.write("ctx/Dockerfile", text);
            refused(store, &["ctx"], words);
        }
    }
}

/// 64 MiB of zeros, repeated: a gigabyte in some kilobytes.
fn bomb(megabytes: u64) -> Vec<u8> {
    const FRAME: u64 = 64 << 20;
    let mut header = tar::Header::new_ustar();
    header.set_path("zeros").unwrap();
    header.set_mode(0o644);
    header.set_size(megabytes << 20);
    header.set_cksum();
    let mut bytes = zstd::encode_all(&header.as_bytes()[..], 1).unwrap();
    let frame = zstd::encode_all(std::io::Read::take(std::io::repeat(0), FRAME), 19).unwrap();
    (0..(megabytes << 20) / FRAME).for_each(|_| bytes.extend_from_slice(&frame));
    bytes.extend(zstd::encode_all(&[0; 1024][..], 1).unwrap());
    bytes
}

#[test]
fn an_archive_that_grows_without_measure_is_refused() {
    for (_, machine) in everybody() {
        let store = &machine.0;
        let bytes = bomb(2048);
        assert!(bytes.len() < 400 << 10, "{}", bytes.len());
        let path = store.write("ctx/bomb.tar.zst", &bytes).display().to_string();
        let is_bomb = |answer: Answer, what: &str| {
            let said = answer.stderr();
            assert!(answer.code() != Some(0) && said.contains("decompression bomb"), "{what}: {said}");
        };
        is_bomb(store.run(&["import", &path, "bomb"]), "import");
        is_bomb(store.run(&["load", "-i", &path]), "load");
        is_bomb(store.build_text("FROM busybox\nADD bomb.tar.zst /\n", &[]), "ADD");
        store.write("other/Dockerfile", "FROM busybox\n");
        is_bomb(store.run(&["build", "-q", &path]), "a context");
        let left: u64 = walkdir::WalkDir::new(store.root())
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.metadata().ok().filter(|metadata| metadata.is_file()))
            .map(|metadata| metadata.len())
            .sum();
        assert!(left < 200 << 20, "{left} bytes are left of it");
        // A small file of zeros may be legitimate.
        let path = store.write("small.tar.zst", bomb(64)).display().to_string();
        store.run(&["import", &path, "small"]).ok();
    }
}
