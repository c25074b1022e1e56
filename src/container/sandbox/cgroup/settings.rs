//! Limits → the cgroup files to which they are written.

use std::io::ErrorKind;
use std::path::Path;

use rustix::fs::Access;

use super::hierarchy::CgroupVersion;
use crate::container::sandbox::error::SandboxError;
use crate::container::sandbox::isolation::{Limits, Throttle, ThrottleKind};

/// Microseconds; the default of the kernel and docker.
const DEFAULT_PERIOD: u64 = 100_000;

/// A value for a file.
#[derive(Debug, PartialEq)]
pub(super) struct Setting {
    /// The user's name for it.
    pub(super) limit: &'static str,
    pub(super) controller: &'static str,
    pub(super) file: &'static str,
    pub(super) value: String,
    /// Derived from another limit, and may be missing: swap accounting is a boot option.
    pub(super) optional: bool,
}

impl Setting {
    pub(super) fn failed(&self, path: &Path, error: &std::io::Error) -> SandboxError {
        let reason = refusal(path, error)
            .unwrap_or_else(|| format!("`{}` does not take `{}`: {error}", path.display(), self.value));
        SandboxError::Limit { limit: self.limit, reason }
    }
}

/// For errors that are not about writing a setting.
pub(super) fn failed(limit: &'static str, path: &Path, error: &std::io::Error) -> SandboxError {
    let reason = refusal(path, error).unwrap_or_else(|| format!("`{}`: {error}", path.display()));
    SandboxError::Limit { limit, reason }
}

/// Why a cgroup can't be created or its file written, if that has nothing to do with the value.
pub(super) fn refusal(path: &Path, error: &std::io::Error) -> Option<String> {
    let path_text = path.display();
    let around = path.parent().unwrap_or(path);
    // cgroup v1 reports a missing file as a forbidden creation, too.
    let is_missing = !path.exists() && rustix::fs::access(around, Access::WRITE_OK).is_ok();
    match error.kind() {
        ErrorKind::NotFound => Some(format!("this kernel has no `{path_text}`")),
        ErrorKind::PermissionDenied if is_missing => Some(format!("this kernel has no `{path_text}`")),
        ErrorKind::PermissionDenied => Some(format!(
            "`{}` may not be written to by this user; with cgroups of version 2, start rbuild in one of its own with \
             `systemd-run --user --scope -p Delegate=yes`; those of version 1 are root's",
            around.display()
        )),
        ErrorKind::ReadOnlyFilesystem => Some(format!(
            "`{}` is mounted read-only; what rbuild itself runs in has to give it cgroups that may be written to",
            around.display()
        )),
        _ => None,
    }
}

/// In the order in which they have to be written.
pub(super) fn settings(limits: &Limits, version: CgroupVersion) -> Vec<Setting> {
    let mut settings = memory(limits, version);
    settings.extend(processor(limits, version));
    settings.extend(realtime(limits));
    if let Some(pids) = limits.pids {
        let value = if pids == u64::MAX { "max".to_owned() } else { pids.to_string() };
        settings.push(plain("pids", "pids", "pids.max", value));
    }
    if let Some(weight) = limits.blkio_weight {
        settings.push(match version {
            CgroupVersion::V1 => plain("block I/O weight", "blkio", "blkio.weight", weight.to_string()),
            // 10..1000 → 1..10000, as in the OCI runtime specification.
            CgroupVersion::V2 => {
                let value = 1 + (u64::from(weight).saturating_sub(10)) * 9999 / 990;
                plain("block I/O weight", "io", "io.weight", value.to_string())
            }
        });
    }
    settings.extend(block_devices(limits, version));
    settings
}

fn plain(limit: &'static str, controller: &'static str, file: &'static str, value: String) -> Setting {
    Setting { limit, controller, file, value, optional: false }
}

/// cgroup v2 has no such files; writing them reports that.
fn realtime(limits: &Limits) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(period) = limits.cpu_realtime_period {
        settings.push(plain("real-time period", "cpu", "cpu.rt_period_us", period.to_string()));
    }
    if let Some(runtime) = limits.cpu_realtime_runtime {
        settings.push(plain("real-time runtime", "cpu", "cpu.rt_runtime_us", runtime.to_string()));
    }
    if let Some(swappiness) = limits.memory_swappiness {
        settings.push(plain("memory swappiness", "memory", "memory.swappiness", swappiness.to_string()));
    }
    if limits.oom_kill_disabled {
        settings.push(plain("disabled out-of-memory killer", "memory", "memory.oom_control", "1".to_owned()));
    }
    settings
}

fn block_devices(limits: &Limits, version: CgroupVersion) -> Vec<Setting> {
    let weights = limits.blkio_weight_devices.iter().map(|(device, weight)| match version {
        CgroupVersion::V1 => plain("block I/O weight", "blkio", "blkio.weight_device", format!("{device} {weight}")),
        CgroupVersion::V2 => {
            let value = 1 + (u64::from(*weight).saturating_sub(10)) * 9999 / 990;
            plain("block I/O weight", "io", "io.weight", format!("{device} {value}"))
        }
    });
    let throttle = |throttle: &Throttle| {
        let (old_file, key) = match throttle.kind {
            ThrottleKind::ReadBytes => ("blkio.throttle.read_bps_device", "rbps"),
            ThrottleKind::WriteBytes => ("blkio.throttle.write_bps_device", "wbps"),
            ThrottleKind::ReadOperations => ("blkio.throttle.read_iops_device", "riops"),
            ThrottleKind::WriteOperations => ("blkio.throttle.write_iops_device", "wiops"),
        };
        let (device, rate) = (&throttle.device, throttle.rate);
        match version {
            CgroupVersion::V1 => plain("block I/O rate", "blkio", old_file, format!("{device} {rate}")),
            CgroupVersion::V2 => plain("block I/O rate", "io", "io.max", format!("{device} {key}={rate}")),
        }
    };
    weights.chain(limits.throttles.iter().map(throttle)).collect()
}

fn memory(limits: &Limits, version: CgroupVersion) -> Vec<Setting> {
    let setting = |limit, file, value: u64| Setting {
        limit,
        controller: "memory",
        file,
        value: if value == u64::MAX { unlimited(version).to_owned() } else { value.to_string() },
        optional: false,
    };
    let (limit_file, swap_file, reservation_file) = match version {
        CgroupVersion::V1 => ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes"),
        CgroupVersion::V2 => ("memory.max", "memory.swap.max", "memory.low"),
    };
    let mut settings = Vec::new();
    if let Some(memory) = limits.memory {
        settings.push(setting("memory", limit_file, memory));
        // By default, docker allows as much swap as memory.
        let total = limits.memory_and_swap.unwrap_or(memory.saturating_mul(2));
        let value = match version {
            CgroupVersion::V2 if total != u64::MAX => total.saturating_sub(memory),
            _ => total,
        };
        let optional = limits.memory_and_swap.is_none();
        settings.push(Setting { optional, ..setting("memory and swap", swap_file, value) });
    }
    if let Some(reservation) = limits.memory_reservation {
        settings.push(setting("memory reservation", reservation_file, reservation));
    }
    settings
}

fn processor(limits: &Limits, version: CgroupVersion) -> Vec<Setting> {
    let setting = |limit, controller, file, value| Setting { limit, controller, file, value, optional: false };
    let mut settings = Vec::new();
    let period = limits.cpu_period.unwrap_or(DEFAULT_PERIOD);
    match version {
        CgroupVersion::V1 => {
            if let Some(period) = limits.cpu_period.or(limits.cpu_quota.and(Some(DEFAULT_PERIOD))) {
                settings.push(setting("cpu period", "cpu", "cpu.cfs_period_us", period.to_string()));
            }
            if let Some(quota) = limits.cpu_quota {
                settings.push(setting("cpus", "cpu", "cpu.cfs_quota_us", quota.to_string()));
            }
            if let Some(shares) = limits.cpu_shares {
                settings.push(setting("cpu shares", "cpu", "cpu.shares", shares.to_string()));
            }
        }
        CgroupVersion::V2 => {
            if limits.cpu_quota.is_some() || limits.cpu_period.is_some() {
                let quota = limits.cpu_quota.map_or("max".to_owned(), |quota| quota.to_string());
                settings.push(setting("cpus", "cpu", "cpu.max", format!("{quota} {period}")));
            }
            if let Some(shares) = limits.cpu_shares {
                // 2..262144 → 1..10000, as in the OCI runtime specification.
                let weight = 1 + shares.saturating_sub(2) * 9999 / 262_142;
                settings.push(setting("cpu shares", "cpu", "cpu.weight", weight.to_string()));
            }
        }
    }
    if let Some(cpus) = &limits.cpuset_cpus {
        settings.push(setting("cpuset", "cpuset", "cpuset.cpus", cpus.clone()));
    }
    if let Some(mems) = &limits.cpuset_mems {
        settings.push(setting("cpuset memory nodes", "cpuset", "cpuset.mems", mems.clone()));
    }
    settings
}

fn unlimited(version: CgroupVersion) -> &'static str {
    match version {
        CgroupVersion::V1 => "-1",
        CgroupVersion::V2 => "max",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(limits: &Limits, version: CgroupVersion) -> Vec<String> {
        settings(limits, version).iter().map(|setting| format!("{}={}", setting.file, setting.value)).collect()
    }

    #[test]
    fn both_versions() {
        let limits = Limits {
            memory: Some(1000),
            memory_and_swap: Some(1500),
            cpu_quota: Some(50_000),
            cpu_shares: Some(1024),
            pids: Some(7),
            blkio_weight: Some(500),
            ..Limits::default()
        };
        assert_eq!(
            written(&limits, CgroupVersion::V1),
            [
                "memory.limit_in_bytes=1000",
                "memory.memsw.limit_in_bytes=1500",
                "cpu.cfs_period_us=100000",
                "cpu.cfs_quota_us=50000",
                "cpu.shares=1024",
                "pids.max=7",
                "blkio.weight=500"
            ]
        );
        assert_eq!(
            written(&limits, CgroupVersion::V2),
            [
                "memory.max=1000",
                "memory.swap.max=500",
                "cpu.max=50000 100000",
                "cpu.weight=39",
                "pids.max=7",
                "io.weight=4950"
            ]
        );
    }

    #[test]
    fn block_devices_have_rules_of_their_own() {
        let throttle = Throttle { device: "8:0".into(), kind: ThrottleKind::ReadBytes, rate: 1000 };
        let limits = Limits {
            blkio_weight_devices: vec![("8:16".into(), 500)],
            throttles: vec![throttle],
            oom_kill_disabled: true,
            ..Limits::default()
        };
        assert_eq!(
            written(&limits, CgroupVersion::V1),
            ["memory.oom_control=1", "blkio.weight_device=8:16 500", "blkio.throttle.read_bps_device=8:0 1000",]
        );
        assert!(written(&limits, CgroupVersion::V2).contains(&"io.max=8:0 rbps=1000".to_owned()));
    }

    #[test]
    fn swap_follows_memory() {
        let limits = Limits { memory: Some(1000), ..Limits::default() };
        assert_eq!(written(&limits, CgroupVersion::V2), ["memory.max=1000", "memory.swap.max=1000"]);
        let limits = Limits { memory: Some(1000), memory_and_swap: Some(u64::MAX), ..Limits::default() };
        assert_eq!(
            written(&limits, CgroupVersion::V1),
            ["memory.limit_in_bytes=1000", "memory.memsw.limit_in_bytes=-1"]
        );
    }
}
