//! Root for ordinary users: a user namespace in which rbuild itself, and with it every container, is user 0
//! (user_namespaces(7)).

use std::ffi::{CString, OsStr};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::OnceLock;

use rustix::thread::UnshareFlags;

use super::error::{SandboxError, Unsupported};
use super::{refusal, same_ids};

/// Which of the host's users and groups exist in the namespace.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum IdMapping {
    /// The user's own ID, as 0, and all subordinate ones.
    Full { users: u64, groups: u64 },
    /// Only the user's own ID, as 0: files can't be given to anyone else.
    Single { reason: String },
}

static ENTERED: OnceLock<IdMapping> = OnceLock::new();

/// Records the namespace that this process has inherited from the one that started it.
pub fn inherit(mapping: IdMapping) {
    // A namespace that it has entered itself takes precedence.
    let _ = ENTERED.set(mapping);
}

/// The mapping of the namespace that was entered; `None` if this process runs as it was started.
pub fn entered() -> Option<&'static IdMapping> {
    ENTERED.get()
}

static REFUSED: OnceLock<Unsupported> = OnceLock::new();

/// Why the kernel refused to create one.
pub fn refused() -> Option<&'static Unsupported> {
    REFUSED.get()
}

/// Becomes root of a new user namespace, with its own mount namespace. Must be called before there is a second thread.
pub fn enter() -> Result<&'static IdMapping, SandboxError> {
    if let Some(mapping) = ENTERED.get() {
        return Ok(mapping);
    }
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let is_root = rustix::process::geteuid().is_root();
    if let Some(reason) = is_root.then(same_ids::refused).flatten() {
        return Err(REFUSED.get_or_init(|| refusal::of_root(reason)).clone().into());
    }
    // They have to be outside of the namespace whose maps they write, so they start now and wait.
    let waiting = if is_root {
        same_ids::start()
    } else {
        Helpers::find(uid, gid).and_then(|helpers| helpers.start().map_err(|error| error.to_string()))
    };
    // SAFETY: unshare_unsafe warns about namespaces of descriptors and threads, which these flags don't touch; the
    // kernel itself refuses a new user namespace to a process with several threads.
    if let Err(errno) = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNS) } {
        if let Ok(waiting) = waiting {
            waiting.give_up();
        }
        let refusal = REFUSED.get_or_init(|| refusal::of_user_namespace(&errno.into()));
        return Err(refusal.clone().into());
    }
    let mapping = match waiting.and_then(Waiting::write_maps) {
        Ok(mapping) => mapping,
        Err(reason) => {
            let reason = refusal::of_helper(&reason, find_program("newuidmap").as_deref());
            write_single_maps(uid, gid)?;
            IdMapping::Single { reason }
        }
    };
    Ok(ENTERED.get_or_init(|| mapping))
}

/// Becomes root of the user namespace of another process of the same user, with its own mount namespace. Must be called
/// before there is a second thread.
pub(super) fn join(pid: i32) -> Result<&'static IdMapping, SandboxError> {
    let action = "join the user namespace of the store's other processes";
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let join = || -> io::Result<IdMapping> {
        let pid = rustix::process::Pid::from_raw(pid).filter(|pid| pid.as_raw_nonzero().get() > 0);
        let process =
            rustix::process::pidfd_open(pid.ok_or(io::ErrorKind::NotFound)?, rustix::process::PidfdFlags::empty())?;
        rustix::thread::move_into_thread_name_spaces(process.as_fd(), rustix::thread::ThreadNameSpaceType::USER)?;
        // SAFETY: as in `enter`; it only changes mounts.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?;
        let mapped = |path: &str| -> io::Result<u64> {
            let map = std::fs::read_to_string(path)?;
            Ok(map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok()).sum())
        };
        let (users, groups) = (mapped("/proc/self/uid_map")?, mapped("/proc/self/gid_map")?);
        Ok(match (users, groups) {
            (1, _) | (_, 1) => {
                // What prevents a full mapping now, or prevented it when the first process was started.
                let reason = match Helpers::find(uid, gid) {
                    Err(reason) => refusal::of_helper(&reason, find_program("newuidmap").as_deref()),
                    Ok(_) => "the containers that run were started when no other users could be mapped".to_owned(),
                };
                IdMapping::Single { reason }
            }
            _ => IdMapping::Full { users, groups },
        })
    };
    let mapping = join().map_err(|source| SandboxError::Start { action, source })?;
    Ok(ENTERED.get_or_init(|| mapping))
}

/// The commands that write the maps, if this machine has what they need.
struct Helpers {
    users: Command,
    groups: Command,
    counts: (u64, u64),
}

struct Command {
    name: &'static str,
    arguments: Vec<CString>,
}

impl Helpers {
    fn find(uid: u32, gid: u32) -> Result<Self, String> {
        let name = user_name(uid);
        let users = subordinate_ranges(Path::new("/etc/subuid"), &name, uid)?;
        let groups = subordinate_ranges(Path::new("/etc/subgid"), &name, uid)?;
        let count = |ranges: &[(u64, u64)]| 1 + ranges.iter().map(|(_, count)| count).sum::<u64>();
        Ok(Self {
            counts: (count(&users), count(&groups)),
            users: Command::new("newuidmap", uid, &users)?,
            groups: Command::new("newgidmap", gid, &groups)?,
        })
    }

    fn start(self) -> io::Result<Waiting> {
        let (users, groups) = self.counts;
        Waiting::start(IdMapping::Full { users, groups }, |start, go| {
            [&self.users, &self.groups].into_iter().map(|command| start_waiting(command, start, go)).collect()
        })
    }
}

impl Command {
    /// `newuidmap PID 0 OWN 1 1 START COUNT ...` (newuidmap(1)).
    fn new(name: &'static str, own: u32, ranges: &[(u64, u64)]) -> Result<Self, String> {
        let program = find_program(name).ok_or_else(|| format!("`{name}` is not installed (package uidmap)"))?;
        let mut words = vec![std::process::id().to_string(), "0".into(), own.to_string(), "1".into()];
        let mut inside = 1;
        for (start, count) in ranges {
            words.extend([inside.to_string(), start.to_string(), count.to_string()]);
            inside += count;
        }
        let program = CString::new(program.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
        let words = words.into_iter().map(|word| CString::new(word).map_err(|error| error.to_string()));
        let arguments = std::iter::once(Ok(program)).chain(words).collect::<Result<_, _>>()?;
        Ok(Self { name, arguments })
    }
}

/// Helpers that wait for the namespace.
pub(super) struct Waiting {
    go: OwnedFd,
    helpers: Vec<Helper>,
    mapping: IdMapping,
}

pub(super) struct Helper {
    name: &'static str,
    pid: i32,
    output: OwnedFd,
}

impl Waiting {
    /// Starts them by `begin`, which gets the read end of a pipe, from which each takes a byte, and the write end.
    pub(super) fn start(
        mapping: IdMapping,
        begin: impl FnOnce(&OwnedFd, &OwnedFd) -> Vec<io::Result<Helper>>,
    ) -> io::Result<Self> {
        let (start, go) = io::pipe()?.into_pair();
        let mut waiting = Self { helpers: Vec::new(), mapping, go };
        let mut failure = None;
        for helper in begin(&start, &waiting.go) {
            match helper {
                Ok(helper) => waiting.helpers.push(helper),
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            None => Ok(waiting),
            Some(error) => {
                waiting.give_up();
                Err(error)
            }
        }
    }

    fn write_maps(self) -> Result<IdMapping, String> {
        let Self { go, helpers, mapping } = self;
        // One byte for each of them.
        let told = std::fs::File::from(go).write_all(&[0, 0]);
        told.map_err(|error| error.to_string())?;
        let results: Vec<Result<(), String>> = helpers.into_iter().map(Helper::finish).collect();
        results.into_iter().collect::<Result<Vec<()>, String>>()?;
        Ok(mapping)
    }

    /// There will be no namespace: the helpers exit, because their pipe is closed.
    fn give_up(self) {
        drop(self.go);
        for helper in self.helpers {
            // It is expected to fail.
            let _ = helper.finish();
        }
    }
}

impl Helper {
    /// A child that prints its error into that pipe.
    pub(super) fn new(name: &'static str, pid: i32, output: OwnedFd) -> Self {
        Self { name, pid, output }
    }

    fn finish(self) -> Result<(), String> {
        let mut words = String::new();
        // Unreadable messages are not shown.
        let _ = std::fs::File::from(self.output).read_to_string(&mut words);
        let mut status = 0;
        // SAFETY: waitpid gets the PID of a child that only this function waits for, and a place for its status.
        let waited = unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
        if waited == self.pid && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 {
            return Ok(());
        }
        Err(format!("`{}` failed: {}", self.name, words.trim()))
    }
}

/// Forks a child that reads one byte from `start` and then executes the command. It exits if `go`, the other end, is
/// closed: so it must not hold that itself.
fn start_waiting(command: &Command, start: &OwnedFd, go: &OwnedFd) -> io::Result<Helper> {
    let (output, child_output) = io::pipe()?.into_pair();
    let mut pointers: Vec<_> = command.arguments.iter().map(|argument| argument.as_ptr()).collect();
    pointers.push(ptr::null());
    // SAFETY: the child makes system calls only (signal-safety(7)) on data that was prepared before: `pointers` ends
    // with a null and points into `command`, of which it has its own copy.
    let pid = unsafe {
        let pid = libc::fork();
        if pid == 0 {
            let mut byte = 0u8;
            libc::close(go.as_raw_fd());
            let told = libc::read(start.as_raw_fd(), (&raw mut byte).cast(), 1);
            libc::dup2(child_output.as_raw_fd(), 2);
            if told == 1 {
                let environment = [ptr::null()];
                libc::execve(pointers[0], pointers.as_ptr(), environment.as_ptr());
            }
            libc::_exit(127);
        }
        pid
    };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Helper { name: command.name, pid, output })
}

/// Maps the process's own IDs, which every process may do. setgroups has to be denied for that.
fn write_single_maps(uid: u32, gid: u32) -> Result<(), SandboxError> {
    let write = |path: &str, text: &str| match std::fs::write(path, text) {
        // A helper wrote this one before another failed, or the kernel is older than `setgroups`.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_mapped(path) => Ok(()),
        result => result.map_err(|source| SandboxError::Start { action: "map the own user", source }),
    };
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("0 {uid} 1"))?;
    write("/proc/self/gid_map", &format!("0 {gid} 1"))
}

fn is_mapped(path: &str) -> bool {
    path.ends_with("setgroups") || std::fs::read(path).is_ok_and(|map| !map.is_empty())
}

/// The user's lines of `/etc/subuid` or `/etc/subgid`: the first ID and count of each (subuid(5)).
fn subordinate_ranges(path: &Path, name: &str, uid: u32) -> Result<Vec<(u64, u64)>, String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let ranges = parse_ranges(&text, name, uid);
    if ranges.is_empty() {
        return Err(format!(
            "`{}` gives {name} no subordinate IDs (an administrator can: usermod --add-subuids 100000-165535 \
             --add-subgids 100000-165535 {name})",
            path.display()
        ));
    }
    Ok(ranges)
}

pub(super) fn parse_ranges(text: &str, name: &str, uid: u32) -> Vec<(u64, u64)> {
    let number = uid.to_string();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let owner = fields.next()?;
            let range = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            (owner == name || owner == number).then_some(range)
        })
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// The user's name in the host's `/etc/passwd`; `$USER` if users are defined elsewhere.
fn user_name(uid: u32) -> String {
    let text = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let known = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    known.or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| uid.to_string())
}

fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsStr::new("/usr/bin:/bin").to_owned());
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Both ends of a pipe as plain descriptors.
trait IntoPair {
    fn into_pair(self) -> (OwnedFd, OwnedFd);
}

impl IntoPair for (io::PipeReader, io::PipeWriter) {
    fn into_pair(self) -> (OwnedFd, OwnedFd) {
        (self.0.into(), self.1.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_one_user() {
        let text = "root:1:5\nann:100000:65536\n1000:200000:10\nann:300000:0\nbroken\nanna:5:5\n";
        assert_eq!(parse_ranges(text, "ann", 1000), [(100_000, 65_536), (200_000, 10)]);
        assert_eq!(parse_ranges(text, "bob", 1001), []);
    }
}
