//! The main job without root: as whoever runs the tests, or, when that is root, as the first user who has subordinate IDs.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use common::{Answer, TestStore, busybox_archive, has_programs, is_root, must_run, skip};

/// Somebody who is not root.
struct User {
    /// Nothing when it is the user who runs the tests.
    ids: Option<(String, String)>,
    home: tempfile::TempDir,
}

impl User {
    fn find() -> Option<Self> {
        if !has_programs(&["newuidmap", "setpriv"]) {
            return None;
        }
        let home = tempfile::Builder::new().prefix("rbuild-user-").tempdir().unwrap();
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let user = if is_root() {
            let Some(ids) = somebody_with_subordinate_ids() else {
                skip("no user has subordinate IDs");
                return None;
            };
            must_run("chown", &[&format!("{}:{}", ids.0, ids.1), &home.path().display().to_string()]);
            Self { ids: Some(ids), home }
        } else {
            Self { ids: None, home }
        };
        // The user may not be allowed to look into the folder where rbuild was built.
        std::fs::copy(env!("CARGO_BIN_EXE_rbuild"), user.program()).unwrap();
        std::fs::copy(busybox_archive()?, user.home.path().join("busybox.tar")).unwrap();
        Some(user)
    }

    fn program(&self) -> PathBuf {
        self.home.path().join("rbuild")
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        let mut command = match &self.ids {
            None => Command::new(self.program()),
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={user}"), &format!("--regid={group}")]);
                command.arg("--clear-groups").arg(self.program());
                command
            }
        };
        command.args(arguments).current_dir(self.home.path()).env("HOME", self.home.path());
        command.env("RBUILD_ROOT", self.home.path().join("store")).env_remove("XDG_RUNTIME_DIR");
        Answer::of(command)
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if self.ids.is_none() {
            // Files of subordinate owners can be removed only inside of a user namespace.
            let _ = Command::new("unshare").args(["-r", "--map-auto", "rm", "-rf"]).arg(self.home.path()).status();
        }
    }
}

/// User and group ID of the first name in /etc/subuid that is a user.
fn somebody_with_subordinate_ids() -> Option<(String, String)> {
    let names = std::fs::read_to_string("/etc/subuid").ok()?;
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    names.lines().find_map(|line| {
        let name = line.split(':').next()?;
        let user: Vec<&str> =
            users.lines().map(|user| user.split(':').collect()).find(|user: &Vec<_>| user[0] == name)?;
        Some((user.get(2)?.to_string(), user.get(3)?.to_string()))
    })
}

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

#[test]
fn builds_and_runs_with_files_of_other_owners() {
    let Some(user) = User::find() else { return };
    user.write("ctx/Dockerfile", DOCKERFILE);
    user.write("ctx/file", "content\n");
    user.run(&["load", "-i", "busybox.tar"]).ok();
    user.run(&["build", "-t", "app", "ctx"]).ok();
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
    // What RUN makes has times of its own; WORKDIR, COPY and ADD have not.
    let dockerfile =
        "FROM busybox\nUSER 12\nWORKDIR /made\nCOPY --chown=70:70 file /data/\nCOPY --chmod=4711 file /f\n";
    let arguments = ["build", "-q", "--build-arg", epoch, "ctx"];
    user.write("ctx/Dockerfile", dockerfile);
    user.write("ctx/file", "content\n");
    user.run(&["load", "-i", "busybox.tar"]).ok();
    root.write("ctx/Dockerfile", dockerfile);
    root.write("ctx/file", "content\n");
    assert_eq!(user.run(&arguments).ok().stdout(), root.run(&arguments).ok().stdout());
}

#[test]
fn saves_what_another_store_loads() {
    let Some(user) = User::find() else { return };
    user.write("ctx/Dockerfile", DOCKERFILE);
    user.write("ctx/file", "content\n");
    user.run(&["load", "-i", "busybox.tar"]).ok();
    user.run(&["build", "-q", "-t", "app", "ctx"]).ok();
    user.run(&["save", "-o", "app.tar", "app"]).ok();
    user.run(&["--root", "other", "load", "-i", "app.tar"]).ok();
    let said = user.run(&["--root", "other", "run", "--rm", "--network", "none", "app"]).ok().stdout();
    assert!(said.contains("1 70       70 "), "{said}");
}

#[test]
fn says_what_it_isolates_with() {
    let Some(user) = User::find() else { return };
    let said = user.run(&["info"]).ok().stdout();
    assert!(said.contains("user namespace"), "{said}");
}
