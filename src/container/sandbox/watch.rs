//! Measures what a program uses: takes counters at its start, and again when it has ended.

use std::fs::File;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use super::cgroup::{Cgroup, network_bytes};
use super::error::SandboxError;
use super::resources::Resources;
use super::running::ExitStatus;

/// The unit of `ru_inblock` and `ru_oublock`.
const BLOCK: u64 = 512;
/// The size limit of a container's `/proc/PID/net/dev`.
const DEVICES_BYTES: usize = 16 << 10;

/// The counters at the program's start.
#[derive(Debug)]
pub(super) struct Watch {
    /// The open file keeps referring to the network, even if no process is left in it.
    network: Option<(File, (u64, u64))>,
    /// How many processes the OOM killer has killed, on the whole machine.
    kills: Option<u64>,
    /// The peak memory of this process in bytes: its children inherit that.
    own_peak: u64,
}

impl Watch {
    pub(super) fn begin(pid: i32, has_network: bool) -> Self {
        let network = has_network.then(|| File::open(format!("/proc/{pid}/net/dev")).ok()).flatten();
        let own_peak = usage_of_self().ru_maxrss;
        Self {
            network: network.and_then(|file| bytes_of(&file).map(|bytes| (file, bytes))),
            kills: kills(),
            own_peak: kibibytes(own_peak),
        }
    }

    /// Whether the OOM killer has killed something since, and this program ended as if it was the victim.
    pub(super) fn was_out_of_memory(&self, status: ExitStatus) -> bool {
        const KILLED: u8 = 128 + 9;
        status.code() == KILLED && self.kills.zip(kills()).is_some_and(|(before, now)| now > before)
    }

    pub(super) fn end(&self, counted: &libc::rusage, cgroup: Option<&Cgroup>) -> Resources {
        let own = kibibytes(counted.ru_maxrss);
        let network = self.network.as_ref().and_then(|(file, (received, sent))| {
            let now = bytes_of(file)?;
            Some((now.0.saturating_sub(*received), now.1.saturating_sub(*sent)))
        });
        let mut resources = Resources {
            user: duration(counted.ru_utime),
            system: duration(counted.ru_stime),
            peak_memory: own,
            is_bound: own <= self.own_peak,
            read: u64::try_from(counted.ru_inblock).unwrap_or(0) * BLOCK,
            written: u64::try_from(counted.ru_oublock).unwrap_or(0) * BLOCK,
            network,
        };
        if let Some(cgroup) = cgroup {
            cgroup.add_to(&mut resources);
        }
        resources
    }
}

fn bytes_of(file: &File) -> Option<(u64, u64)> {
    let mut buffer = vec![0; DEVICES_BYTES];
    let count = file.read_at(&mut buffer, 0).ok()?;
    Some(network_bytes(&String::from_utf8_lossy(&buffer[..count])))
}

/// `oom_kill` of proc_vmstat(5).
fn kills() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/vmstat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

fn kibibytes(count: libc::c_long) -> u64 {
    u64::try_from(count).unwrap_or(0) << 10
}

fn duration(time: libc::timeval) -> Duration {
    let microseconds = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0)) + Duration::from_micros(microseconds)
}

fn usage_of_self() -> libc::rusage {
    // SAFETY: getrusage fills the structure, and all zeros are valid for it.
    unsafe {
        let mut usage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    }
}

/// Waits for a child's end, and returns the usage of it and of all children that it waited for. Only the kernel's own
/// waitid returns that, not the C library's.
pub(super) fn wait(child: BorrowedFd<'_>) -> Result<(ExitStatus, libc::rusage), SandboxError> {
    loop {
        // SAFETY: both structures are plain data, for which zeros are valid, and the call writes only to them.
        let (outcome, information, usage) = unsafe {
            let mut information: libc::siginfo_t = std::mem::zeroed();
            let mut usage: libc::rusage = std::mem::zeroed();
            let pidfd = child.as_raw_fd();
            let outcome =
                libc::syscall(libc::SYS_waitid, libc::P_PIDFD, pidfd, &mut information, libc::WEXITED, &mut usage);
            (outcome, information, usage)
        };
        let error = std::io::Error::last_os_error();
        if outcome == 0 {
            // SAFETY: for a child that has ended, the structure contains its status.
            let status = unsafe { information.si_status() };
            let status = match information.si_code {
                libc::CLD_EXITED => ExitStatus::Code(status as u8),
                _ => ExitStatus::Signal(status),
            };
            return Ok((status, usage));
        }
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(SandboxError::Start { action: "wait for the container", source: error });
        }
    }
}
