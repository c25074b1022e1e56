//! What a container has to do without if rbuild itself has fewer rights than root of a machine.

use serde::{Deserialize, Serialize};

/// The container's init records each of them when the kernel refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Without {
    /// Changes are kept in memory while the program runs, and are stored when it has ended.
    LastingChanges,
    HostName,
    /// It sees the `/proc` of its surroundings.
    OwnProc,
    PivotRoot,
    /// The loopback interface of its network is down.
    Loopback,
}

impl Without {
    /// For the user: the restriction, and how to avoid it.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::LastingChanges => {
                "the store is on a filesystem that overlayfs can't write to, such as a container's own: what programs \
                 write takes memory (half of it at most) until they end; a volume for the store avoids that"
            }
            Self::HostName => {
                "programs see the host name of what rbuild runs in, because setting one is forbidden here"
            }
            Self::OwnProc => {
                "programs see the `/proc` of what rbuild runs in, because mounting one is forbidden here (in Docker, \
                 `--security-opt systempaths=unconfined` allows it)"
            }
            Self::PivotRoot => {
                "programs get their root by chroot, because pivot_root is forbidden here (in Docker, \
                 `--security-opt seccomp=unconfined` allows it)"
            }
            Self::Loopback => "the loopback interface of programs is off, because CAP_NET_ADMIN is missing here",
        }
    }
}
