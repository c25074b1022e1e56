//! What tests of the real binary share: a store, a folder to build in, and a command's answer.
#![allow(dead_code, unused_imports, reason = "not every test binary needs all of it")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

#[path = "screen.rs"]
pub mod screen;
#[path = "small_disk.rs"]
pub mod small_disk;
#[path = "../support/mod.rs"]
pub mod support;
#[path = "user.rs"]
pub mod user;

pub use support::{free_port, none, skip, wait_for, wait_until};

/// A store and a working folder; both are removed at the end of the test.
pub struct TestStore {
    folder: tempfile::TempDir,
    /// The folders of another one, which are used instead.
    borrowed: Option<(PathBuf, PathBuf)>,
    /// The store's owner, if it is not the user who runs the tests.
    user: Option<user::User>,
}

impl Drop for TestStore {
    fn drop(&mut self) {
        clear(self.folder.path());
    }
}

impl TestStore {
    pub fn empty() -> Self {
        Self::empty_in(&std::env::temp_dir())
    }

    fn empty_in(place: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("rbuild-test-").tempdir_in(place).expect("a folder can be made");
        std::fs::create_dir(folder.path().join("work")).expect("a folder can be made");
        Self { folder, borrowed: None, user: None }
    }

    /// An ordinary user's store with the image `busybox`; skips, with a reason, if there is no such user.
    pub fn of_user() -> Option<Self> {
        let user = user::User::find()?;
        let home = user.home.path().to_owned();
        let mut store = Self::borrowed(&home.join("store"), &home);
        store.user = Some(user);
        store.run(&["load", "-i", "busybox.tar"]).ok();
        Some(store)
    }

    /// Another view of a store and its working folder, which are not removed.
    pub fn borrowed(root: &Path, work: &Path) -> Self {
        let mut store = Self::empty();
        store.borrowed = Some((root.to_owned(), work.to_owned()));
        store
    }

    /// A store with the image `busybox`, in which RUN works; skips, with a reason, if that is not available.
    pub fn with_busybox() -> Option<Self> {
        can_run_containers().then(Self::loaded)?
    }

    /// The same if only COPY is needed.
    pub fn loaded() -> Option<Self> {
        Self::empty().load()
    }

    /// The same as `with_busybox`, in memory if there is enough: syncing takes no time, but minutes on a busy disk.
    pub fn in_memory() -> Option<Self> {
        const ENOUGH: u64 = 1 << 30;
        let memory = Path::new("/dev/shm");
        let free = rustix::fs::statvfs(memory).map_or(0, |status| status.f_bavail * status.f_frsize);
        let place = if is_root() && free > ENOUGH { memory.to_owned() } else { std::env::temp_dir() };
        can_run_containers().then(|| Self::empty_in(&place).load())?
    }

    fn load(self) -> Option<Self> {
        let Some(archive) = busybox_archive() else {
            skip("there is no busybox archive");
            return None;
        };
        self.run(&["load", "-i", &archive.to_string_lossy()]).ok();
        Some(self)
    }

    pub fn root(&self) -> PathBuf {
        self.borrowed.as_ref().map_or_else(|| self.folder.path().join("store"), |(root, _)| root.clone())
    }

    /// The working directory of all commands.
    pub fn work(&self) -> PathBuf {
        self.borrowed.as_ref().map_or_else(|| self.folder.path().join("work"), |(_, work)| work.clone())
    }

    /// Writes a file, and creates its parent folders, below the working folder.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
        std::fs::write(&path, content).expect("a file can be written");
        path
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match &self.user {
            Some(user) => user.command(arguments),
            None => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_rbuild"));
                command.args(arguments);
                command
            }
        };
        command.current_dir(self.work()).env("RBUILD_ROOT", self.root());
        command.env_remove("SOURCE_DATE_EPOCH").env("RBUILD_REGISTRY_PAUSE_MS", "1").stdin(Stdio::null());
        // The tester may use another engine.
        command.env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        Answer::of(self.command(arguments))
    }

    /// Builds the folder `ctx` with these arguments before it.
    pub fn build(&self, arguments: &[&str]) -> Answer {
        let mut all = vec!["build", "--progress", "plain"];
        all.extend_from_slice(arguments);
        all.push("ctx");
        self.run(&all)
    }

    /// Writes `ctx/Dockerfile` and builds it.
    pub fn build_text(&self, dockerfile: &str, arguments: &[&str]) -> Answer {
        self.write("ctx/Dockerfile", dockerfile);
        self.build(arguments)
    }

    /// Runs a command with `input` as its stdin.
    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Answer {
        use std::io::Write as _;
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("rbuild can be started");
        let mut pipe = child.stdin.take().expect("standard input is a pipe");
        let writer = std::thread::spawn({
            let input = input.to_vec();
            // A command need not read it to the end.
            move || drop(pipe.write_all(&input))
        });
        let output = child.wait_with_output().expect("rbuild can be waited for");
        writer.join().expect("the writer ends");
        Answer { output }
    }

    /// Removes the store while it is in use, whatever its users write meanwhile.
    pub fn delete(&self) {
        wait_until("the store is deleted", || {
            let _ = std::fs::remove_dir_all(self.root());
            !self.root().exists()
        });
    }

    /// The processes that were started for this store and still run, except the one that syncs it.
    pub fn processes(&self) -> Vec<String> {
        let words = processes_of(&self.root()).into_iter().map(|(_, words)| words);
        words.filter(|words| !words.contains(rbuild::store::SYNC_COMMAND)).collect()
    }

    /// The root filesystem of what `ctx` builds, as a folder.
    pub fn root_filesystem(&self, arguments: &[&str]) -> PathBuf {
        // Beside the store: created by its owner.
        let folder = self.root().with_file_name("rootfs");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).expect("a folder can be removed");
        }
        let output = format!("type=local,dest={}", folder.display());
        let mut all = vec!["-o", output.as_str()];
        all.extend_from_slice(arguments);
        self.build(&all).ok();
        folder
    }
}

/// The processes that were started for a store in or below a folder: their PIDs and arguments.
fn processes_of(folder: &Path) -> Vec<(i32, String)> {
    let variable = format!("RBUILD_ROOT={}", folder.display());
    let is_own = |process: &Path| {
        let environment = std::fs::read(process.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|own| own.starts_with(variable.as_bytes()))
    };
    let all = std::fs::read_dir("/proc").expect("processes can be listed").flatten();
    let own = all.filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let words = || std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default().replace('\0', " ");
        is_own(&entry.path()).then(|| (number, words()))
    });
    own.collect()
}

/// Removes a folder with its stores. Processes that still use those, such as the one that syncs, would write into it.
pub fn clear(folder: &Path) {
    for (number, _) in processes_of(folder) {
        let process = rustix::process::Pid::from_raw(number).expect("it has a number");
        let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
    }
    if is_root() {
        let _ = std::fs::remove_dir_all(folder);
    } else {
        // Files of subordinate owners can only be removed inside of a user namespace.
        let _ = Command::new("unshare").args(["-r", "--map-auto", "rm", "-rf"]).arg(folder).status();
    }
}

/// The outcome of a command.
pub struct Answer {
    output: Output,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self { output }
    }
}

impl Answer {
    pub fn of(mut command: Command) -> Self {
        Self { output: command.output().expect("rbuild can be started") }
    }

    /// Fails the test, with the whole output, unless the command succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.output.status.success(), "{:?}\n{}{}", self.output.status, self.stdout(), self.stderr());
        self
    }

    #[track_caller]
    pub fn fails(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "{:?}\n{}{}", self.output.status, self.stdout(), self.stderr());
        self
    }

    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub fn stdout_bytes(&self) -> &[u8] {
        &self.output.stdout
    }

    pub fn stderr_bytes(&self) -> &[u8] {
        &self.output.stderr
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// The instructions that were executed, without their `[2/3] `.
    pub fn executed(&self) -> Vec<String> {
        self.steps_that_say(|line| line.starts_with("DONE "))
    }

    /// The instructions whose results were taken from the cache, without the base image.
    pub fn cached(&self) -> Vec<String> {
        self.steps_that_say(|line| line == "CACHED")
    }

    fn steps_that_say(&self, says: impl Fn(&str) -> bool) -> Vec<String> {
        let text = self.stderr();
        let lines: Vec<(&str, &str)> =
            text.lines().filter_map(|line| line.strip_prefix('#')?.split_once(' ')).collect();
        let name_of = |number: &str| lines.iter().find(|line| line.0 == number && line.1.starts_with('['));
        let mut found = Vec::new();
        for (number, _) in lines.iter().filter(|line| says(line.1)) {
            let name = name_of(number).and_then(|line| line.1.split_once("] ")).map(|split| split.1);
            found.extend(name.filter(|name| !name.starts_with("FROM ")).map(str::to_owned));
        }
        found
    }
}

/// The archive of the base image for this machine: the repository's own, or the one of the conformance cases.
pub fn busybox_archive() -> Option<PathBuf> {
    let name = format!("fixtures/busybox-{}.tar.gz", std::env::consts::ARCH);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if own.exists() { Some(own) } else { support::shared("conformance/base/busybox.oci.tar") }
}

/// Whether this user can have containers on this machine, determined once; prints why not. The kernel is asked: if it
/// says yes and rbuild fails, the tests fail.
pub fn can_run_containers() -> bool {
    static REASON: OnceLock<Option<String>> = OnceLock::new();
    let reason = REASON.get_or_init(|| kernel_refuses().map(|why| why.trim().to_owned()));
    if let Some(reason) = reason {
        skip(&format!("the kernel gives no containers here: {reason}"));
    }
    reason.is_none()
}

/// Why the kernel creates no namespaces with an overlay in them.
fn kernel_refuses() -> Option<String> {
    // The shell's working directory is below its mount until it enters the same path again.
    const ASK: &str = "mount -t tmpfs none \"$PWD\" && cd \"$PWD\" && mkdir lower upper work merged && \
                       mount -t overlay none -o userxattr,lowerdir=lower,upperdir=upper,workdir=work merged";
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut command = Command::new("unshare");
    if !is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "--pid", "--ipc", "--uts", "--net", "--fork", "sh", "-ec"]);
    match command.arg(ASK).current_dir(folder.path()).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Some(format!("`unshare` (package util-linux) cannot be asked: {error}")),
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether the programs are installed; prints which one is not.
pub fn has_programs(names: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let exists = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let missing = names.iter().find(|name| !exists(name));
    if let Some(name) = missing {
        skip(&format!("there is no {name}"));
    }
    missing.is_none()
}

/// Runs a program that has to succeed.
#[track_caller]
pub fn must_run(program: impl AsRef<OsStr>, arguments: &[&str]) {
    let output = Command::new(program.as_ref()).args(arguments).output().expect("it can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?} {arguments:?}: {said}", program.as_ref());
}
