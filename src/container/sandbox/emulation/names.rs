//! Creating, moving and removing names: the supervisor does it, by handles of the folders.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::{Errno, Result};

use super::call::{Call, DONE, Reply};
use super::owners::kept_mode;
use super::paths::HERE;
use super::programs::Programs;
use super::root::{Place, is_there, name_of};
use super::user::OF_FILES;
use crate::base::foreign::{self, Folder};

impl Programs {
    /// Creates an empty file.
    pub(super) fn make_file(&mut self, call: &Call, place: &Place, mode: u32) -> Result<OwnedFd> {
        self.make(call, place, mode, |folder, name, mode| {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(folder, name, flags, mode).map(drop)
        })
    }

    /// Creates something with that mode, less the program's umask, owned by the program's user.
    fn make(
        &mut self,
        call: &Call,
        place: &Place,
        mode: u32,
        make: impl FnOnce(&OwnedFd, &OsStr, Mode) -> Result<()>,
    ) -> Result<OwnedFd> {
        if is_there(place) {
            return Err(Errno::EXIST);
        }
        let credentials = self.check_change(call, place, false)?;
        let umask = self.task(call.tracee)?.umask.get();
        let folder = self.stat(&place.folder)?;
        let mut mode = mode & 0o7777 & !umask;
        let has_group_of_folder = folder.st_mode & libc::S_ISGID != 0;
        let (uid, mut gid) = (credentials.uid[OF_FILES], credentials.gid[OF_FILES]);
        // setgid only matters for folders; the owner's rights are kept, because this process needs them.
        make(&place.folder, place.name(), Mode::from_raw_mode(mode & 0o777 | 0o600))?;
        let handle = place.handle()?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&handle)?.st_mode);
        if has_group_of_folder {
            gid = folder.st_gid;
            mode |= if kind == FileType::Directory { libc::S_ISGID } else { 0 };
        }
        match kind {
            FileType::RegularFile | FileType::Directory => {
                if kept_mode(kind, mode) != mode {
                    foreign::set_mode_of(&handle, Mode::from_raw_mode(mode))?;
                }
                if (uid, gid) != (0, 0) {
                    foreign::set_owner_of(&handle, Uid::from_raw(uid), Gid::from_raw(gid))?;
                }
            }
            _ => self.links.set(rustix::fs::fstat(&handle)?.st_ino, (uid, gid)),
        }
        Ok(handle)
    }

    /// The name at this place is about to be removed.
    fn forget_link(&mut self, place: &Place) {
        if self.links.is_empty() {
            return;
        }
        if let Ok(stat) = rustix::fs::statat(&place.folder, place.name(), AtFlags::SYMLINK_NOFOLLOW)
            && stat.st_nlink == 1
        {
            self.links.forget(stat.st_ino);
        }
    }

    fn make_folder(&mut self, call: &Call, at: (i32, usize), mode: i32) -> Reply {
        let place = self.place(call, at)?;
        self.make(call, &place, mode as u32 & 0o1777, |folder, name, mode| {
            rustix::fs::mkdirat(folder, name, mode | Mode::RWXU)
        })?;
        DONE
    }

    fn make_node(&mut self, call: &Call, at: (i32, usize), (mode, device): (i32, u64)) -> Reply {
        let (place, mode) = (self.place(call, at)?, mode as u32);
        let kind = if mode & libc::S_IFMT == 0 { FileType::RegularFile } else { FileType::from_raw_mode(mode) };
        match kind {
            FileType::RegularFile => drop(self.make_file(call, &place, mode)?),
            FileType::Fifo | FileType::Socket => {
                let own = Mode::from_raw_mode(mode & 0o777 & !self.task(call.tracee)?.umask.get());
                let make = |folder: &OwnedFd, name: &OsStr, mode| rustix::fs::mknodat(folder, name, kind, mode, 0);
                let made = self.make(call, &place, mode, make)?;
                rustix::fs::chmod(name_of(&made), own)?;
            }
            FileType::CharacterDevice | FileType::BlockDevice if self.credentials(call)?.is_root() => {
                let masked = mode & 0o7777 & !self.task(call.tracee)?.umask.get();
                self.make(call, &place, masked, |folder, name, _| {
                    let folder = Folder::new(folder.try_clone().map_err(|_| Errno::MFILE)?, PathBuf::new());
                    let made = folder.make_node(name, kind, masked, device);
                    made.map_err(|error| error.errno().unwrap_or(Errno::IO))
                })?;
            }
            FileType::CharacterDevice | FileType::BlockDevice => return Err(Errno::PERM),
            _ => return Err(Errno::INVAL),
        }
        DONE
    }

    fn make_link(&mut self, call: &Call, target: usize, at: (i32, usize)) -> Reply {
        let target = call.text(target)?;
        if target.is_empty() {
            return Err(Errno::NOENT);
        }
        let place = self.place(call, at)?;
        if place.wants_folder {
            return Err(Errno::NOENT);
        }
        self.make(call, &place, 0o777, |folder, name, _| {
            rustix::fs::symlinkat(OsStr::from_bytes(&target), folder, name)
        })?;
        DONE
    }

    fn hard_link(&mut self, call: &Call, from: (i32, usize), to: (i32, usize), flags: i32) -> Reply {
        let follows = if flags & libc::AT_SYMLINK_FOLLOW == 0 { libc::AT_SYMLINK_NOFOLLOW } else { 0 };
        let found = self.found(call, from, follows | flags & libc::AT_EMPTY_PATH)?;
        if FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode) == FileType::Directory {
            return Err(Errno::PERM);
        }
        let place = self.place(call, to)?;
        if is_there(&place) {
            return Err(Errno::EXIST);
        }
        self.check_change(call, &place, false)?;
        rustix::fs::linkat(rustix::fs::CWD, name_of(&found), &place.folder, place.name(), AtFlags::SYMLINK_FOLLOW)?;
        DONE
    }

    fn remove(&mut self, call: &Call, at: (i32, usize), is_folder: bool) -> Reply {
        let place = match self.place(call, at) {
            // Its last component is not a name.
            Err(Errno::EXIST) => return Err(if is_folder { Errno::INVAL } else { Errno::ISDIR }),
            place => place?,
        };
        if !is_there(&place) {
            return Err(Errno::NOENT);
        }
        self.check_change(call, &place, true)?;
        if place.wants_folder && !is_folder {
            let kind = FileType::from_raw_mode(rustix::fs::fstat(place.handle()?)?.st_mode);
            return Err(if kind == FileType::Directory { Errno::ISDIR } else { Errno::NOTDIR });
        }
        self.forget_link(&place);
        let flags = if is_folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        rustix::fs::unlinkat(&place.folder, place.name(), flags)?;
        DONE
    }

    fn move_to(&mut self, call: &Call, from: (i32, usize), to: (i32, usize), flags: u32) -> Reply {
        let busy = |errno| if errno == Errno::EXIST { Errno::BUSY } else { errno };
        let (from, to) = (self.place(call, from).map_err(busy)?, self.place(call, to).map_err(busy)?);
        if !is_there(&from) {
            return Err(Errno::NOENT);
        }
        self.check_change(call, &from, true)?;
        self.check_change(call, &to, is_there(&to))?;
        if from.wants_folder || to.wants_folder {
            let kind = FileType::from_raw_mode(rustix::fs::fstat(from.handle()?)?.st_mode);
            if kind != FileType::Directory {
                return Err(Errno::NOTDIR);
            }
        }
        let flags = RenameFlags::from_bits(flags).ok_or(Errno::INVAL)?;
        let gone = rustix::fs::statat(&to.folder, to.name(), AtFlags::SYMLINK_NOFOLLOW).ok();
        rustix::fs::renameat_with(&from.folder, from.name(), &to.folder, to.name(), flags)?;
        if let Some(gone) = gone.filter(|gone| gone.st_nlink == 1 && !flags.contains(RenameFlags::EXCHANGE)) {
            self.links.forget(gone.st_ino);
        }
        DONE
    }
}

pub(super) fn mkdir(programs: &mut Programs, call: &Call) -> Reply {
    programs.make_folder(call, (HERE, 0), call.int(1))
}

pub(super) fn mkdirat(programs: &mut Programs, call: &Call) -> Reply {
    programs.make_folder(call, (call.int(0), 1), call.int(2))
}

pub(super) fn mknod(programs: &mut Programs, call: &Call) -> Reply {
    programs.make_node(call, (HERE, 0), (call.int(1), device(call.arguments[2])))
}

pub(super) fn mknodat(programs: &mut Programs, call: &Call) -> Reply {
    programs.make_node(call, (call.int(0), 1), (call.int(2), device(call.arguments[3])))
}

/// The kernel's 32-bit device number, in the form of stat(2).
fn device(encoded: u64) -> u64 {
    let (major, minor) = (encoded >> 8 & 0xfff, encoded & 0xff | encoded >> 12 & 0xfff00);
    rustix::fs::makedev(major as u32, minor as u32)
}

pub(super) fn symlink(programs: &mut Programs, call: &Call) -> Reply {
    programs.make_link(call, 0, (HERE, 1))
}

pub(super) fn symlinkat(programs: &mut Programs, call: &Call) -> Reply {
    programs.make_link(call, 0, (call.int(1), 2))
}

pub(super) fn link(programs: &mut Programs, call: &Call) -> Reply {
    programs.hard_link(call, (HERE, 0), (HERE, 1), 0)
}

pub(super) fn linkat(programs: &mut Programs, call: &Call) -> Reply {
    programs.hard_link(call, (call.int(0), 1), (call.int(2), 3), call.int(4))
}

pub(super) fn unlink(programs: &mut Programs, call: &Call) -> Reply {
    programs.remove(call, (HERE, 0), false)
}

pub(super) fn rmdir(programs: &mut Programs, call: &Call) -> Reply {
    programs.remove(call, (HERE, 0), true)
}

pub(super) fn unlinkat(programs: &mut Programs, call: &Call) -> Reply {
    programs.remove(call, (call.int(0), 1), call.int(2) & libc::AT_REMOVEDIR != 0)
}

pub(super) fn rename(programs: &mut Programs, call: &Call) -> Reply {
    programs.move_to(call, (HERE, 0), (HERE, 1), 0)
}

pub(super) fn renameat(programs: &mut Programs, call: &Call) -> Reply {
    programs.move_to(call, (call.int(0), 1), (call.int(2), 3), 0)
}

pub(super) fn renameat2(programs: &mut Programs, call: &Call) -> Reply {
    programs.move_to(call, (call.int(0), 1), (call.int(2), 3), call.arguments[4] as u32)
}
