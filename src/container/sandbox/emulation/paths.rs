//! What a program means by a path or a descriptor, as a handle of the supervisor's.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::{Errno, Result};

use super::call::Call;
use super::process_files::{self, Meaning};
use super::programs::Programs;
use super::root::{self, Place};
use super::user::Credentials;
use crate::base::foreign;

/// `AT_FDCWD`, as it is in an argument.
pub(super) const HERE: i32 = libc::AT_FDCWD;

pub(super) const READ: u32 = 4;
pub(super) const WRITE: u32 = 2;
pub(super) const SEARCH: u32 = 1;

/// A path that a program has given.
pub(super) enum Path {
    /// From its root on.
    Inside(Vec<u8>),
    /// A file of the host's `/proc`, of the program itself or harmless.
    OfProcess(Vec<u8>),
    /// A link of the kernel's there, and where it leads from the program's root on.
    Link { host: Vec<u8>, inside: Vec<u8> },
}

impl Programs {
    /// A path that begins at the folder of that descriptor, unless it begins at the root.
    pub(super) fn path(&self, call: &Call, folder: i32, text: Vec<u8>) -> Result<Path> {
        let inside = match text.first() {
            None => return Err(Errno::NOENT),
            Some(b'/') => text,
            Some(_) => {
                let host = self.path_of_descriptor(call, folder)?;
                match self.root.inside(&host) {
                    Some(inside) => [&inside, b"/".as_slice(), &text].concat(),
                    None if host.starts_with(b"/proc") => [&host, b"/".as_slice(), &text].concat(),
                    None if host.ends_with(b" (deleted)") => return Err(Errno::NOENT),
                    None => return Err(Errno::NOTDIR),
                }
            }
        };
        self.meant(call, inside)
    }

    fn meant(&self, call: &Call, path: Vec<u8>) -> Result<Path> {
        if !process_files::may_be(&path) {
            return Ok(Path::Inside(path));
        }
        match process_files::meaning(self, call, &path)? {
            Meaning::Nothing => Ok(Path::Inside(path)),
            Meaning::Elsewhere(other) => Ok(Path::Inside(other)),
            Meaning::Host(host) => Ok(Path::OfProcess(host)),
            Meaning::Link(host, inside) => Ok(Path::Link { host, inside }),
        }
    }

    /// What there is at a path.
    pub(super) fn existing(&self, call: &Call, path: &Path, follows: bool) -> Result<OwnedFd> {
        let inside = match path {
            Path::Inside(inside) => inside,
            Path::Link { inside, .. } if follows => inside,
            Path::OfProcess(host) | Path::Link { host, .. } => {
                let flags = OFlags::PATH | OFlags::CLOEXEC;
                let flags = flags | if follows { OFlags::empty() } else { OFlags::NOFOLLOW };
                return rustix::fs::open(host.as_slice(), flags, Mode::empty());
            }
        };
        let found = self.root.existing(inside, follows)?;
        self.check_way(call, &found)?;
        Ok(found)
    }

    /// What is at the path in an argument; where that is empty and may be, what the descriptor is of.
    pub(super) fn found(&self, call: &Call, (folder, argument): (i32, usize), flags: i32) -> Result<OwnedFd> {
        let text = match call.arguments[argument] {
            0 if flags & libc::AT_EMPTY_PATH != 0 => Vec::new(),
            _ => call.text(argument)?,
        };
        if text.is_empty() && flags & libc::AT_EMPTY_PATH != 0 {
            return self.descriptor(call, folder);
        }
        let path = self.path(call, folder, text)?;
        self.existing(call, &path, flags & libc::AT_SYMLINK_NOFOLLOW == 0)
    }

    /// What a descriptor of the program's is of.
    pub(super) fn descriptor(&self, call: &Call, number: i32) -> Result<OwnedFd> {
        let path = self.name_of_descriptor(call, number)?;
        rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(|_| Errno::BADF)
    }

    fn name_of_descriptor(&self, call: &Call, number: i32) -> Result<String> {
        let pid = call.tracee.0;
        match number {
            HERE => Ok(format!("/proc/{pid}/cwd")),
            0.. => Ok(format!("/proc/{pid}/fd/{number}")),
            _ => Err(Errno::BADF),
        }
    }

    /// Where the host has it.
    pub(super) fn path_of_descriptor(&self, call: &Call, number: i32) -> Result<Vec<u8>> {
        let name = self.name_of_descriptor(call, number)?;
        Ok(rustix::fs::readlink(name, Vec::new()).map_err(|_| Errno::BADF)?.into_bytes())
    }

    /// A place for a new name, or of one that is to go. Who changes it is not asked yet.
    pub(super) fn place(&self, call: &Call, (folder, argument): (i32, usize)) -> Result<Place> {
        match self.path(call, folder, call.text(argument)?)? {
            Path::Inside(inside) => self.root.place(&inside),
            Path::OfProcess(_) | Path::Link { .. } => Err(Errno::PERM),
        }
    }

    /// What the program sees of it.
    pub(super) fn stat(&self, handle: impl AsFd) -> Result<Stat> {
        let mut stat = foreign::seen_of(&handle, rustix::fs::fstat(&handle)?)?;
        self.own_links(&mut stat);
        Ok(stat)
    }

    pub(super) fn own_links(&self, stat: &mut Stat) {
        if !self.links.is_empty()
            && self.root.may_hold(stat)
            && matches!(FileType::from_raw_mode(stat.st_mode), FileType::Symlink | FileType::Fifo)
            && let Some(owner) = self.links.get(stat.st_ino)
        {
            (stat.st_uid, stat.st_gid) = owner;
        }
    }

    /// Whoever is not root must be allowed to go through all folders on the way.
    pub(super) fn check_way(&self, call: &Call, handle: &OwnedFd) -> Result<()> {
        let task = self.tasks.get(&call.tracee.0).ok_or(Errno::SRCH)?;
        if task.credentials.overrides_modes() {
            return Ok(());
        }
        let credentials = task.credentials.clone();
        let Some(inside) = self.root.inside(&root::path_of(handle)?) else { return Ok(()) };
        let slashes = inside.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at.max(1));
        for end in slashes {
            let stat = self.stat(self.root.existing(&inside[..end], true)?)?;
            let is_itself = end == inside.len();
            if !is_itself && !credentials.may(&stat, SEARCH) {
                return Err(Errno::ACCESS);
            }
        }
        Ok(())
    }

    /// Whether names in the folder may be changed; and, of one that goes, by whoever owns neither where that is asked for
    /// (`S_ISVTX`).
    pub(super) fn check_change(&self, call: &Call, place: &Place, removes: bool) -> Result<Credentials> {
        let credentials = self.credentials(call)?;
        if credentials.overrides_modes() {
            return Ok(credentials);
        }
        self.check_way(call, &place.folder)?;
        let folder = self.stat(&place.folder)?;
        if !credentials.may(&folder, WRITE | SEARCH) {
            return Err(Errno::ACCESS);
        }
        if removes && folder.st_mode & libc::S_ISVTX != 0 && folder.st_uid != credentials.uid[super::user::OF_FILES] {
            let stat = self.stat(place.handle()?)?;
            if !credentials.owns(&stat) {
                return Err(Errno::PERM);
            }
        }
        Ok(credentials)
    }
}
