//! Opening files and entering folders: the program does this itself, by the host's path of what was found.

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::call::{Answer, Call, Change, DONE, Reply};
use super::paths::{HERE, Path, READ, SEARCH, WRITE};
use super::programs::Programs;
use super::root::{self, name_of};
use super::trace::bytes_of;

/// Devices that are harmless everywhere: number, and path on the host.
pub(super) const DEVICES: [(u64, &std::ffi::CStr); 6] = [
    (libc::makedev(1, 3), c"/dev/null"),
    (libc::makedev(1, 5), c"/dev/zero"),
    (libc::makedev(1, 7), c"/dev/full"),
    (libc::makedev(1, 8), c"/dev/random"),
    (libc::makedev(1, 9), c"/dev/urandom"),
    (libc::makedev(5, 0), c"/dev/tty"),
];

pub(super) fn open(programs: &mut Programs, call: &Call) -> Reply {
    Open { folder: HERE, path: 0, flags: call.int(1), flags_at: Some(1), mode: call.int(2) as u32 }
        .answer(programs, call)
}

pub(super) fn creat(programs: &mut Programs, call: &Call) -> Reply {
    let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
    Open { folder: HERE, path: 0, flags, flags_at: None, mode: call.int(1) as u32 }.answer(programs, call)
}

pub(super) fn openat(programs: &mut Programs, call: &Call) -> Reply {
    Open { folder: call.int(0), path: 1, flags: call.int(2), flags_at: Some(2), mode: call.int(3) as u32 }
        .answer(programs, call)
}

struct Open {
    folder: i32,
    /// The index of the argument.
    path: usize,
    flags: i32,
    flags_at: Option<usize>,
    mode: u32,
}

impl Open {
    fn has(&self, flag: i32) -> bool {
        self.flags & flag == flag
    }

    fn answer(&self, programs: &mut Programs, call: &Call) -> Reply {
        let text = call.text(self.path)?;
        let path = programs.path(call, self.folder, text.clone())?;
        let makes = self.has(libc::O_CREAT) && !self.has(libc::O_PATH);
        let follows = !(self.has(libc::O_NOFOLLOW) || makes && self.has(libc::O_EXCL));
        let (path, found) = programs.resolved(call, path, follows);
        let inside = match &path {
            Path::Inside(inside) | Path::Link { inside, .. } => inside,
            // The program itself has to follow magic links.
            Path::OfProcess(host) => return Ok(self.changed(host.clone(), self.flags)),
        };
        match found {
            Ok(_) if makes && self.has(libc::O_EXCL) => Err(Errno::EXIST),
            Ok(found) => self.found(programs, call, (&text, &found)),
            Err(Errno::NOENT) if makes => {
                let place = match follows {
                    true => programs.root.place_behind_links(inside)?,
                    false => programs.root.place(inside)?,
                };
                if place.wants_folder {
                    return Err(Errno::ISDIR);
                }
                let made = programs.make_file(call, &place, self.mode)?;
                Ok(self.changed(root::path_of(&made)?, self.flags & !libc::O_EXCL & !libc::O_CREAT))
            }
            Err(errno) => Err(errno),
        }
    }

    fn found(&self, programs: &mut Programs, call: &Call, (text, found): (&[u8], &OwnedFd)) -> Reply {
        let stat = programs.stat(found)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory && self.has(libc::O_CREAT) && !self.has(libc::O_PATH) {
            return Err(Errno::ISDIR);
        }
        if self.has(libc::O_PATH) {
            return Ok(self.changed(root::path_of(found)?, self.flags));
        }
        if kind == FileType::Symlink {
            return Err(Errno::LOOP);
        }
        let wanted = match self.flags & libc::O_ACCMODE {
            libc::O_RDONLY => READ,
            libc::O_WRONLY => WRITE,
            _ => READ | WRITE,
        };
        let wanted = wanted | if self.has(libc::O_TRUNC) { WRITE } else { 0 };
        let credentials = programs.credentials(call)?;
        let is_file_to_be_made = self.has(libc::O_TMPFILE);
        if !credentials.may(&stat, if is_file_to_be_made { WRITE | SEARCH } else { wanted }) {
            return Err(Errno::ACCESS);
        }
        if kind == FileType::CharacterDevice || kind == FileType::BlockDevice {
            let host = DEVICES.iter().find(|(number, _)| kind == FileType::CharacterDevice && *number == stat.st_rdev);
            let Some((_, host)) = host else { return programs.refuse(call, "to open a device", Errno::NXIO) };
            return Ok(self.changed(host.to_bytes().to_vec(), self.flags & !libc::O_TRUNC & !libc::O_CREAT));
        }
        let host = root::path_of(found)?;
        match programs.is_plain(call, (self.folder, text), &host) {
            true => Ok(Answer::Native),
            false => Ok(self.changed(host, self.flags & !libc::O_CREAT)),
        }
    }

    fn changed(&self, host: Vec<u8>, flags: i32) -> Answer {
        let mut changes = vec![Change::Text(self.path, host)];
        changes.extend(self.flags_at.map(|at| Change::Number(at, flags as u32 as u64)));
        Answer::Changed(changes)
    }
}

pub(super) fn chdir(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (HERE, 0), 0)?;
    let stat = programs.stat(&found)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(Errno::NOTDIR);
    }
    if !programs.credentials(call)?.may(&stat, SEARCH) {
        return Err(Errno::ACCESS);
    }
    Ok(Answer::Changed(vec![Change::Text(0, root::path_of(&found)?)]))
}

/// Its own root is the only one that a program can have.
pub(super) fn chroot(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (HERE, 0), 0)?;
    let (stat, root) = (rustix::fs::fstat(&found)?, rustix::fs::fstat(programs.root.existing(b"/", true)?)?);
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(Errno::NOTDIR);
    }
    match programs.credentials(call)?.is_root() {
        true if (stat.st_dev, stat.st_ino) == (root.st_dev, root.st_ino) => DONE,
        true => programs.refuse(call, "another root (chroot)", Errno::PERM),
        false => Err(Errno::PERM),
    }
}

pub(super) fn getcwd(programs: &mut Programs, call: &Call) -> Reply {
    let host = programs.path_of_descriptor(call, HERE)?;
    let mut text = programs.root.inside(&host).filter(|path| !path.ends_with(b" (deleted)")).ok_or(Errno::NOENT)?;
    text.push(0);
    if text.len() as u64 > call.arguments[1] {
        return Err(Errno::RANGE);
    }
    call.write(0, &text)?;
    Ok(Answer::Value(text.len() as i64))
}

pub(super) fn inotify_add_watch(programs: &mut Programs, call: &Call) -> Reply {
    let no_follow = if call.arguments[2] as u32 & libc::IN_DONT_FOLLOW == 0 { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    let found = programs.found(call, (HERE, 1), no_follow)?;
    Ok(Answer::Changed(vec![Change::Text(1, root::path_of(&found)?)]))
}

pub(super) fn truncate(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (HERE, 0), 0)?;
    let stat = programs.stat(&found)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => return Err(Errno::ISDIR),
        FileType::RegularFile => {}
        _ => return Err(Errno::INVAL),
    }
    if !programs.credentials(call)?.may(&stat, WRITE) {
        return Err(Errno::ACCESS);
    }
    let file = rustix::fs::open(name_of(&found), OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    rustix::fs::ftruncate(file, call.arguments[1])?;
    DONE
}

pub(super) fn statfs(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (HERE, 0), 0)?;
    call.write(1, bytes_of(&rustix::fs::fstatfs(found)?))?;
    DONE
}
