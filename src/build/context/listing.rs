//! Lists all files of a context's folder, also those that an ignore file excludes, with the deciding pattern.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::ContextError;
use super::ignore::{IgnorePatterns, ParentMatches, Rule};
use crate::base::foreign::{Links, open_at};
use crate::base::io_error::AtPath;
use crate::image::layer::directory::{self, Status};

/// A file of the folder; or a whole excluded folder in which no pattern can include anything again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub path: PathBuf,
    pub bytes: u64,
    /// The number of files.
    pub files: u64,
    pub is_folder: bool,
    pub is_left_out: bool,
    /// The deciding pattern; `None` if none matches.
    pub rule: Option<Rule>,
}

/// A folder to read.
struct Waiting {
    path: Vec<u8>,
    above: ParentMatches,
}

/// Lists the folder `root`, in no particular order.
///
/// # Errors
/// If a build could not read it either. What is excluded need not be readable.
pub fn list(root: &Path, ignore: &IgnorePatterns) -> Result<Vec<Listed>, ContextError> {
    let opened = directory::open_root(root).at("open", root)?;
    let walk = Walk { path: root, root: opened.as_fd(), ignore };
    let (mut waiting, mut found) = (vec![Waiting { path: Vec::new(), above: ParentMatches::default() }], Vec::new());
    while let Some(next) = waiting.pop() {
        walk.folder(&next, &mut waiting, &mut found)?;
    }
    Ok(found)
}

struct Walk<'a> {
    path: &'a Path,
    root: BorrowedFd<'a>,
    ignore: &'a IgnorePatterns,
}

impl Walk<'_> {
    fn folder(&self, at: &Waiting, waiting: &mut Vec<Waiting>, found: &mut Vec<Listed>) -> Result<(), ContextError> {
        let shown = || self.path.join(OsStr::from_bytes(&at.path));
        let handle = self.open(&at.path).at("open", shown())?;
        for name in directory::sorted_names(handle.as_fd()).at("list", shown())? {
            let path = joined(&at.path, &name);
            let Some(status) = status(handle.as_fd(), &name).at("stat", self.path.join(OsStr::from_bytes(&path)))?
            else {
                continue;
            };
            let decision = self.ignore.decide_below(&path, &at.above);
            let is_folder = status.kind.is_directory();
            if is_folder && (!decision.is_left_out || self.ignore.may_match_below(&path)) {
                waiting.push(Waiting { path, above: decision.matches });
                continue;
            }
            let (files, bytes) = if is_folder { self.measure(&path) } else { (1, size(&status)) };
            found.push(Listed {
                path: OsStr::from_bytes(&path).into(),
                bytes,
                files,
                is_folder,
                is_left_out: decision.is_left_out,
                rule: decision.rule.cloned(),
            });
        }
        Ok(())
    }

    /// The number and total size of the files below an excluded folder, as far as they can be read.
    fn measure(&self, path: &[u8]) -> (u64, u64) {
        let (mut files, mut bytes) = (0, 0);
        let mut waiting = vec![path.to_vec()];
        while let Some(path) = waiting.pop() {
            let Ok(handle) = self.open(&path) else { continue };
            for name in directory::sorted_names(handle.as_fd()).unwrap_or_default() {
                let Ok(Some(status)) = status(handle.as_fd(), &name) else { continue };
                if status.kind.is_directory() {
                    waiting.push(joined(&path, &name));
                } else {
                    files += 1;
                    bytes += size(&status);
                }
            }
        }
        (files, bytes)
    }

    /// Does not follow a name that has meanwhile become a link.
    fn open(&self, path: &[u8]) -> std::io::Result<OwnedFd> {
        if path.is_empty() {
            return self.root.try_clone_to_owned();
        }
        let path = Path::new(OsStr::from_bytes(path));
        Ok(open_at(self.root, path, OFlags::RDONLY | OFlags::DIRECTORY, Links::Refused)?)
    }
}

fn joined(folder: &[u8], name: &CString) -> Vec<u8> {
    let parts = [folder, name.to_bytes()];
    parts[usize::from(folder.is_empty())..].join(&b'/')
}

/// The status of a name; `None` if it is meanwhile gone.
fn status(folder: BorrowedFd<'_>, name: &CString) -> std::io::Result<Option<Status>> {
    match directory::status(folder, name) {
        Ok(status) => Ok(Some(status)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn size(status: &Status) -> u64 {
    if status.kind == crate::image::layer::FileKind::Regular { status.size } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn listed(root: &Path, ignore: &str) -> BTreeMap<String, Listed> {
        let ignore = IgnorePatterns::parse(ignore.as_bytes()).unwrap();
        list(root, &ignore).unwrap().into_iter().map(|one| (one.path.display().to_string(), one)).collect()
    }

    #[test]
    fn each_file_has_the_line_that_decided() {
        let folder = tempfile::tempdir().unwrap();
        for (path, size) in [("a/keep.txt", 3), ("a/drop.log", 5), ("b/deep/x", 7), ("b/deep/y", 11), ("c", 13)] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, vec![b'x'; size]).unwrap();
        }
        let found = listed(folder.path(), "# all logs\n*/*.log\n\n/b\n");
        let rule = |path: &str| found[path].rule.as_ref().map(|rule| (rule.line, rule.pattern.clone()));
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a/drop.log", "a/keep.txt", "b", "c"]);
        assert_eq!(rule("a/drop.log"), Some((2, "*/*.log".to_owned())));
        assert_eq!((rule("a/keep.txt"), rule("b")), (None, Some((4, "b".to_owned()))));
        assert_eq!((found["b"].files, found["b"].bytes, found["b"].is_folder), (2, 18, true));
        let found = listed(folder.path(), "b\n!b/deep/x\n");
        assert!(!found["b/deep/x"].is_left_out && found["b/deep/y"].is_left_out);
        assert_eq!(found["b/deep/x"].rule.as_ref().unwrap().pattern, "!b/deep/x");
    }

    #[test]
    fn links_are_listed_and_lead_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", folder.path().join("link")).unwrap();
        let found = listed(folder.path(), "");
        assert_eq!((found.len(), found["link"].bytes, found["link"].is_folder), (1, 0, false));
    }
}
