//! Operations on whole trees, however deep they are and whoever changes them meanwhile: removal and walking.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::Folder;
use super::folder::{list, single};
use crate::base::io_error::IoError;

/// The number of folders open at a time. Deeper folders are first moved up.
const DEEPEST: usize = 64;
/// The prefix of their names then, followed by the process ID and a number.
const MOVED: &str = ".removed-";
/// The permissions that a folder's owner needs to empty it.
const OWN_RIGHTS: u32 = 0o700;

/// Removes what is at a path whose parent folder is rbuild's own; does nothing if there is nothing.
pub fn remove_tree(path: &Path) -> Result<(), IoError> {
    let (parent, name) = parent_of(path)?;
    parent.remove_all(name)
}

/// Calls `visit` for what is at a path of rbuild's own, and for everything below it; symbolic links are not followed.
/// Skips what can't be read.
pub fn visit_tree(path: &Path, visit: &mut dyn FnMut(&Stat)) -> Result<(), IoError> {
    let (parent, name) = parent_of(path)?;
    let top = parent.handle(name)?;
    let stat = top.stat()?;
    visit(&stat);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Folder::new(top.into_fd(), path.to_owned()).visit_all(visit),
        _ => Ok(()),
    }
}

fn parent_of(path: &Path) -> Result<(Folder, &OsStr), IoError> {
    let failed = || IoError { action: "find", path: path.to_owned(), source: Errno::INVAL.into() };
    let (parent, name) = path.parent().zip(path.file_name()).ok_or_else(failed)?;
    Ok((Folder::open(parent)?, name))
}

/// Whether the name belongs to a folder that `remove_tree` had moved up when its process ended.
pub fn is_left_by_dead(name: &OsStr) -> bool {
    let number = name.to_str().and_then(|name| name.strip_prefix(MOVED)?.split('-').next()?.parse().ok());
    let process = number.and_then(rustix::process::Pid::from_raw);
    process.is_some_and(|process| rustix::process::test_kill_process(process) == Err(Errno::SRCH))
}

impl Folder {
    /// Removes whatever has the name, recursively and whatever the modes are; does nothing if it does not exist.
    pub fn remove_all(&self, name: &OsStr) -> Result<(), IoError> {
        let mut removal = Removal { top: self, moved: vec![name.to_owned()], number: 0 };
        while let Some(name) = removal.moved.pop() {
            removal.remove_folder(self, single(&name).map_err(self.failed("remove", &name))?, 0)?;
        }
        Ok(())
    }

    fn visit_all(self, visit: &mut dyn FnMut(&Stat)) -> Result<(), IoError> {
        let names = self.names()?;
        let mut open = vec![(self, names)];
        while let Some((folder, names)) = open.last_mut() {
            let Some(name) = names.pop() else {
                open.pop();
                continue;
            };
            let Ok(Some(stat)) = folder.stat(&name) else { continue };
            visit(&stat);
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory
                && let Ok(inside) = folder.handle(&name)
            {
                // Without a path in the message: it would be as long as the tree is deep.
                let inside = Folder::new(inside.into_fd(), PathBuf::new());
                if let Ok(names) = inside.names() {
                    open.push((inside, names));
                }
            }
        }
        Ok(())
    }
}

struct Removal<'a> {
    top: &'a Folder,
    /// Names in `top` that are to be removed, including those that were moved there.
    moved: Vec<OsString>,
    number: u32,
}

impl Removal<'_> {
    /// Removes a folder and its content, or whatever has its name by now.
    fn remove_folder(&mut self, folder: &Folder, name: &OsStr, depth: usize) -> Result<(), IoError> {
        if depth == DEEPEST && self.move_up(folder, name) {
            return Ok(());
        }
        let inside = match open(folder, name) {
            // It is not a folder, or no longer one.
            Err(Errno::NOTDIR | Errno::LOOP) => return remove_name(folder, name),
            Err(Errno::NOENT) => return Ok(()),
            opened => opened.map_err(folder.failed("open", name))?,
        };
        if inside.status()?.st_mode & OWN_RIGHTS != OWN_RIGHTS {
            // A user with rights over all files does not need this; other failures are reported below.
            let _ = inside.set_own_mode(OWN_RIGHTS);
        }
        let names = match list(&inside) {
            // Another process has removed it since it was opened.
            Err(Errno::NOENT) => return Ok(()),
            listed => listed.map_err(inside.failed("list", OsStr::new("")))?,
        };
        for (name, kind) in names {
            match kind {
                FileType::Directory | FileType::Unknown => self.remove_folder(&inside, &name, depth + 1)?,
                _ => self.remove(&inside, &name, depth + 1)?,
            }
        }
        drop(inside);
        unless_gone(folder.remove_folder(name)).map(|_| ())
    }

    /// Removes what was not a folder when it was listed.
    fn remove(&mut self, folder: &Folder, name: &OsStr, depth: usize) -> Result<(), IoError> {
        match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            // For a folder, filesystems return either of these errors.
            Err(Errno::ISDIR | Errno::PERM) if is_folder(folder, name) => self.remove_folder(folder, name, depth),
            Err(error) => Err(folder.failed("remove", name)(error)),
        }
    }

    /// Moves a folder into the topmost one, to be removed later; false if that is not possible.
    fn move_up(&mut self, folder: &Folder, name: &OsStr) -> bool {
        loop {
            let new = format!("{MOVED}{}-{}", std::process::id(), self.number);
            self.number += 1;
            match rustix::fs::renameat_with(folder, name, self.top, new.as_str(), RenameFlags::NOREPLACE) {
                Ok(()) => {
                    self.moved.push(new.into());
                    return true;
                }
                Err(Errno::EXIST) => {}
                Err(_) => return false,
            }
        }
    }
}

/// Opens a folder in `folder` for listing, even if its owner has removed its permissions.
fn open(folder: &Folder, name: &OsStr) -> rustix::io::Result<Folder> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            let handle = rustix::fs::openat(folder, name, flags | OFlags::PATH, Mode::empty())?;
            let closed = Folder::new(handle, PathBuf::new());
            // A failure is reported when the folder is opened.
            let _ = closed.set_own_mode(OWN_RIGHTS);
            closed.readable()?
        }
        opened => opened?,
    };
    Ok(Folder::new(opened, folder.shown().join(name)))
}

fn remove_name(folder: &Folder, name: &OsStr) -> Result<(), IoError> {
    unless_gone(folder.remove(name)).map(|_| ())
}

fn is_folder(folder: &Folder, name: &OsStr) -> bool {
    let found = folder.stat(name).ok().flatten();
    found.is_some_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory)
}

/// `None` if another process has removed it meanwhile.
fn unless_gone<T>(result: Result<T, IoError>) -> Result<Option<T>, IoError> {
    match result {
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// A chain of folders, far longer than a path may be.
    fn deep(folder: &Folder, count: usize) {
        let mut current = Folder::open(folder.shown()).unwrap();
        for _ in 0..count {
            current.make_folder(OsStr::new("d"), 0o755).unwrap();
            current = current.folder(OsStr::new("d")).unwrap();
        }
        current.make_file(OsStr::new("f"), 0o644).unwrap();
    }

    #[test]
    fn trees_of_any_depth_are_removed_and_nothing_beside() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        std::fs::create_dir_all(place.path().join("kept/inside")).unwrap();
        std::fs::create_dir_all(place.path().join("tree/closed/x")).unwrap();
        symlink("../kept", place.path().join("tree/link")).unwrap();
        std::fs::write(place.path().join("tree/closed/f"), "").unwrap();
        std::fs::set_permissions(place.path().join("tree/closed"), std::fs::Permissions::from_mode(0o000)).unwrap();
        deep(&folder.folder(OsStr::new("tree")).unwrap(), 20_000);
        remove_tree(&place.path().join("tree")).unwrap();
        remove_tree(&place.path().join("tree")).unwrap();
        assert_eq!(folder.names().unwrap(), ["kept"]);
        assert!(place.path().join("kept/inside").exists());
    }

    #[test]
    fn several_remove_one_tree_at_once() {
        for _ in 0..30 {
            let place = tempfile::tempdir().unwrap();
            let tree = place.path().join("tree");
            for number in 0..30 {
                std::fs::create_dir_all(tree.join(format!("{number}/a/b/c"))).unwrap();
            }
            std::thread::scope(|scope| {
                let removals: Vec<_> = (0..8).map(|_| scope.spawn(|| remove_tree(&tree))).collect();
                for removal in removals {
                    removal.join().unwrap().unwrap();
                }
            });
            assert!(!tree.exists());
        }
    }

    #[test]
    fn all_is_visited_and_no_link_followed() {
        let (place, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(other.path().join("f"), "12345").unwrap();
        symlink(other.path(), place.path().join("link")).unwrap();
        std::fs::create_dir(place.path().join("d")).unwrap();
        std::fs::write(place.path().join("d/f"), "12").unwrap();
        let mut sizes = Vec::new();
        let mut visit = |stat: &Stat| {
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                sizes.push(stat.st_size);
            }
        };
        visit_tree(place.path(), &mut visit).unwrap();
        assert_eq!(sizes, [2]);
    }
}
