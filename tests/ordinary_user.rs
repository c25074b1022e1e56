//! The main functions without root: as the user who runs the tests, or as the first user with subordinate IDs.

mod common;

use std::io::{Read as _, Write as _};
use std::process::Command;

use common::user::User;
use common::{Answer, TestStore, busybox_archive, has_programs, is_root, must_run, skip, wait_until};

const DOCKERFILE: &str = "\
FROM busybox
RUN echo app:x:70:70::/:/bin/sh >> /etc/passwd && echo app:x:70: >> /etc/group && mkdir /data && chown app:app /data
COPY --chown=70:70 file /data/file
USER app
RUN id -u && cp /data/file /data/mine
USER 1234:4321
WORKDIR /tmp/deep
USER app
CMD [\"sh\", \"-c\", \"ls -ln /data && id -u\"]
";

/// A user who has built `app` from the folder `ctx`.
fn with_app() -> Option<User> {
    let user = User::find()?;
    user.write("ctx/Dockerfile", DOCKERFILE);
    user.write("ctx/file", "content\n");
    user.run(&["load", "-i", "busybox.tar"]).ok();
    user.run(&["build", "-q", "-t", "app", "ctx"]).ok();
    Some(user)
}

#[test]
fn builds_and_runs_with_files_of_other_owners() {
    let Some(user) = with_app() else { return };
    assert_eq!(user.run(&["build", "--progress", "plain", "ctx"]).ok().executed(), [""; 0]);
    let said = user.run(&["run", "--rm", "--network", "none", "app"]).ok().stdout();
    assert!(said.contains("1 70       70 ") && said.ends_with("\n70\n"), "{said}");
}

#[test]
fn makes_the_same_image_as_root() {
    if !is_root() {
        return skip("needs root to compare with");
    }
    let Some(user) = User::find() else { return };
    let Some(root) = TestStore::with_busybox() else { return };
    let epoch = "SOURCE_DATE_EPOCH=1700000000";
    // The results of RUN contain times; those of WORKDIR, COPY and ADD don't.
    let dockerfile =
        "FROM busybox\nUSER 12\nWORKDIR /made\nCOPY --chown=70:70 file /data/\nCOPY --chmod=4711 file /f\n";
    let arguments = ["build", "-q", "--build-arg", epoch, "ctx"];
    user.write("ctx/Dockerfile", dockerfile);
    user.write("ctx/file", "content\n");
    user.run(&["load", "-i", "busybox.tar"]).ok();
    root.write("ctx/Dockerfile", dockerfile);
    root.write("ctx/file", "content\n");
    // COPY keeps it.
    for file in [user.home.path().join("ctx/file"), root.work().join("ctx/file")] {
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
        std::fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
    }
    assert_eq!(user.run(&arguments).ok().stdout(), root.run(&arguments).ok().stdout());
}

#[test]
fn saves_what_another_store_loads() {
    let Some(user) = with_app() else { return };
    user.run(&["save", "-o", "app.tar", "app"]).ok();
    user.run(&["--root", "other", "load", "-i", "app.tar"]).ok();
    let said = user.run(&["--root", "other", "run", "--rm", "--network", "none", "app"]).ok().stdout();
    assert!(said.contains("1 70       70 "), "{said}");
}

/// The kernel does not let them change groups.
#[test]
fn one_id_is_enough_for_files_of_ones_own() {
    let Some(user) = User::with_one_id() else { return };
    user.write("ctx/Dockerfile", "FROM busybox\nRUN id -u > /made && id -G >> /made\nCOPY file /file\n");
    user.write("ctx/file", "content\n");
    user.run(&["load", "-i", "busybox.tar"]).ok();
    user.run(&["build", "-q", "-t", "own", "ctx"]).ok();
    let run = user.run(&["run", "--rm", "--network", "none", "own", "cat", "/made", "/file"]).ok();
    let said = run.stdout();
    assert!(said.starts_with("0\n0") && said.ends_with("content\n"), "{said}");
}

/// If this is the cause of a failure, it is reported, with what an administrator can do.
#[test]
fn one_id_is_named_where_it_is_not_enough() {
    let Some(user) = User::with_one_id() else { return };
    user.write("run/Dockerfile", "FROM busybox\nRUN touch /f && chown 7:7 /f\n");
    user.write("copy/Dockerfile", "FROM busybox\nCOPY --chown=7:7 Dockerfile /f\n");
    user.run(&["load", "-i", "busybox.tar"]).ok();
    let others: [(&[&str], i32); 4] = [
        (&["build", "run"], 1),
        (&["build", "copy"], 1),
        (&["run", "--network", "none", "-u", "7", "busybox", "true"], 125),
        (&["run", "--network", "none", "--group-add", "7", "busybox", "true"], 125),
    ];
    // The second time, the store's shared namespaces exist already, and have one user for the same reason.
    for _ in 0..2 {
        for (arguments, code) in others {
            let said = user.run(arguments).fails(code).stderr();
            assert!(said.contains("hint: there is one user only here") && said.contains("subuid"), "{said}");
        }
        user.run(&["run", "-d", "busybox", "sleep", "1000"]).ok();
    }
    let said = user.run(&["run", "--network", "none", "-m", "50m", "busybox", "true"]).fails(125).stderr();
    assert!(!said.contains("this kernel has no") && said.contains("may not be written to by this user"), "{said}");
    let info = user.run(&["info"]).ok().stdout();
    assert!(info.contains("Limits: none: `/sys/fs/cgroup") && info.contains("ID Mapping: one user only"), "{info}");
    assert!(info.contains("subuid"), "{info}");
    let tun = std::fs::metadata("/dev/net/tun").map(|tun| std::os::unix::fs::PermissionsExt::mode(&tun.permissions()));
    if tun.is_ok_and(|mode| mode & 0o006 == 0) {
        assert!(info.contains("Network: the host's for") && info.contains("/dev/net/tun"), "{info}");
    }
}

#[test]
fn says_what_it_isolates_with() {
    let Some(user) = User::find() else { return };
    let said = user.run(&["info"]).ok().stdout();
    assert!(said.contains("user namespace"), "{said}");
}

/// A build in which nothing changed prints the image's ID while it is still in its original namespaces. It blocks on a
/// full pipe at that point, so that it can be inspected.
#[test]
fn changes_nothing_without_a_user_namespace() {
    let Some(user) = with_app() else { return };
    let namespace_of = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/user")).unwrap();
    for (change, is_own) in [(false, true), (true, false)] {
        if change {
            user.write("ctx/file", "other content\n");
        }
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        fill(&mut writer);
        let mut build = user.command(&["build", "-q", "-t", "app", "ctx"]).stdout(writer).spawn().unwrap();
        let pid = build.id().to_string();
        wait_until_it_writes(&pid);
        assert_eq!(namespace_of(&pid) == namespace_of("self"), is_own);
        let mut said = Vec::new();
        reader.read_to_end(&mut said).unwrap();
        assert!(build.wait().unwrap().success());
        assert!(String::from_utf8_lossy(&said).contains("sha256:"));
    }
}

/// The kernel creates no user namespace in a chroot. Images can still be moved and inspected there; whatever needs a
/// user namespace fails, and no helper for its maps is left waiting for a pipe.
#[test]
fn without_user_namespaces_images_are_moved_all_the_same() {
    if !is_root() || !has_programs(&["unshare", "chroot", "timeout"]) {
        return skip("needs root to make a chroot");
    }
    let Some(cage) = Cage::make() else { return };
    cage.run(&["load", "-i", "/home/busybox.tar"]).ok();
    assert!(cage.run(&["images"]).ok().stdout().contains("busybox"));
    cage.run(&["tag", "busybox", "other:1"]).ok();
    cage.run(&["history", "other:1"]).ok();
    cage.run(&["save", "-o", "/home/other.tar", "other:1"]).ok();
    cage.run(&["copy", "docker-archive:/home/other.tar", "oci:/home/layout:other"]).ok();
    cage.run(&["rmi", "busybox", "other:1"]).ok();
    cage.run(&["system", "check"]).ok();
    assert!(cage.run(&["info"]).ok().stdout().contains("Isolation: "));
    cage.run(&["version"]).ok();
    // Builds without programs work nevertheless, with the same result.
    cage.write("a", "hi\n");
    cage.write("Dockerfile", "FROM busybox\nCOPY --chown=5:6 --chmod=4755 a /a\nUSER 9\nWORKDIR /w/x\n");
    cage.write("Run", "FROM busybox\nRUN true\n");
    cage.run(&["load", "-i", "/home/busybox.tar"]).ok();
    let id = cage.run(&["build", "-q", "--reproducible", "/home"]).ok().stdout();
    let store = TestStore::loaded().unwrap();
    for name in ["a", "Dockerfile"] {
        store.write(name, std::fs::read(cage.0.path().join("home").join(name)).unwrap());
    }
    assert_eq!(store.run(&["build", "-q", "--reproducible", "."]).ok().stdout(), id);
    assert_eq!(cage.run(&["build", "-q", "--reproducible", "/home"]).ok().stdout(), id, "from the cache");
    // Programs would be emulated, with rbuild's own devices: there are none.
    let said = cage.run(&["build", "-f", "/home/Run", "/home"]).fails(1).stderr();
    assert!(said.contains("a null device") || said.contains("emulated on amd64 only"), "{said}");
    let said = cage.run(&["run", "busybox"]).fails(125).stderr();
    assert!(said.contains("cannot start `the container's monitor`"), "{said}");
}

/// A folder with nothing but rbuild, and a user who is not root.
struct Cage(tempfile::TempDir);

impl Cage {
    fn make() -> Option<Self> {
        let cage = tempfile::Builder::new().prefix("rbuild-cage-").tempdir().unwrap();
        let inside = |path: &str| cage.path().join(path);
        for folder in ["bin", "etc", "home", "proc", "tmp"] {
            std::fs::create_dir(inside(folder)).unwrap();
        }
        must_run("cp", &[env!("CARGO_BIN_EXE_rbuild"), &inside("bin/rbuild").display().to_string()]);
        std::fs::copy(busybox_archive()?, inside("home/busybox.tar")).unwrap();
        // The programs that write maps wait to be told, and never are.
        for file in ["bin/newuidmap", "bin/newgidmap"] {
            std::fs::write(inside(file), "").unwrap();
        }
        for file in ["etc/subuid", "etc/subgid"] {
            std::fs::write(inside(file), "64321:100000:65536\n").unwrap();
        }
        let path = cage.path().display().to_string();
        must_run("chmod", &["-R", "a+rX", &path]);
        must_run("chmod", &["1777", &inside("tmp").display().to_string()]);
        must_run("chown", &["-R", "64321:64321", &inside("home").display().to_string()]);
        Some(Self(cage))
    }

    /// Writes a file that belongs to the user.
    fn write(&self, name: &str, content: &str) {
        let path = self.0.path().join("home").join(name);
        std::fs::write(&path, content).unwrap();
        must_run("chown", &["64321:64321", &path.display().to_string()]);
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        const INSIDE: &str =
            "mount -t proc proc \"$0/proc\" && exec chroot --userspec=64321:64321 \"$0\" /bin/rbuild \"$@\"";
        let mut command = Command::new("timeout");
        command.args(["120", "unshare", "--mount", "sh", "-c", INSIDE]).arg(self.0.path()).args(arguments);
        command.env("PATH", format!("/bin:{}", std::env::var("PATH").unwrap())).env("HOME", "/home");
        command.env("RBUILD_ROOT", "/home/store").env_remove("XDG_RUNTIME_DIR");
        Answer::of(command)
    }
}

/// Writes until the pipe is full.
fn fill(pipe: &mut std::io::PipeWriter) {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let flags = fcntl_getfl(&*pipe).unwrap();
    fcntl_setfl(&*pipe, flags | OFlags::NONBLOCK).unwrap();
    while pipe.write(&[b' '; 4096]).is_ok() {}
    fcntl_setfl(&*pipe, flags).unwrap();
}

fn wait_until_it_writes(pid: &str) {
    let is_writing =
        || std::fs::read_to_string(format!("/proc/{pid}/wchan")).is_ok_and(|place| place.contains("pipe_w"));
    wait_until("it writes", is_writing);
}
