//! Clients that wait for a container's start: to be attached before its program prints anything, or to learn its end.
//!
//! ```text
//! containers/<id>/pending/<what>-<random>   a socket on which a client listens
//! ```
//!
//! The monitor connects to all of them before it starts the program. Whoever removes the socket's name decides: if that
//! is the monitor, the client has a connection; if it is the client, the monitor drops it.

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify;

use super::directory::Entry;
use super::error::ContainerError;
use super::exec_ids::new_exec_id;
use super::protocol::Attach;
use super::socket;
use crate::base::io_error::AtPath;

const FOLDER: &str = "pending";

/// What a client wants from a container that does not run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wish {
    Attach(Attach),
    /// To be told how the program ended.
    Exit,
}

/// What else ends a wait.
#[derive(Clone, Copy)]
pub struct Cancel<'a> {
    pub(super) descriptor: BorrowedFd<'a>,
    pub(super) flags: PollFlags,
}

impl<'a> Cancel<'a> {
    /// When it becomes readable.
    pub fn readable(descriptor: BorrowedFd<'a>) -> Self {
        Self { descriptor, flags: PollFlags::IN }
    }

    /// When the peer is gone altogether, not just its sending side.
    pub fn closed(descriptor: BorrowedFd<'a>) -> Self {
        Self { descriptor, flags: PollFlags::empty() }
    }
}

/// A waiting client.
pub(super) struct Pending {
    listener: UnixListener,
    path: PathBuf,
    removal: Removal,
}

/// The outcome of waiting.
pub(super) enum Waited {
    /// A connection to the container's monitor, before its program runs.
    Started(UnixStream),
    Removed,
    Cancelled,
}

impl Pending {
    /// `None` if the container runs by now: then its monitor can be asked.
    pub(super) fn register(entry: &Entry, wish: Wish) -> Result<Option<Self>, ContainerError> {
        let folder = entry.folder().join(FOLDER);
        let removal = Removal::watch(entry)?;
        std::fs::create_dir_all(&folder).at("create", &folder)?;
        let name = format!("{}-{}", wish.encode(), &new_exec_id()?[..16]);
        let handle = socket::open(&folder)?;
        let listener = UnixListener::bind(format!("/proc/self/fd/{}/{name}", handle.as_raw_fd()));
        let pending = Self { listener: listener.at("listen in", &folder)?, path: folder.join(name), removal };
        let is_running = Entry::open(entry.folder().to_owned())?.is_some_and(|now| now.is_running);
        // If the name is gone, the monitor has taken it and will connect.
        Ok(Some(pending).filter(|pending| !is_running || std::fs::remove_file(&pending.path).is_err()))
    }

    /// Waits until the container is started or removed, or until `cancel`.
    pub(super) fn wait(self, cancel: Cancel<'_>) -> Result<Waited, ContainerError> {
        let listener = self.listener.as_fd();
        let waited = wait_for_one(&[Cancel::readable(listener), Cancel::readable(self.removal.as_fd()), cancel])?;
        if waited == 0 {
            // The monitor removes the name, which confirms the connection.
            let (stream, _) = self.listener.accept().at("accept", &self.path)?;
            return Ok(Waited::Started(stream));
        }
        // If it is gone already, the monitor has connected to a client that no longer waits.
        let _ = std::fs::remove_file(&self.path);
        Ok(if waited == 1 { Waited::Removed } else { Waited::Cancelled })
    }
}

/// Takes the clients that wait for the container. Called by its monitor, which holds its lock.
pub(super) fn take(entry: &Entry) -> Vec<(Wish, UnixStream)> {
    let folder = entry.folder().join(FOLDER);
    let mut taken = Vec::new();
    let Ok(handle) = socket::open(&folder) else { return taken };
    for file in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        let name = file.file_name();
        let wish = name.to_str().and_then(Wish::decode);
        let stream = UnixStream::connect(format!("/proc/self/fd/{}/{}", handle.as_raw_fd(), name.display()));
        // A socket without a listener was left behind by a process that was killed.
        let is_ours = std::fs::remove_file(file.path()).is_ok();
        if let (Some(wish), Ok(stream), true) = (wish, stream, is_ours) {
            taken.push((wish, stream));
        }
    }
    taken
}

impl Wish {
    fn encode(self) -> String {
        match self {
            Self::Attach(attach) => {
                let letter = |is: bool, letter: &'static str| if is { letter } else { "" };
                format!(
                    "attach.{}{}{}",
                    letter(attach.stdin, "i"),
                    letter(attach.stdout, "o"),
                    letter(attach.stderr, "e")
                )
            }
            Self::Exit => "exit".to_owned(),
        }
    }

    fn decode(name: &str) -> Option<Self> {
        let (wish, _) = name.split_once('-')?;
        match wish.strip_prefix("attach.") {
            Some(streams) => {
                let has = |letter: char| streams.contains(letter);
                Some(Self::Attach(Attach { stdin: has('i'), stdout: has('o'), stderr: has('e'), size: None }))
            }
            None => (wish == "exit").then_some(Self::Exit),
        }
    }
}

/// Watches for the removal of a container's folder, which starts by renaming it.
pub(super) struct Removal(OwnedFd);

impl Removal {
    pub(super) fn watch(entry: &Entry) -> Result<Self, ContainerError> {
        let path = entry.folder();
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC).at("watch", path)?;
        let flags = inotify::WatchFlags::MOVE_SELF | inotify::WatchFlags::DELETE_SELF;
        inotify::add_watch(&watch, path, flags).at("watch", path)?;
        Ok(Self(watch))
    }

    /// False if `cancel` came first.
    pub(super) fn wait(&self, cancel: Cancel<'_>) -> Result<bool, ContainerError> {
        Ok(wait_for_one(&[Cancel::readable(self.as_fd()), cancel])? == 0)
    }
}

impl AsFd for Removal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The index of the first one that is ready.
pub(super) fn wait_for_one(sources: &[Cancel<'_>]) -> Result<usize, ContainerError> {
    let mut polled: Vec<PollFd<'_>> =
        sources.iter().map(|source| PollFd::from_borrowed_fd(source.descriptor, source.flags)).collect();
    loop {
        match poll(&mut polled, None) {
            Err(rustix::io::Errno::INTR) => continue,
            polled => polled.at("wait for", "the container")?,
        };
        if let Some(at) = polled.iter().position(|source| !source.revents().is_empty()) {
            return Ok(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_names() {
        let attach = Attach { stdin: true, stdout: false, stderr: true, size: None };
        let Some(Wish::Attach(read)) = Wish::decode(&format!("{}-x", Wish::Attach(attach).encode())) else { panic!() };
        assert_eq!((read.stdin, read.stdout, read.stderr), (true, false, true));
        assert!(matches!(Wish::decode("exit-0"), Some(Wish::Exit)));
        assert!(Wish::decode("nonsense-0").is_none() && Wish::decode("exit").is_none());
    }
}
