//! Downloads and git repositories, from a small server in this process.

mod support;
#[path = "support/web.rs"]
mod web;

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use rbuild::base::digest::BlobDigest;
use rbuild::build::context::git::{CheckOut, GitError, GitReference, check_out, resolve};
use rbuild::build::context::http::{HttpError, HttpRequest, download};
use support::skip;
use web::{Reply, Request, serve};

/// A special answer for a path; otherwise files are served.
#[derive(Clone, Copy)]
enum Fault {
    Status(u16),
    /// Fewer bytes than announced.
    Short,
    Reset,
}

struct Server {
    address: String,
    root: tempfile::TempDir,
    faults: Arc<Mutex<HashMap<String, Vec<Fault>>>>,
    /// The status of every answer.
    statuses: Arc<Mutex<Vec<u16>>>,
}

impl Server {
    fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (faults, statuses) = (Arc::<Mutex<HashMap<_, Vec<Fault>>>>::default(), Arc::<Mutex<Vec<u16>>>::default());
        let (folder, to_come, said) = (root.path().to_owned(), faults.clone(), statuses.clone());
        let address = serve(move |request| {
            let fault = to_come.lock().unwrap().get_mut(&request.path).and_then(Vec::pop);
            let reply = answer(request, &folder, fault);
            if !reply.reset {
                said.lock().unwrap().push(reply.status);
            }
            reply
        });
        Self { address: format!("http://{address}"), root, faults, statuses }
    }

    fn fail(&self, path: &str, faults: &[Fault]) {
        self.faults.lock().unwrap().insert(path.to_owned(), faults.iter().rev().copied().collect());
    }

    fn statuses(&self) -> Vec<u16> {
        self.statuses.lock().unwrap().clone()
    }
}

fn answer(request: &Request, root: &Path, fault: Option<Fault>) -> Reply {
    let content = match (fault, fs::read(root.join(request.path.trim_start_matches('/')))) {
        (Some(Fault::Reset), _) => return Reply { reset: true, ..Reply::new(200, "") },
        (Some(Fault::Status(status)), _) => return Reply::new(status, "").with("Retry-After", "0"),
        (_, Err(_)) => return Reply::new(404, ""),
        (_, Ok(content)) => content,
    };
    let etag = format!("\"{}\"", BlobDigest::of(&content).short());
    let cut = matches!(fault, Some(Fault::Short)).then_some(content.len() / 2);
    let reply = match request.header("if-none-match") {
        Some(known) if known == etag && fault.is_none() => Reply::new(304, ""),
        _ => Reply { cut, ..Reply::new(200, content) },
    };
    reply.with("ETag", etag).with("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
}

#[test]
fn a_file_is_downloaded_once_and_then_asked_for_again() {
    let server = Server::start();
    fs::write(server.root.path().join("f"), "first").unwrap();
    let cache = tempfile::tempdir().unwrap();
    let url = format!("{}/f", server.address);
    let request = HttpRequest::new(&url, cache.path());
    let first = download(&request).unwrap();
    assert_eq!((fs::read_to_string(&first.path).unwrap().as_str(), first.size), ("first", 5));
    assert_eq!((first.digest, first.mtime), (BlobDigest::of(b"first"), Some(784_111_777)));
    assert_eq!(download(&request).unwrap(), first);
    fs::write(server.root.path().join("f"), "second").unwrap();
    assert_eq!(download(&request).unwrap().digest, BlobDigest::of(b"second"));
    assert_eq!(server.statuses(), [200, 304, 200]);

    // A damaged cache entry is not revalidated.
    fs::write(download(&request).unwrap().path, "broken").unwrap();
    assert_eq!(download(&request).unwrap().digest, BlobDigest::of(b"second"));
    assert_eq!(server.statuses(), [200, 304, 200, 304, 200]);
}

#[test]
fn passing_faults_are_tried_again_and_others_are_not() {
    let server = Server::start();
    fs::write(server.root.path().join("f"), "x".repeat(100_000)).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let url = format!("{}/f", server.address);
    server.fail("/f", &[Fault::Status(503), Fault::Short, Fault::Reset, Fault::Status(429)]);
    let request = HttpRequest::new(&url, cache.path());
    assert_eq!(download(&request).unwrap().size, 100_000);

    let cache = tempfile::tempdir().unwrap();
    server.fail("/f", &[Fault::Status(500), Fault::Status(500)]);
    let error = download(&HttpRequest { tries: 2, ..HttpRequest::new(&url, cache.path()) }).unwrap_err();
    assert!(matches!(error, HttpError::Status { status: 500, .. }), "{error}");

    let missing = format!("{}/none", server.address);
    let before = server.statuses().len();
    let error = download(&HttpRequest::new(&missing, cache.path())).unwrap_err();
    assert!(error.to_string().contains("invalid response status 404"), "{error}");
    assert_eq!(server.statuses().len(), before + 1);
}

#[test]
fn what_is_too_long_or_not_what_it_should_be_is_refused() {
    let server = Server::start();
    fs::write(server.root.path().join("f"), "content").unwrap();
    let cache = tempfile::tempdir().unwrap();
    let url = format!("{}/f", server.address);
    let request = HttpRequest::new(&url, cache.path());
    let error = download(&HttpRequest { max_bytes: 6, ..request.clone() }).unwrap_err();
    assert!(matches!(error, HttpError::TooLong { limit: 6, .. }), "{error}");
    let wrong = download(&HttpRequest { checksum: Some(BlobDigest::of(b"other")), ..request.clone() }).unwrap_err();
    assert!(wrong.to_string().contains(&BlobDigest::of(b"content").to_string()), "{wrong}");
    assert!(download(&HttpRequest { checksum: Some(BlobDigest::of(b"content")), ..request }).is_ok());
}

/// Creates a repository that is served as files: two commits on `main`, a tag on the first, a branch on the second.
fn repository(server: &Server) -> Option<(String, String)> {
    let work = tempfile::tempdir().unwrap();
    let script = r#"set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t.invalid GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t.invalid
git init -q . && git symbolic-ref HEAD refs/heads/main
mkdir docs && echo one > file && echo d > docs/d && echo run > run && chmod 755 run && ln -s /etc docs/out
git add -A && git commit -q -m 1 && git tag -a -m v1 v1
echo two > file && git commit -q -a -m 2 && git branch side
git rev-parse v1^{commit} HEAD
git clone -q --bare . "$1/r.git" && cd "$1/r.git" && git update-server-info"#;
    let output =
        Command::new("sh").args(["-c", script, "sh"]).arg(server.root.path()).current_dir(work.path()).output();
    let output = output.ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    Some((lines.next()?, lines.next()?))
}

fn checked_out(reference: &GitReference, keep: bool) -> (tempfile::TempDir, Result<PathBuf, GitError>) {
    let into = tempfile::tempdir().unwrap();
    let how = CheckOut { keep_git_dir: keep, submodules: true, commit_times: false };
    let checked = resolve(reference).and_then(|resolved| check_out(reference, &resolved, into.path(), how));
    (into, checked.map(|checked| checked.directory))
}

#[test]
fn a_repository_is_checked_out_at_what_was_asked() {
    let server = Server::start();
    let Some((first, second)) = repository(&server) else {
        return skip("git is not here");
    };
    let url = format!("{}/r.git", server.address);
    let cases = [
        ("", &second, "two\n"),
        ("#main", &second, "two\n"),
        ("#side", &second, "two\n"),
        ("#v1", &first, "one\n"),
        ("?tag=v1", &first, "one\n"),
        (&format!("#{first}"), &first, "one\n"),
        (&format!("?ref=v1&checksum={}", &first[..8]), &first, "one\n"),
    ];
    for (suffix, commit, content) in cases {
        let reference = GitReference::parse(&format!("{url}{suffix}")).unwrap();
        assert_eq!(resolve(&reference).unwrap().commit(), commit, "{suffix}");
        let (into, directory) = checked_out(&reference, false);
        assert_eq!(directory.unwrap(), into.path(), "{suffix}");
        assert_eq!(fs::read_to_string(into.path().join("file")).unwrap(), content, "{suffix}");
        assert!(!into.path().join(".git").exists());
        let mode = |name: &str| fs::metadata(into.path().join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("file"), mode("run"), mode("docs")), (0o644, 0o755, 0o755));
    }

    let (into, directory) = checked_out(&GitReference::parse(&format!("{url}#:docs")).unwrap(), true);
    assert_eq!(directory.unwrap(), into.path().join("docs"));
    assert!(!into.path().join("docs/.git").exists(), "of a part of a repository, nothing else is kept");
    for (suffix, expected) in [
        ("#none", "no branch, tag or commit `none`"),
        ("#:docs/out", "not a directory of the repository"),
        ("#:nothing", "not a directory of the repository"),
        ("?checksum=0000000", "not at 0000000"),
    ] {
        let error = checked_out(&GitReference::parse(&format!("{url}{suffix}")).unwrap(), false).1.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
