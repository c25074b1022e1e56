//! A container's resource usage: from its cgroups, or summed over its processes if it has none.

use std::collections::BTreeMap;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::processes;
use crate::container::sandbox::resources::Resources;

/// Totals since the container's start, except memory and processes, which are current.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    /// Nanoseconds of CPU time.
    pub processor: u64,
    /// Bytes, without reclaimable page cache.
    pub memory: u64,
    /// Bytes; `None` for no limit.
    pub memory_limit: Option<u64>,
    /// What the kernel only keeps, in bytes.
    pub memory_kept: u64,
    /// What memory is used for, in the kernel's words.
    pub memory_details: BTreeMap<String, u64>,
    pub processes: u64,
    /// Bytes from and to block devices.
    pub block_read: u64,
    pub block_written: u64,
    /// Bytes through its network interfaces, except loopback.
    pub received: u64,
    pub sent: u64,
}

impl Usage {
    /// The most memory that it can have, in bytes: its limit, or all of the machine's.
    pub fn most_memory(&self) -> u64 {
        let all = machine_memory();
        self.memory_limit.filter(|limit| *limit < all).unwrap_or(all)
    }
}

pub fn machine_memory() -> u64 {
    let info = rustix::system::sysinfo();
    u64::from(info.mem_unit.max(1)).saturating_mul(info.totalram)
}

/// The usage of the container with these cgroups, whose first process has that PID on the host.
pub fn usage(cgroups: &[String], pid: i32) -> Usage {
    let directories: Vec<PathBuf> = cgroups.iter().map(PathBuf::from).collect();
    let find = |name: &str| directories.iter().map(|directory| directory.join(name)).find(|path| path.exists());
    let number = |name: &str| find(name).and_then(|path| read_to_string(path).ok()?.trim().parse::<u64>().ok());
    let mut usage = of_processes(pid);
    let field = |name: &str, key: &str| find(name).and_then(|path| field_of(&read_to_string(path).ok()?, key));
    if let Some(nanoseconds) = number("cpuacct.usage") {
        usage.processor = nanoseconds;
    } else if let Some(microseconds) = field("cpu.stat", "usage_usec") {
        usage.processor = microseconds * 1000;
    }
    let memory = number("memory.current").or_else(|| number("memory.usage_in_bytes"));
    if let Some(memory) = memory {
        let kept = field("memory.stat", "total_inactive_file").or_else(|| field("memory.stat", "inactive_file"));
        usage.memory = memory.saturating_sub(kept.unwrap_or(0));
        usage.memory_kept = memory - usage.memory;
    }
    let details = find("memory.stat").and_then(|path| read_to_string(path).ok()).unwrap_or_default();
    let detail = |line: &str| line.split_once(' ').and_then(|(key, value)| Some((key.to_owned(), value.parse().ok()?)));
    usage.memory_details = details.lines().filter_map(detail).collect();
    usage.memory_limit = number("memory.max").or_else(|| number("memory.limit_in_bytes"));
    if let Some(count) = number("pids.current") {
        usage.processes = count;
    }
    if let Some(text) = find("io.stat").and_then(|path| read_to_string(path).ok()) {
        (usage.block_read, usage.block_written) = (sum(&text, "rbytes="), sum(&text, "wbytes="));
    } else if let Some(path) = find("blkio.throttle.io_service_bytes_recursive") {
        let text = read_to_string(path).unwrap_or_default();
        (usage.block_read, usage.block_written) = (legacy_sum(&text, "Read"), legacy_sum(&text, "Write"));
    }
    (usage.received, usage.sent) = network(&read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default());
    usage
}

/// Takes what cgroups have counted for a program that has ended (cgroup-v2.rst; cpuacct.rst, memory.rst,
/// blkio-controller.rst).
pub(super) fn add_to(resources: &mut Resources, directories: &[PathBuf]) {
    let text = |name: &str| directories.iter().find_map(|directory| read_to_string(directory.join(name)).ok());
    let number = |name: &str| text(name)?.trim().parse::<u64>().ok();
    let processor = |name: &str, [user, system]: [&str; 2], unit: u64| {
        let text = text(name)?;
        let time = |key: &str| Some(Duration::from_micros(field_of(&text, key)?.saturating_mul(unit)));
        Some((time(user)?, time(system)?))
    };
    let tick = 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
    let counted = processor("cpu.stat", ["user_usec", "system_usec"], 1)
        .or_else(|| processor("cpuacct.stat", ["user", "system"], tick));
    if let Some((user, system)) = counted.filter(|(user, system)| *user + *system > Duration::ZERO) {
        (resources.user, resources.system) = (user, system);
    }
    if let Some(peak) = number("memory.peak").or_else(|| number("memory.max_usage_in_bytes")) {
        (resources.peak_memory, resources.is_bound) = (peak, false);
    }
    if let Some(text) = text("io.stat").filter(|text| !text.trim().is_empty()) {
        (resources.read, resources.written) = (sum(&text, "rbytes="), sum(&text, "wbytes="));
    } else if let Some(text) = text("blkio.throttle.io_service_bytes_recursive") {
        (resources.read, resources.written) = (legacy_sum(&text, "Read"), legacy_sum(&text, "Write"));
    }
}

fn of_processes(pid: i32) -> Usage {
    let mut usage = Usage::default();
    let tick = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
    let page = rustix::param::page_size() as u64;
    for pid in processes(pid) {
        let folder = Path::new("/proc").join(pid.to_string());
        let read = |name: &str| read_to_string(folder.join(name)).unwrap_or_default();
        let stat = read("stat");
        let fields: Vec<u64> = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace().skip(11).take(2).filter_map(|word| word.parse().ok()).collect())
            .unwrap_or_default();
        usage.processor += fields.iter().sum::<u64>() * tick;
        let statm = read("statm");
        let pages = |index: usize| statm.split(' ').nth(index).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        // Resident memory, without shared pages.
        usage.memory += pages(1).saturating_sub(pages(2)) * page;
        usage.processes += 1;
        let io = read("io");
        usage.block_read += field_of(&io, "read_bytes:").unwrap_or(0);
        usage.block_written += field_of(&io, "write_bytes:").unwrap_or(0);
    }
    usage
}

fn field_of(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

fn sum(text: &str, key: &str) -> u64 {
    text.split_whitespace().filter_map(|word| word.strip_prefix(key)?.parse::<u64>().ok()).sum()
}

/// `8:0 Read 4096`
fn legacy_sum(text: &str, action: &str) -> u64 {
    let of = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.get(1) == Some(&action)).then(|| words.get(2)?.parse::<u64>().ok()).flatten()
    };
    text.lines().filter_map(of).sum()
}

/// proc_pid_net(5), `dev`: the first number is the bytes received, the ninth the bytes sent.
pub(in crate::container::sandbox) fn network(text: &str) -> (u64, u64) {
    let mut total = (0, 0);
    for (name, rest) in text.lines().filter_map(|line| line.split_once(':')) {
        let numbers: Vec<u64> = rest.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        if name.trim() != "lo" && numbers.len() > 8 {
            total = (total.0 + numbers[0], total.1 + numbers[8]);
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_kernel() {
        assert_eq!(field_of("usage_usec 12\nuser_usec 3\n", "usage_usec"), Some(12));
        assert_eq!(sum("8:0 rbytes=5 wbytes=6\n8:1 rbytes=7\n", "rbytes="), 12);
        assert_eq!(legacy_sum("8:0 Read 4\n8:0 Write 5\nTotal 9\n", "Write"), 5);
        let text = "head\n lo: 9 0 0 0 0 0 0 0 9 0\neth0: 1 0 0 0 0 0 0 0 2 0 0\n";
        assert_eq!(network(text), (1, 2));
    }

    #[test]
    fn a_process_uses_something() {
        let usage = usage(&[], std::process::id() as i32);
        assert!(usage.memory > 0 && usage.processes > 0 && usage.memory_limit.is_none());
    }
}
