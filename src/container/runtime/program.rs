//! The programs of other runtimes.

use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::error::RuntimeError;

/// Searched for to list what is installed; others can be named as well.
const KNOWN: [&str; 6] = ["runc", "crun", "youki", "runsc", "kata-runtime", "sysbox-runc"];

/// Folders of administrators' programs, which may not be in every `PATH`.
const MORE_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// An installed runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    pub(super) name: String,
    pub(super) program: PathBuf,
}

impl Runtime {
    /// The runtime with that name or path; `None` for rbuild's own.
    pub fn find(name: &str) -> Result<Option<Self>, RuntimeError> {
        if matches!(name, "" | super::OWN) {
            return Ok(None);
        }
        let program = if name.contains('/') { std::fs::canonicalize(name).ok() } else { look_up(name) };
        match program.filter(|path| is_program(path)) {
            Some(program) => Ok(Some(Self { name: name.to_owned(), program })),
            None => Err(RuntimeError::NotFound { name: name.to_owned() }),
        }
    }

    /// The name by which a later start finds it again, from any directory.
    pub fn lasting_name(&self) -> String {
        if self.name.contains('/') { self.program.display().to_string() } else { self.name.clone() }
    }
}

/// The names of the installed ones, rbuild's own first.
pub fn installed() -> Vec<&'static str> {
    std::iter::once(super::OWN).chain(KNOWN.into_iter().filter(|name| look_up(name).is_some())).collect()
}

fn look_up(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(MORE_FOLDERS.map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| is_program(file))
}

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths() {
        assert_eq!(Runtime::find("rbuild").unwrap(), None);
        assert_eq!(Runtime::find("").unwrap(), None);
        let shell = Runtime::find("/bin/../bin/sh").unwrap().unwrap();
        assert!(!shell.lasting_name().contains(".."));
        for missing in ["no-such-runtime", "/no/such/runtime", "/etc/passwd", "/"] {
            assert!(matches!(Runtime::find(missing), Err(RuntimeError::NotFound { .. })), "{missing}");
        }
        assert_eq!(installed()[0], "rbuild");
    }
}
