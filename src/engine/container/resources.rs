//! docker's rules for combinations of limits.

use std::ops::RangeInclusive;

use super::RequestError;
use crate::container::Resources;
use crate::container::sandbox::Limits;
use crate::engine::build::{LEAST_MEMORY, check_limits};

/// Refuses what the kernel or docker does not accept.
pub fn check(resources: &Resources) -> Result<(), RequestError> {
    let fail = |text: &str| Err(RequestError::refused(text));
    let (memory, swap) = (resources.memory, resources.memory_swap);
    // The limits that steps of builds may have, too.
    let limits = Limits {
        memory: Some(memory),
        memory_and_swap: u64::try_from(swap).ok(),
        cpu_period: Some(resources.cpu_period).filter(|period| *period != 0),
        cpu_quota: u64::try_from(resources.cpu_quota).ok().filter(|quota| *quota != 0),
        ..Limits::default()
    };
    check_limits(&limits).map_err(|wrong| RequestError::refused(wrong.to_string()))?;
    if resources.memory_reservation != 0 && resources.memory_reservation < LEAST_MEMORY {
        return fail("minimum memory reservation allowed is 6MB");
    }
    if memory != 0 && resources.memory_reservation > memory {
        return fail("minimum memory limit can not be less than memory reservation limit");
    }
    if let Some(number) = resources.memory_swappiness.filter(|number| !(-1..=100).contains(number)) {
        let text = format!("invalid value for memory swappiness: {number}, valid range is 0-100");
        return Err(RequestError::refused(text));
    }
    // The kernel would silently use the nearest valid number.
    if resources.cpu_shares != 0 && !(2..=262_144).contains(&resources.cpu_shares) {
        return fail("range of CPU shares is from 2 to 262144");
    }
    if resources.blkio_weight != 0 && !(10..=1000).contains(&resources.blkio_weight) {
        return fail("range of blkio weight is from 10 to 1000");
    }
    check_set(&resources.cpuset_cpus, "CPUs", "cpuset cpus", "/sys/devices/system/cpu/online")?;
    check_set(&resources.cpuset_mems, "memory nodes", "cpuset mems", "/sys/devices/system/node/online")?;
    for (is_given, what) in [(resources.cpu_period != 0, "Period"), (resources.cpu_quota != 0, "Quota")] {
        if resources.nano_cpus != 0 && is_given {
            let text = format!("Conflicting options: Nano CPUs and CPU {what} cannot both be set");
            return Err(RequestError::refused(text));
        }
    }
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if resources.nano_cpus > processors as u64 * 1_000_000_000 {
        return Err(RequestError::refused(format!(
            "range of CPUs is from 0.01 to {processors}.00, as there are only {processors} CPUs available"
        )));
    }
    Ok(())
}

/// Checks a list such as `0-3,7` against what the machine has. If the machine does not say what it has, the kernel
/// decides when the container starts.
fn check_set(wanted: &str, what: &str, option: &str, online: &str) -> Result<(), RequestError> {
    let fail = |text: String| Err(RequestError::refused(text));
    let Some(ranges) = numbers(wanted) else { return fail(format!("invalid value {wanted} for {option}")) };
    let available = std::fs::read_to_string(online).unwrap_or_default();
    let available = available.trim();
    match numbers(available) {
        Some(found) if !found.is_empty() && !ranges.iter().all(|range| is_within(range, &found)) => {
            fail(format!("requested {what} are not available - requested {wanted}, available: {available}"))
        }
        _ => Ok(()),
    }
}

fn numbers(text: &str) -> Option<Vec<RangeInclusive<u32>>> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then_some(first..=last)
    };
    if text.is_empty() { Some(Vec::new()) } else { text.split(',').map(range).collect() }
}

/// The ranges of the machine are disjoint and not adjacent.
fn is_within(range: &RangeInclusive<u32>, available: &[RangeInclusive<u32>]) -> bool {
    available.iter().any(|whole| whole.contains(range.start()) && whole.contains(range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors() {
        assert_eq!(numbers(""), Some(Vec::new()));
        assert_eq!(numbers("0-3,7"), Some(vec![0..=3, 7..=7]));
        for wrong in ["x", "3-1", "0,", "-1", "0-"] {
            assert_eq!(numbers(wrong), None, "{wrong}");
        }
        let machine = numbers("0-3,8-11").unwrap_or_default();
        assert!(is_within(&(1..=3), &machine) && !is_within(&(3..=8), &machine) && !is_within(&(4..=4), &machine));
    }

    #[test]
    fn what_the_machine_has_not_is_refused() {
        let with = |cpus: &str| check(&Resources { cpuset_cpus: cpus.to_owned(), ..Resources::default() });
        assert!(with("0").is_ok());
        assert!(with("x").is_err_and(|error| error.to_string().contains("invalid value x for cpuset cpus")));
        assert!(with("0-100000").is_err_and(|error| error.to_string().contains("not available")));
    }
}
