//! An ordinary user: the one who runs the tests, or if that is root, the first user with subordinate IDs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use super::{Answer, busybox_archive, clear, has_programs, is_root, must_run, skip};

/// A user who is not root.
pub struct User {
    /// `None` for the user who runs the tests.
    ids: Option<(String, String)>,
    pub home: tempfile::TempDir,
}

impl User {
    pub fn find() -> Option<Self> {
        if !has_programs(&["newuidmap", "setpriv"]) {
            return None;
        }
        if !is_root() {
            return Self::with(None);
        }
        let ids = somebody_with_subordinate_ids();
        if ids.is_none() {
            skip("no user has subordinate IDs");
        }
        Self::with(Some(ids?))
    }

    /// A user without subordinate IDs; skips unless root runs the tests.
    pub fn with_one_id() -> Option<Self> {
        if !is_root() || !has_programs(&["setpriv"]) {
            skip("only root can be somebody else");
            return None;
        }
        // No user has this ID, so nobody gave it subordinate IDs.
        Self::with(Some(("64321".to_owned(), "64321".to_owned())))
    }

    fn with(ids: Option<(String, String)>) -> Option<Self> {
        let home = tempfile::Builder::new().prefix("rbuild-user-").tempdir().unwrap();
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        if let Some((user, group)) = &ids {
            must_run("chown", &[&format!("{user}:{group}"), &home.path().display().to_string()]);
        }
        let user = Self { ids, home };
        // The user may have no access to rbuild's build folder. Copied by another process: a thread that starts one at
        // this moment would inherit the file while it is open for writing, and such a program can't be executed.
        must_run("cp", &[env!("CARGO_BIN_EXE_rbuild"), &user.program().display().to_string()]);
        std::fs::copy(busybox_archive()?, user.home.path().join("busybox.tar")).unwrap();
        Some(user)
    }

    pub fn program(&self) -> PathBuf {
        self.home.path().join("rbuild")
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        Answer::of(self.command(arguments))
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
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
        command
    }

    pub fn write(&self, path: &str, content: &str) {
        let path = self.home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

impl Drop for User {
    fn drop(&mut self) {
        clear(self.home.path());
    }
}

/// User and group ID of the first user in /etc/subuid.
pub fn somebody_with_subordinate_ids() -> Option<(String, String)> {
    let names = std::fs::read_to_string("/etc/subuid").ok()?;
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    names.lines().find_map(|line| {
        let name = line.split(':').next()?;
        let user: Vec<&str> =
            users.lines().map(|user| user.split(':').collect()).find(|user: &Vec<_>| user[0] == name)?;
        Some((user.get(2)?.to_string(), user.get(3)?.to_string()))
    })
}
