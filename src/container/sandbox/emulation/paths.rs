//! Resolves a program's paths and descriptors to handles of the supervisor.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::{Errno, Result};

use super::call::Call;
use super::process_files::{self, Meaning};
use super::programs::Programs;
use super::root::{self, MOST_LINKS, Place};
use super::user::Credentials;
use crate::base::foreign;

/// `AT_FDCWD` as an argument.
pub(super) const HERE: i32 = libc::AT_FDCWD;

pub(super) const READ: u32 = 4;
pub(super) const WRITE: u32 = 2;
pub(super) const SEARCH: u32 = 1;

/// A resolved path of a program.
pub(super) enum Path {
    /// A path in its root.
    Inside(Vec<u8>),
    /// A file in the host's `/proc`, which is the program's own or harmless.
    OfProcess(Vec<u8>),
    /// A magic link there, and its target as a path in the program's root.
    Link { host: Vec<u8>, inside: Vec<u8> },
}

impl Programs {
    /// Resolves a path relative to the folder of that descriptor, unless it is absolute.
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

    /// A handle of an existing path.
    pub(super) fn existing(&self, call: &Call, path: Path, follows: bool) -> Result<OwnedFd> {
        self.resolved(call, path, follows).1
    }

    /// The same, and the path itself: where a link leads into the host's `/proc`, it is the one there.
    pub(super) fn resolved(&self, call: &Call, mut path: Path, follows: bool) -> (Path, Result<OwnedFd>) {
        for _ in 0..MOST_LINKS {
            let found = self.look(call, &path, follows);
            let beyond = match (&path, &found) {
                (Path::Inside(inside), Err(Errno::NOENT)) => self.beyond(call, inside, follows),
                _ => Ok(None),
            };
            match beyond {
                // What goes up again from a link of `/proc` is not followed.
                Ok(Some(Path::Inside(other))) if matches!(&path, Path::Inside(inside) if *inside == other) => {
                    return (path, found);
                }
                Ok(Some(other)) => path = other,
                Ok(None) => return (path, found),
                Err(errno) => return (path, Err(errno)),
            }
        }
        (path, Err(Errno::LOOP))
    }

    /// Where the links of a path that leads nowhere lead into `/proc`, which the root has no files of: what is meant there.
    fn beyond(&self, call: &Call, path: &[u8], follows: bool) -> Result<Option<Path>> {
        // Mostly a name is just not there.
        if self.root.place(path).is_ok_and(|place| place.link().is_err()) {
            return Ok(None);
        }
        let parts = |path: &[u8]| path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect::<Vec<_>>();
        let (mut left, mut at, mut links) = (parts(path), Vec::new(), 0);
        while let Some(name) = left.pop() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    at.truncate(at.iter().rposition(|byte| *byte == b'/').unwrap_or_default());
                    continue;
                }
                name => at.extend([b"/", name].concat()),
            }
            if at == b"/proc" {
                left.push(at);
                left.reverse();
                return self.meant(call, left.join(b"/".as_slice())).map(Some);
            }
            if left.is_empty() && !follows {
                break;
            }
            let Ok(handle) = self.root.existing(&at, false) else { break };
            let Ok(target) = rustix::fs::readlinkat(handle, c"", Vec::new()) else { continue };
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::LOOP);
            }
            let target = target.into_bytes();
            let folder = at.iter().rposition(|byte| *byte == b'/').unwrap_or_default();
            at.truncate(if target.starts_with(b"/") { 0 } else { folder });
            left.extend(parts(&target));
        }
        Ok(None)
    }

    fn look(&self, call: &Call, path: &Path, follows: bool) -> Result<OwnedFd> {
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

    /// A handle of the path in an argument; if it is empty and `flags` allow that, of the descriptor.
    pub(super) fn found(&self, call: &Call, (folder, argument): (i32, usize), flags: i32) -> Result<OwnedFd> {
        let text = match call.arguments[argument] {
            0 if flags & libc::AT_EMPTY_PATH != 0 => Vec::new(),
            _ => call.text(argument)?,
        };
        if text.is_empty() && flags & libc::AT_EMPTY_PATH != 0 {
            return self.descriptor(call, folder);
        }
        let path = self.path(call, folder, text)?;
        self.existing(call, path, flags & libc::AT_SYMLINK_NOFOLLOW == 0)
    }

    /// A handle of a descriptor of the program.
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

    /// Its path on the host.
    pub(super) fn path_of_descriptor(&self, call: &Call, number: i32) -> Result<Vec<u8>> {
        let name = self.name_of_descriptor(call, number)?;
        let badly = |errno| if errno == Errno::NOENT { Errno::BADF } else { errno };
        Ok(rustix::fs::readlink(name, Vec::new()).map_err(badly)?.into_bytes())
    }

    /// Whether a relative path leads to what the host has at `host` for the kernel, too: there was no link on the way.
    pub(super) fn is_plain(&self, call: &Call, (folder, text): (i32, &[u8]), host: &[u8]) -> bool {
        let is_relative = !text.starts_with(b"/");
        let rest = host.strip_suffix(text).and_then(|rest| rest.strip_suffix(b"/")).filter(|_| is_relative);
        rest.is_some_and(|rest| self.path_of_descriptor(call, folder).is_ok_and(|known| known == rest))
    }

    /// The place of a name to be created or removed. Does not check permissions.
    pub(super) fn place(&self, call: &Call, (folder, argument): (i32, usize)) -> Result<Place> {
        match self.path(call, folder, call.text(argument)?)? {
            Path::Inside(inside) => self.root.place(&inside),
            Path::OfProcess(_) | Path::Link { .. } => Err(Errno::PERM),
        }
    }

    /// The status that the program sees.
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

    /// Checks that a user other than root may search all folders on the way.
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

    /// Checks that names in the folder may be changed; in a folder with the sticky bit, only the owner of the folder or
    /// of the file may remove a name (`S_ISVTX`).
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
