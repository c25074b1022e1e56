//! Passwords in URLs of repositories: they are not in the arguments of any process, nor in files, records or messages,
//! and are not sent to other hosts.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::web::{Reply, Request, serve};
use base64::Engine as _;

use crate::common::{Answer, TestStore, has_programs, skip};
use crate::fixtures::everybody;

const PASSWORD: &str = "s3cret@word/é";
/// As written in a URL.
const WRITTEN: &str = "s3cret%40word%2F%C3%A9";
/// What must not appear anywhere.
const SIGNS: [&str; 2] = ["s3cret", "czNjcmV0"];

/// A server of repositories for clients with the password, or another one.
struct Server {
    address: String,
    folder: tempfile::TempDir,
    /// What it was told, and by whom.
    told: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(passwords: &'static [&'static str], moved_to: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let told = Arc::<Mutex<Vec<String>>>::default();
        let (root, heard) = (folder.path().to_owned(), Arc::clone(&told));
        let right: Vec<String> = passwords.iter().map(|password| basic("me", password)).collect();
        let address = serve(move |request| {
            let authorization = request.header("authorization").unwrap_or_default().to_owned();
            heard.lock().unwrap().push(authorization.clone());
            // Slow enough that the processes of a request can be inspected.
            let reply = Reply { delay: Duration::from_millis(10), ..answer(request, &root, moved_to.as_deref()) };
            match right.is_empty() || right.contains(&authorization) {
                true => reply,
                false => Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"r\""),
            }
        });
        Self { address, folder, told }
    }

    fn url(&self, password: &str, rest: &str) -> String {
        format!("http://me:{password}@{}/{rest}", self.address)
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

fn answer(request: &Request, root: &Path, moved_to: Option<&str>) -> Reply {
    if let Some(other) = moved_to {
        return Reply::new(302, "").with("Location", format!("http://{other}{}?{}", request.path, request.query));
    }
    match std::fs::read(root.join(request.path.trim_start_matches('/'))) {
        Ok(content) => Reply::new(200, content),
        Err(_) => Reply::new(404, ""),
    }
}

/// `r.git`, with `sub.git` as a submodule with a relative URL.
fn repositories(server: &Server) -> bool {
    let script = r#"set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t.invalid GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t.invalid
mkdir sub main && cd sub && git init -q . && git symbolic-ref HEAD refs/heads/main && echo below > deep
git add -A && git commit -q -m 1 && git clone -q --bare . "$1/sub.git"
cd ../main && git init -q . && git symbolic-ref HEAD refs/heads/main && echo file > file
printf 'FROM busybox\nCOPY file /\n' > Dockerfile
git -c protocol.file.allow=always submodule --quiet add "$1/sub.git" sub
git config -f .gitmodules submodule.sub.url ../sub.git
git add -A && git commit -q -m 1 && git clone -q --bare . "$1/r.git"
for r in sub r; do git -C "$1/$r.git" update-server-info; done"#;
    let work = tempfile::tempdir().unwrap();
    let made =
        Command::new("sh").args(["-c", script, "sh"]).arg(server.folder.path()).current_dir(work.path()).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    true
}

/// Runs a command with a `git` first in the path that records its arguments.
fn run_recorded(store: &TestStore, arguments: &[&str]) -> (Answer, String) {
    let (log, folder) = (store.work().join("git.log"), store.work().join("programs"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(&log, "").unwrap();
    // The owner of the store writes to it.
    std::fs::set_permissions(&log, std::fs::Permissions::from_mode(0o666)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >> {}\nPATH={path} exec git \"$@\"\n", log.display());
    std::fs::write(folder.join("git"), script).unwrap();
    std::fs::set_permissions(folder.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = store.command(arguments);
    command.env("PATH", format!("{}:{path}", folder.display()));
    let answer = Answer::of(command);
    (answer, std::fs::read_to_string(log).unwrap())
}

#[track_caller]
fn has_no_password(text: &str, what: &str) {
    for sign in SIGNS {
        assert!(!text.contains(sign), "{what}: {text}");
    }
}

fn files_with_password(folder: &Path) -> Vec<PathBuf> {
    let files = walkdir::WalkDir::new(folder).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    let has = |bytes: &[u8]| SIGNS.iter().any(|sign| memchr::memmem::find(bytes, sign.as_bytes()).is_some());
    files.filter(|entry| std::fs::read(entry.path()).is_ok_and(|bytes| has(&bytes))).map(|e| e.into_path()).collect()
}

/// A test that watches the arguments of all processes would see those of other tests.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Watches the arguments of all processes until it is stopped.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<String>>,
}

impl Watch {
    fn begin() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut found = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                    let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                    let words = String::from_utf8_lossy(&words).replace('\0', " ");
                    if SIGNS.iter().any(|sign| words.contains(sign)) && !found.contains(&words) {
                        found.push(words);
                    }
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            found
        });
        Self { stop, thread }
    }

    fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

#[test]
fn a_password_is_the_hosts_it_was_written_for_and_nobody_elses() {
    let _alone = alone();
    if !has_programs(&["git"]) {
        return;
    }
    for (_, machine) in everybody() {
        let store = &machine.0;
        let server = Server::start(&[PASSWORD, "another"], None);
        assert!(repositories(&server));
        let dockerfile =
            |password: &str| format!("FROM busybox\nADD --keep-git-dir=true {} /r\n", server.url(password, "r.git"));
        store.write("ctx/Dockerfile", dockerfile(WRITTEN));
        let watch = Watch::begin();
        let (built, called) = run_recorded(store, &["build", "--progress", "plain", "-t", "made", "ctx"]);
        let seen = watch.end();
        assert!(seen.is_empty(), "{seen:?}");
        let built = built.ok();
        assert!(called.contains("fetch") && called.contains("submodule"), "{called}");
        has_no_password(&called, "git's arguments");
        has_no_password(&built.stderr(), "the build");
        for command in [
            &["history", "--no-trunc", "made"][..],
            &["inspect", "made"],
            &["explain", "made"],
            &["events", "--until", "0s"],
        ] {
            let answer = store.run(command).ok();
            has_no_password(&(answer.stdout() + &answer.stderr()), &format!("{command:?}"));
        }
        assert_eq!(files_with_password(&store.root()), Vec::<PathBuf>::new());
        let made = store.root_filesystem(&[]);
        assert_eq!(std::fs::read_to_string(made.join("r/sub/deep")).unwrap(), "below\n");
        let config = std::fs::read_to_string(made.join("r/.git/config")).unwrap();
        assert!(config.contains("r.git") && !config.contains("me"), "{config}");
        assert!(server.told.lock().unwrap().contains(&basic("me", PASSWORD)));

        // With another password, the step is the same.
        store.write("ctx/Dockerfile", dockerfile("another"));
        let cached = store.build(&["-t", "made"]).ok().cached();
        assert_eq!(cached.len(), 1, "{cached:?}");

        // As a context.
        let (built, called) =
            run_recorded(store, &["build", "--progress", "plain", "-t", "main", &server.url(WRITTEN, "r.git")]);
        has_no_password(&(built.ok().stderr() + &called), "a context");
        assert_eq!(files_with_password(&store.root()), Vec::<PathBuf>::new());
        has_no_password(&store.run(&["explain", "main"]).ok().stdout(), "explain");
    }
}

#[test]
fn what_goes_wrong_is_said_without_it() {
    let _alone = alone();
    if !has_programs(&["git"]) {
        return;
    }
    for (_, machine) in everybody() {
        let store = &machine.0;
        let server = Server::start(&["right"], None);
        let (url, file) = (server.url(WRITTEN, "r.git"), server.url(WRITTEN, "file"));
        let mut texts = Vec::new();
        for source in [&url, &format!("{url}?what=1"), &format!("{url}#a..b"), &file] {
            let answer = store.build_text(&format!("FROM busybox\nADD {source} /r\n"), &[]).fails(1);
            texts.push(answer.stderr());
            texts.push(store.run(&["build", source]).fails(1).stderr());
        }
        texts.push(store.build_text(&format!("FROM busybox\nCOPY {url} /r\n"), &[]).fails(1).stderr());
        texts.push(store.build_text(&format!("FROM busybox\nADD {url}$B${{ /r\n"), &[]).fails(1).stderr());
        texts.iter().for_each(|text| has_no_password(text, "an error"));
        let said = &texts[0];
        assert!(said.contains(&server.address), "{said}");
        assert_eq!(files_with_password(&store.root()), Vec::<PathBuf>::new());
    }
}

#[test]
fn another_host_that_it_is_sent_to_is_not_told() {
    let _alone = alone();
    if !has_programs(&["git"]) {
        return skip("there is no git");
    }
    for (_, machine) in everybody() {
        let store = &machine.0;
        let other = Server::start(&["none"], None);
        let server = Server::start(&[PASSWORD], Some(other.address.clone()));
        store.build_text(&format!("FROM busybox\nADD {} /r\n", server.url(WRITTEN, "r.git")), &[]).fails(1);
        let told = other.told.lock().unwrap().clone();
        assert!(!told.is_empty() && !told.contains(&basic("me", PASSWORD)), "{told:?}");
        assert!(server.told.lock().unwrap().contains(&basic("me", PASSWORD)));
    }
}
