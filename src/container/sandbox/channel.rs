//! The socket between rbuild and a container's init: the container goes one way, reports come back the other.
//!
//! It is closed when the program starts, so the end of the stream says that all went well.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::CapabilitySet;
use super::container::{Container, Process};
use super::error::InitError;
use super::ids::IdRanges;
use super::os_bytes;
use super::without::Without;

/// The descriptor that the init finds it at.
pub(super) const CHANNEL_FD: i32 = 3;
/// The descriptor of a network namespace, or of a container's process, to join.
pub(super) const NETWORK_FD: i32 = 4;
/// The descriptor of the container's user namespace, where that is not this process's.
pub(super) const USERS_FD: i32 = 5;

/// More than any message; a length beyond it is no message of ours.
const MOST_BYTES: usize = 256 << 20;

/// What the program that was executed as the init is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// To be the first process of a new container.
    Start(Box<Launch>),
    /// To start a program without namespaces.
    StartInChroot(Box<ChrootLaunch>),
    /// The same, without any rights.
    StartEmulated(Box<ChrootLaunch>),
    /// To be one more process of a container that runs.
    Enter(Box<Entrance>),
    /// To the first process, which waits for it when all is mounted: what the program needs beside its files is there.
    GoOn,
}

/// A program whose root is a folder.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChrootLaunch {
    pub(super) container: Container,
    /// As many of them as rbuild has itself.
    pub(super) capabilities: CapabilitySet,
    pub(super) seccomp: Option<Vec<u64>>,
    /// A filter beside that one.
    pub(super) narrowing: Option<Vec<u64>>,
    /// It is one more program in such a root, and ends with the first one: a process of that one's is at [`NETWORK_FD`], and
    /// at [`USERS_FD`] a lock that is let go when all is over.
    pub(super) is_guest: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entrance {
    /// Of a process of the container, as the host numbers it.
    pub(super) pid: i32,
    pub(super) process: Process,
    pub(super) capabilities: CapabilitySet,
    pub(super) no_new_privileges: bool,
    pub(super) seccomp: Option<Vec<u64>>,
    pub(super) apparmor: Option<String>,
    /// What its users are on the host, where they are not the host's.
    pub(super) ids: Option<IdRanges>,
    /// It is kept from abstract sockets outside of the container.
    pub(super) scopes_sockets: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Launch {
    pub(super) container: Container,
    /// No program is executed: the container is there until the channel is closed.
    pub(super) hold: bool,
    pub(super) seccomp: Option<Vec<u64>>,
    pub(super) network: NetworkAction,
    /// What its users are on the host, where they are not the host's.
    pub(super) ids: Option<IdRanges>,
    /// It is kept from abstract sockets outside of the container.
    pub(super) scopes_sockets: bool,
    /// Mounted at `/sys/fs/cgroup`: nothing, the one hierarchy of version 2, or version 1's controllers.
    pub(super) cgroups: CgroupMounts,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum NetworkAction {
    /// The namespace is new: its loopback interface has to be switched on.
    Fresh,
    Keep,
    Join,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum CgroupMounts {
    None,
    Unified,
    /// Controllers, or `name=...`, of each hierarchy, such as `cpu,cpuacct`.
    Legacy(Vec<String>),
}

/// What the init tells.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The other end of the program's terminal comes with it.
    Terminal,
    /// The process that enters a container, as the host numbers it; the one that was started ends.
    Entered {
        pid: i32,
    },
    /// All is mounted, and these had to be made for it. The first process waits for [`Order::GoOn`].
    Mounted {
        created: Vec<CreatedMountPoint>,
        without: Vec<Without>,
    },
    /// What it has to do without, beside what is known already.
    Without(Vec<Without>),
    /// The folder that takes the program's changes comes with it: they are in memory, and rbuild's to keep.
    Scratch,
    /// All is prepared, and these were made since; the program is executed next.
    Ready {
        created: Vec<CreatedMountPoint>,
    },
    Failed(InitError),
}

/// A file or folder that had to be made in the root filesystem to mount something there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedMountPoint {
    /// Within the root filesystem, without a leading slash.
    #[serde(with = "os_bytes")]
    pub path: PathBuf,
    pub is_directory: bool,
    /// The modification time of the folder around it before: seconds since 1970, and nanoseconds.
    pub parent_modified: (i64, u32),
    /// Device and inode of what was made, as the folder that keeps changes has it: nothing else is taken away that has its
    /// name later.
    #[serde(default)]
    pub identity: Option<(u64, u64)>,
}

#[derive(Debug)]
pub(super) struct Channel(Option<UnixStream>);

impl Channel {
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((Self(Some(ours)), theirs.into()))
    }

    pub(super) fn from_fd(fd: OwnedFd) -> Self {
        Self(Some(fd.into()))
    }

    pub(super) fn send<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        let bytes = postcard::to_stdvec(message).map_err(io::Error::other)?;
        let mut frame = (bytes.len() as u32).to_le_bytes().to_vec();
        frame.extend(bytes);
        self.stream()?.write_all(&frame)
    }

    /// Sends a report of [`Report::Terminal`] together with the terminal.
    pub(super) fn send_terminal(&mut self, terminal: &OwnedFd) -> io::Result<()> {
        self.send_descriptor(&Report::Terminal, terminal)
    }

    /// The same of [`Report::Scratch`] and the folder.
    pub(super) fn send_scratch(&mut self, folder: &OwnedFd) -> io::Result<()> {
        self.send_descriptor(&Report::Scratch, folder)
    }

    fn send_descriptor(&mut self, report: &Report, descriptor: &OwnedFd) -> io::Result<()> {
        self.send(report)?;
        let descriptors = [descriptor.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        rustix::net::sendmsg(self.stream()?, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    pub(super) fn receive_descriptor(&mut self) -> io::Result<OwnedFd> {
        receive_descriptor(self.stream()?)
    }

    /// Whether the other side is gone.
    pub(super) fn is_abandoned(&self) -> bool {
        let Some(stream) = &self.0 else { return true };
        let mut events = [PollFd::new(stream, PollFlags::empty())];
        let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut events, Some(&now)).is_ok() && events[0].revents().contains(PollFlags::HUP)
    }

    /// Lets go of this side.
    pub(super) fn close(&mut self) {
        self.0 = None;
    }

    fn stream(&self) -> io::Result<&UnixStream> {
        self.0.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// The next message; nothing when the other side has closed the channel.
    pub(super) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut length = [0; 4];
        match self.stream()?.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            // The init died with a message unread.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(error),
        }
        let length = u32::from_le_bytes(length) as usize;
        if length > MOST_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; length];
        self.stream()?.read_exact(&mut bytes)?;
        postcard::from_bytes(&bytes).map(Some).map_err(io::Error::other)
    }
}

/// Takes the descriptor that comes with the next bytes (unix(7), `SCM_RIGHTS`).
pub fn receive_descriptor(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let flags = RecvFlags::CMSG_CLOEXEC;
    rustix::net::recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut control, flags)?;
    let mut descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    descriptors.next().and_then(|mut found| found.next()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
