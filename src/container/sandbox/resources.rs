//! What a program that has ended used: by its cgroup where it had one, or else by what the kernel counted of its processes
//! (getrusage(2)), and the bytes that went through its network meanwhile.

use std::time::Duration;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// Processor time of the program, and of the kernel for it.
    pub user: Duration,
    pub system: Duration,
    /// Bytes: of all processes together, as their cgroup has it, or else of the largest one.
    pub peak_memory: u64,
    /// It was no more than that: the kernel counts what rbuild itself had before it executed the program.
    pub is_bound: bool,
    /// Bytes from and to block devices.
    pub read: u64,
    pub written: u64,
    /// Bytes that the network which the program was in received and sent while it ran. Others may be in it.
    pub network: Option<(u64, u64)>,
}
