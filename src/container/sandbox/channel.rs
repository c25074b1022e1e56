//! The socket between rbuild and a container's init: the container is sent one way, reports come back the other way.
//!
//! It is closed when the program is executed, so the end of the stream means success.

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

/// The init's descriptor of the channel.
pub(super) const CHANNEL_FD: i32 = 3;
/// A network namespace, or a process of a container, to join.
pub(super) const NETWORK_FD: i32 = 4;
/// The container's user namespace, if it differs from this process's.
pub(super) const USERS_FD: i32 = 5;

/// The size limit of a message.
const MOST_BYTES: usize = 256 << 20;

/// A request to the init.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Be the first process of a new container.
    Start(Box<Launch>),
    /// Start a program without namespaces.
    StartInChroot(Box<ChrootLaunch>),
    /// The same without any rights.
    StartEmulated(Box<ChrootLaunch>),
    /// Be another process of a running container.
    Enter(Box<Entrance>),
    /// Sent to the first process, which waits after mounting, once everything else that the program needs is ready.
    GoOn,
}

/// A program with a folder as its root.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChrootLaunch {
    pub(super) container: Container,
    /// Only those that rbuild has itself.
    pub(super) capabilities: CapabilitySet,
    pub(super) seccomp: Option<Vec<u64>>,
    /// Another filter in addition.
    pub(super) narrowing: Option<Vec<u64>>,
    /// Another program in the root of a running one, with which it ends: [`NETWORK_FD`] is a process of that one, and
    /// [`USERS_FD`] a lock that is released when the last process is gone.
    pub(super) is_guest: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entrance {
    /// A process of the container; its PID on the host.
    pub(super) pid: i32,
    pub(super) process: Process,
    pub(super) capabilities: CapabilitySet,
    pub(super) no_new_privileges: bool,
    pub(super) seccomp: Option<Vec<u64>>,
    pub(super) apparmor: Option<String>,
    /// The host IDs of its users, if it has a user namespace of its own.
    pub(super) ids: Option<IdRanges>,
    /// It can't reach abstract sockets outside of the container.
    pub(super) scopes_sockets: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Launch {
    pub(super) container: Container,
    /// No program is executed: the container exists until the channel is closed.
    pub(super) hold: bool,
    pub(super) seccomp: Option<Vec<u64>>,
    pub(super) network: NetworkAction,
    /// The host IDs of its users, if it has a user namespace of its own.
    pub(super) ids: Option<IdRanges>,
    /// It can't reach abstract sockets outside of the container.
    pub(super) scopes_sockets: bool,
    /// What is mounted at `/sys/fs/cgroup`: nothing, the cgroup2 hierarchy, or the controllers of cgroup v1.
    pub(super) cgroups: CgroupMounts,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum NetworkAction {
    /// The namespace is new: its loopback interface has to be brought up.
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

/// A report of the init.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The master side of the program's terminal is attached.
    Terminal,
    /// The PID on the host of the process that has entered a container; the process that was started ends.
    Entered {
        pid: i32,
    },
    /// Everything is mounted, and these mount points were created for it. The first process waits for [`Order::GoOn`].
    Mounted {
        created: Vec<CreatedMountPoint>,
        without: Vec<Without>,
    },
    /// What it has to do without, in addition to what is known already.
    Without(Vec<Without>),
    /// The folder with the program's changes is attached. They are in memory; rbuild has to store them.
    Scratch,
    /// Everything is ready, and these were created since; the program is executed next.
    Ready {
        created: Vec<CreatedMountPoint>,
    },
    Failed(InitError),
}

/// A file or folder that was created in the root filesystem as a mount point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedMountPoint {
    /// Within the root filesystem, without a leading slash.
    #[serde(with = "os_bytes")]
    pub path: PathBuf,
    pub is_directory: bool,
    /// The previous modification time of its parent folder: seconds since 1970, and nanoseconds.
    pub parent_modified: (i64, u32),
    /// Device and inode of what was created, in the upper folder: anything else that has its name later is not removed.
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

    /// Sends [`Report::Terminal`] with the terminal.
    pub(super) fn send_terminal(&mut self, terminal: &OwnedFd) -> io::Result<()> {
        self.send_descriptor(&Report::Terminal, terminal)
    }

    /// Sends [`Report::Scratch`] with the folder.
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

    /// Whether the peer is gone.
    pub(super) fn is_abandoned(&self) -> bool {
        let Some(stream) = &self.0 else { return true };
        let mut events = [PollFd::new(stream, PollFlags::empty())];
        let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut events, Some(&now)).is_ok() && events[0].revents().contains(PollFlags::HUP)
    }

    /// Closes this side.
    pub(super) fn close(&mut self) {
        self.0 = None;
    }

    fn stream(&self) -> io::Result<&UnixStream> {
        self.0.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// The next message; `None` if the peer has closed the channel.
    pub(super) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut length = [0; 4];
        match self.stream()?.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            // The init died without reading a message.
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

/// Receives the descriptor that is attached to the next bytes (unix(7), `SCM_RIGHTS`).
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
