//! Containers, inspected from inside.

mod support;

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rbuild::container::sandbox::{
    self, Container, ExitStatus, Isolation, Mount, MountSource, Process, Propagation, Rootfs, SandboxError, Stack,
    Stdio, Stream, User,
};
use support::skip;

const BUSYBOX: &str = "/bin/busybox";

fn can_run() -> bool {
    if !rustix::process::geteuid().is_root() {
        skip("needs root");
        return false;
    }
    if !Path::new(BUSYBOX).exists() {
        skip("needs busybox-static");
        return false;
    }
    rbuild::use_program(Path::new(env!("CARGO_BIN_EXE_rbuild"))).unwrap();
    true
}

/// A base layer with busybox, and an upper folder.
struct Layers {
    directory: tempfile::TempDir,
    lower: Vec<PathBuf>,
}

impl Layers {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().join("base");
        for folder in ["bin", "etc", "tmp", "upper"] {
            let parent = if folder.len() > 3 { directory.path() } else { &base };
            std::fs::create_dir_all(parent.join(folder)).unwrap();
        }
        std::fs::copy(BUSYBOX, base.join("bin/busybox")).unwrap();
        for name in [
            "sh", "cat", "ls", "id", "mount", "true", "mknod", "unshare", "sleep", "ps", "hostname", "dd", "kill",
            "grep", "wc", "echo",
        ] {
            std::os::unix::fs::symlink("busybox", base.join("bin").join(name)).unwrap();
        }
        Self { lower: vec![base], directory }
    }

    fn upper(&self) -> PathBuf {
        self.directory.path().join("upper")
    }

    /// A new work folder each time: a volatile overlay leaves a mark in it.
    fn work(&self) -> PathBuf {
        tempfile::tempdir_in(self.directory.path()).unwrap().keep()
    }

    fn container(&self, arguments: &[&str]) -> Container {
        Container {
            rootfs: Rootfs::Overlay(Stack {
                lower: self.lower.clone(),
                upper: Some(self.upper()),
                work: Some(self.work()),
                volatile: true,
            }),
            mounts: Vec::new(),
            process: Process {
                arguments: arguments.iter().map(Into::into).collect(),
                environment: vec!["PATH=/bin".into()],
                directory: "/".into(),
                create_directory: false,
                user: User::default(),
                terminal: false,
                limits: Vec::new(),
                oom_score_adjust: None,
                init: false,
            },
            isolation: Isolation::default(),
        }
    }
}

fn run(container: &Container) -> Result<(ExitStatus, String), SandboxError> {
    let mut container = container.clone();
    if let Rootfs::Overlay(Stack { work: Some(work), .. }) = &mut container.rootfs {
        *work = tempfile::tempdir_in(work.parent().unwrap()).unwrap().keep();
    }
    let container = &container;
    let (mut reader, writer) = std::io::pipe().unwrap();
    let writer: OwnedFd = writer.into();
    let stdio =
        Stdio { stdin: Stream::Null, stdout: Stream::Fd(writer.try_clone().unwrap()), stderr: Stream::Fd(writer) };
    let running = sandbox::spawn(container, stdio)?;
    let mut output = String::new();
    reader.read_to_string(&mut output).unwrap();
    Ok((running.wait()?.status, output))
}

fn shell(layers: &Layers, script: &str) -> String {
    let (status, output) = run(&layers.container(&["sh", "-c", script])).unwrap();
    assert_eq!(status, ExitStatus::Code(0), "{output}");
    output
}

#[test]
fn a_program_runs_and_writes_to_the_upper_layer() {
    if !can_run() {
        return;
    }
    let layers = Layers::new();
    assert_eq!(shell(&layers, "echo hello; echo $$; echo text > /etc/file"), "hello\n1\n");
    assert_eq!(std::fs::read_to_string(layers.upper().join("etc/file")).unwrap(), "text\n");
}

#[test]
fn a_missing_program_is_127_and_named() {
    if !can_run() {
        return;
    }
    let layers = Layers::new();
    let error = run(&layers.container(&["nothing", "here"])).unwrap_err();
    assert_eq!(error.exit_code(), 127);
    assert_eq!(error.to_string(), "no `nothing` in the image (looked in /bin)");
    let error = run(&layers.container(&["/etc"])).unwrap_err();
    assert_eq!(error.exit_code(), 126);
    std::fs::write(layers.lower[0].join("bin/script"), "#!/usr/bin/missing -x\n").unwrap();
    let chmod = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(layers.lower[0].join("bin/script"), chmod).unwrap();
    let error = run(&layers.container(&["script"])).unwrap_err();
    assert_eq!((error.exit_code(), error.to_string().contains("`/usr/bin/missing`")), (127, true), "{error}");
}

#[test]
fn exit_codes_and_signals() {
    if !can_run() {
        return;
    }
    let layers = Layers::new();
    assert_eq!(run(&layers.container(&["sh", "-c", "exit 7"])).unwrap().0, ExitStatus::Code(7));
    let mut container = layers.container(&["sh", "-c", "sh -c 'kill -9 $$'; exit $?"]);
    assert_eq!(run(&container).unwrap().0, ExitStatus::Code(137));
    container.process.init = true;
    container.process.arguments = ["sh", "-c", "kill -TERM $$"].map(Into::into).to_vec();
    assert_eq!(run(&container).unwrap().0, ExitStatus::Code(143));
    container.process.arguments = ["sh", "-c", "echo $$; cat /proc/1/comm"].map(Into::into).to_vec();
    assert_eq!(run(&container).unwrap().1.lines().next(), Some("2"));
}

#[test]
fn nothing_of_the_host_is_visible() {
    if !can_run() {
        return;
    }
    let layers = Layers::new();
    assert_eq!(shell(&layers, "echo /proc/[0-9]*").trim(), "/proc/1");
    let descriptors = shell(&layers, "ls -l /proc/self/fd");
    assert_eq!(descriptors.lines().filter(|line| line.contains("->")).count(), 3, "{descriptors}");
    assert_eq!(shell(&layers, "cat /proc/kcore /proc/keys /proc/timer_list /proc/interrupts 2>/dev/null || true"), "");
    assert_eq!(shell(&layers, "ls /sys/firmware").trim(), "");
    let mounts = shell(&layers, "cat /proc/self/mountinfo");
    assert!(!mounts.contains("/work") && !mounts.contains("/tmp"), "host paths show: {mounts}");
    assert_eq!(shell(&layers, "ls /sys/class/net").trim(), "lo");
}

#[test]
fn privileges_are_dockers() {
    if !can_run() {
        return;
    }
    let layers = Layers::new();
    let status = shell(&layers, "cat /proc/self/status");
    for line in [
        "CapEff:\t00000000a80425fb",
        "CapBnd:\t00000000a80425fb",
        "CapInh:\t0000000000000000",
        "Seccomp:\t2",
        "NoNewPrivs:\t0",
    ] {
        assert!(status.contains(line), "{line}: {status}");
    }
    for refused in
        ["mount -t tmpfs tmpfs /tmp", "unshare -m true", "echo 1 > /proc/sys/kernel/panic", "echo x > /sys/x"]
    {
        let output = shell(&layers, &format!("{refused} 2>&1 && echo done || true"));
        assert!(!output.contains("done"), "{refused}: {output}");
    }
    let mut container = layers.container(&["sh", "-c", "id -u; id -g; cat /proc/self/status | grep CapEff; umask"]);
    container.process.user = User { uid: 1000, gid: 1001, groups: vec![5] };
    assert_eq!(run(&container).unwrap().1, "1000\n1001\nCapEff:\t0000000000000000\n0022\n");
}

#[test]
fn device_nodes_of_ones_own_making_do_not_open() {
    if !can_run() {
        return;
    }
    let layers = Layers::new();
    let script = "mknod /etc/disk b 254 0 && mknod /dev/disk b 254 0 && mknod /dev/shm/d b 254 0; \
                  for disk in /etc/disk /dev/disk /dev/shm/d; do dd if=$disk count=1 2>&1; done; \
                  echo x > /dev/null; dd if=/dev/zero bs=3 count=1 2>/dev/null | wc -c";
    let output = shell(&layers, script);
    assert_eq!(output.matches("Permission denied").count(), 3, "{output}");
}

#[test]
fn mount_points_are_reported_and_mounts_hold() {
    if !can_run() {
        return;
    }
    let layers = Layers::new();
    let source = tempfile::tempdir().unwrap();
    std::fs::write(source.path().join("file"), "from the host").unwrap();
    std::os::unix::fs::symlink("/../../../etc", layers.lower[0].join("link")).unwrap();
    let mut container =
        layers.container(&["sh", "-c", "cat /link/new/place/file /run/secrets/s /side/x; echo a > /link/new/place/y"]);
    let bind =
        |path: &Path| MountSource::Bind { path: path.to_owned(), recursive: true, propagation: Propagation::Private };
    let stack = Stack { lower: layers.lower.clone(), ..Stack::default() };
    std::fs::write(layers.lower[0].join("etc/x"), "of the stack").unwrap();
    let mount = |target: &str, source, read_only| Mount {
        target: target.into(),
        source,
        read_only,
        shallow: false,
        lasting: false,
    };
    container.mounts = vec![
        mount("/link/new/place", bind(source.path()), true),
        mount(
            "/run/secrets/s",
            MountSource::File { content: b"secret".to_vec(), mode: 0o400, uid: 0, gid: 0, is_program: false },
            true,
        ),
        mount("/side", MountSource::Stack { stack, path: "etc".into() }, false),
    ];
    let (mut reader, writer) = std::io::pipe().unwrap();
    let stdio = Stdio { stdout: Stream::Fd(writer.into()), ..Stdio::default() };
    let running = sandbox::spawn(&container, stdio).unwrap();
    let created: Vec<String> =
        running.created_mount_points().iter().map(|point| point.path.display().to_string()).collect();
    let mut output = String::new();
    reader.read_to_string(&mut output).unwrap();
    assert_eq!(running.wait().unwrap().status, ExitStatus::Code(1));
    assert_eq!(output, "from the hostsecretof the stack");
    assert_eq!(
        created,
        ["proc", "dev", "sys", "etc/new", "etc/new/place", "run", "run/secrets", "run/secrets/s", "side"]
    );
    assert!(!source.path().join("y").exists());
}

#[test]
fn many_layers() {
    if !can_run() {
        return;
    }
    let mut layers = Layers::new();
    for number in 0..300 {
        let layer = layers.directory.path().join(format!("layer-with-a-long-name-{number:0100}"));
        std::fs::create_dir_all(layer.join("etc")).unwrap();
        std::fs::write(layer.join("etc/top"), format!("{number}")).unwrap();
        layers.lower.push(layer);
    }
    assert_eq!(shell(&layers, "cat /etc/top"), "299");
    let mut read_only = layers.container(&["cat", "/etc/top"]);
    let stack = Stack { lower: layers.lower.split_off(1), ..Stack::default() };
    read_only.mounts = vec![Mount {
        target: "/tmp".into(),
        source: MountSource::Stack { stack, path: "/etc/../etc".into() },
        read_only: true,
        shallow: false,
        lasting: false,
    }];
    read_only.process.arguments[1] = "/tmp/top".into();
    assert_eq!(run(&read_only).unwrap().1, "299");
}

#[test]
fn limits_hold_and_leave_no_cgroup() {
    if !can_run() {
        return;
    }
    let layers = Layers::new();
    let mut container = layers.container(&["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do sleep 100 & done; echo all"]);
    container.isolation.limits.pids = Some(5);
    match run(&container) {
        Err(error @ SandboxError::Limit { .. }) => return skip(&error.to_string()),
        result => assert!(!result.unwrap().1.contains("all")),
    }
    let mut container = layers.container(&["dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"]);
    container.isolation.limits.memory = Some(16 << 20);
    let running = sandbox::spawn(&container, Stdio::default()).unwrap();
    let outcome = running.wait().unwrap();
    assert_eq!((outcome.status, outcome.out_of_memory), (ExitStatus::Signal(9), true));
    let left: Vec<_> = walkdir::WalkDir::new("/sys/fs/cgroup")
        .max_depth(4)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{}-", std::process::id())))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_empty_root_filesystem_runs_what_is_mounted() {
    if !can_run() {
        return;
    }
    let layers = Layers::new();
    let mut container = layers.container(&["/busybox", "echo", "scratch"]);
    container.rootfs = Rootfs::Overlay(Stack {
        lower: Vec::new(),
        upper: Some(layers.upper()),
        work: Some(layers.work()),
        volatile: true,
    });
    container.mounts = vec![Mount {
        target: "/busybox".into(),
        source: MountSource::Bind { path: BUSYBOX.into(), recursive: false, propagation: Propagation::Private },
        read_only: true,
        shallow: false,
        lasting: false,
    }];
    assert_eq!(run(&container).unwrap().1, "scratch\n");
    container.process.arguments = vec!["/bin/sh".into()];
    assert_eq!(run(&container).unwrap_err().to_string(), "no `/bin/sh` in the image");
}
