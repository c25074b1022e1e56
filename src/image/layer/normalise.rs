//! Turns what overlayfs leaves in an upper directory into the layer that it means.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;

use super::directory::{self, Status};
use super::{FileKind, LayerError, xattrs};
use crate::base::io_error::{AtPath, IoError, check_depth};

/// The layers below one that has just been written, merged.
pub trait LowerTree {
    /// What is at `path` (relative to the root; no symlink is followed); `None` if nothing is.
    fn lookup(&self, path: &Path) -> Result<Option<FileKind>, IoError>;
}

/// What `normalise` did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Normalised {
    /// Entries left in the layer, not counting its root.
    pub entries: u64,
    pub whiteouts_dropped: u64,
    pub opaque_marks_dropped: u64,
    pub sockets_dropped: u64,
}

/// Turns an overlay's upper directory into a layer directory, once nothing writes to it any longer.
///
/// Modification times become whole seconds, rounded down, and no later than `latest_mtime` if given
/// (SOURCE_DATE_EPOCH). Whiteouts and opaque marks are removed where no lower layer has what they hide; sockets and
/// overlayfs' bookkeeping xattrs are always removed. Entries equal to the lower ones stay, such as a directory that was
/// only passed through or a file that was rewritten with the same content: detecting them would need a second read.
pub fn normalise(upper: &Path, lower: &dyn LowerTree, latest_mtime: Option<i64>) -> Result<Normalised, LayerError> {
    let root = directory::open_root(upper).at("open", upper)?;
    let mut normaliser = Normaliser { upper, lower, latest_mtime, path: Vec::new(), done: Normalised::default() };
    normaliser.directory(&root)?;
    normaliser.strip_bookkeeping(&root)?;
    Ok(normaliser.done)
}

struct Normaliser<'a> {
    upper: &'a Path,
    lower: &'a dyn LowerTree,
    latest_mtime: Option<i64>,
    path: Vec<u8>,
    done: Normalised,
}

impl Normaliser<'_> {
    fn directory(&mut self, directory: &OwnedFd) -> Result<(), LayerError> {
        let names = directory::sorted_names(directory).map_err(|error| self.io("list", error))?;
        let parent_len = self.path.len();
        for name in names {
            if parent_len > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.to_bytes());
            check_depth(&self.path)?;
            self.entry(directory, &name)?;
            self.path.truncate(parent_len);
        }
        Ok(())
    }

    fn entry(&mut self, parent: &OwnedFd, name: &CStr) -> Result<(), LayerError> {
        let status = directory::status(parent, name).map_err(|error| self.io("stat", error))?;
        if status.kind.is_whiteout() && self.lower_kind()?.is_none() {
            self.done.whiteouts_dropped += 1;
            return self.remove(parent, name);
        }
        match status.kind {
            FileKind::Socket => {
                self.done.sockets_dropped += 1;
                return self.remove(parent, name);
            }
            FileKind::Directory => {
                let opened = directory::open_directory(parent, name).map_err(|error| self.io("open", error))?;
                let opaque = self.strip_bookkeeping(&opened)?;
                if opaque && self.lower_kind()? != Some(FileKind::Directory) {
                    self.done.opaque_marks_dropped += 1;
                    self.remove_attribute(&opened, xattrs::OPAQUE)?;
                }
                self.directory(&opened)?;
            }
            FileKind::Regular => {
                let opened = directory::open_file(parent, name).map_err(|error| self.io("open", error))?;
                self.strip_bookkeeping(&opened)?;
            }
            _ => {}
        }
        self.done.entries += 1;
        self.settle_time(parent, name, &status)
    }

    /// Removes overlayfs' attributes. Returns whether there is an opaque mark (which stays).
    fn strip_bookkeeping(&self, file: impl AsFd) -> Result<bool, LayerError> {
        let read = xattrs::bookkeeping(&file);
        let (names, opaque) = read.map_err(|error| self.io("read attributes of", error))?;
        for name in names {
            self.remove_attribute(&file, &name)?;
        }
        Ok(opaque)
    }

    fn remove_attribute(&self, file: impl AsFd, name: impl rustix::path::Arg) -> Result<(), LayerError> {
        match rustix::fs::fremovexattr(file, name) {
            Ok(()) | Err(Errno::NODATA) => Ok(()),
            Err(error) => Err(self.io("remove an attribute of", error.into())),
        }
    }

    fn remove(&self, parent: &OwnedFd, name: &CStr) -> Result<(), LayerError> {
        rustix::fs::unlinkat(parent, name, AtFlags::empty()).map_err(|error| self.io("remove", error.into()))
    }

    /// A directory's own time is set after its content, which may have changed it.
    fn settle_time(&self, parent: &OwnedFd, name: &CStr, status: &Status) -> Result<(), LayerError> {
        if status.kind.is_whiteout() {
            return Ok(());
        }
        let (seconds, nanoseconds) = status.mtime;
        let settled = self.latest_mtime.map_or(seconds, |latest| seconds.min(latest));
        if settled == seconds && nanoseconds == 0 && !status.kind.is_directory() {
            return Ok(());
        }
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: settled, tv_nsec: 0 },
        };
        let set = rustix::fs::utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW);
        set.map_err(|error| self.io("set the time of", error.into()))
    }

    fn lower_kind(&self) -> Result<Option<FileKind>, LayerError> {
        Ok(self.lower.lookup(Path::new(OsStr::from_bytes(&self.path)))?)
    }

    fn full_path(&self) -> PathBuf {
        self.upper.join(OsStr::from_bytes(&self.path))
    }

    fn io(&self, action: &'static str, source: io::Error) -> LayerError {
        IoError { action, path: self.full_path(), source }.into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType, Mode, XattrFlags};

    use super::*;

    struct Below(HashMap<&'static str, FileKind>);

    impl LowerTree for Below {
        fn lookup(&self, path: &Path) -> Result<Option<FileKind>, IoError> {
            Ok(self.0.get(path.to_str().unwrap()).copied())
        }
    }

    fn below() -> Below {
        Below(HashMap::from([
            ("gone", FileKind::Regular),
            ("hides", FileKind::Directory),
            ("was-file", FileKind::Regular),
        ]))
    }

    fn whiteout(path: &Path) -> bool {
        rustix::fs::mknodat(CWD, path, FileType::CharacterDevice, Mode::empty(), 0).is_ok()
    }

    #[test]
    fn only_what_hides_something_is_kept() {
        let upper = tempfile::tempdir().unwrap();
        let at = |name: &str| upper.path().join(name);
        if !whiteout(&at("gone")) || !whiteout(&at("never-was")) {
            eprintln!("skipped: whiteouts cannot be made here");
            return;
        }
        for name in ["hides", "was-file", "new"] {
            fs::create_dir(at(name)).unwrap();
            rustix::fs::setxattr(at(name), xattrs::OPAQUE, b"y", XattrFlags::empty()).unwrap();
            rustix::fs::setxattr(at(name), "user.overlay.impure", b"y", XattrFlags::empty()).unwrap();
        }
        let _socket = UnixListener::bind(at("socket")).unwrap();
        let done = normalise(upper.path(), &below(), None).unwrap();
        assert_eq!(done, Normalised { entries: 4, whiteouts_dropped: 1, opaque_marks_dropped: 2, sockets_dropped: 1 });
        let attribute = |name: &str, attribute| rustix::fs::getxattr(at(name), attribute, &mut [0u8; 8]).is_ok();
        assert!(attribute("hides", xattrs::OPAQUE) && !attribute("new", xattrs::OPAQUE));
        assert!(!attribute("was-file", xattrs::OPAQUE) && !attribute("hides", c"user.overlay.impure"));
        assert!(at("gone").symlink_metadata().is_ok() && at("never-was").symlink_metadata().is_err());
    }

    #[test]
    fn times_become_whole_seconds_and_no_later_than_asked() {
        use std::os::unix::fs::MetadataExt;
        let upper = tempfile::tempdir().unwrap();
        let at = |name: &str| upper.path().join(name);
        fs::create_dir(at("d")).unwrap();
        fs::write(at("d/old"), "x").unwrap();
        std::os::unix::fs::symlink("old", at("d/link")).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::new(1000, 999_999_999);
        fs::File::open(at("d/old")).unwrap().set_modified(time).unwrap();
        normalise(upper.path(), &below(), Some(2000)).unwrap();
        let mtime = |name: &str| {
            let metadata = at(name).symlink_metadata().unwrap();
            (metadata.mtime(), metadata.mtime_nsec())
        };
        assert_eq!(mtime("d/old"), (1000, 0));
        assert_eq!(mtime("d/link"), (2000, 0));
        assert_eq!(mtime("d"), (2000, 0));
    }
}
