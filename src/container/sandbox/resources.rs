//! The resources that a program used: according to its cgroup if it had one, or else to the kernel's count for its
//! processes (getrusage(2)); and the bytes that its network transferred meanwhile.

use std::time::Duration;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// CPU time in user mode, and in the kernel.
    pub user: Duration,
    pub system: Duration,
    /// In bytes: of all processes together if there was a cgroup, or else of the largest process.
    pub peak_memory: u64,
    /// Only an upper bound: the kernel includes what rbuild itself used before it executed the program.
    pub is_bound: bool,
    /// Bytes from and to block devices.
    pub read: u64,
    pub written: u64,
    /// Bytes that the program's network received and sent while it ran. Others may share the network.
    pub network: Option<(u64, u64)>,
}
