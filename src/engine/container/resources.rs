//! docker's rules for numbers that belong together.

use super::RequestError;
use crate::container::Resources;
use crate::container::sandbox::Limits;
use crate::engine::build::{LEAST_MEMORY, check_limits};

/// Refuses what the kernel or docker would not take.
pub fn check(resources: &Resources) -> Result<(), RequestError> {
    let fail = |text: &str| Err(RequestError::refused(text));
    let (memory, swap) = (resources.memory, resources.memory_swap);
    // What steps of builds may have, too.
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
    // The kernel takes the nearest number that it has, in silence.
    if resources.cpu_shares != 0 && !(2..=262_144).contains(&resources.cpu_shares) {
        return fail("range of CPU shares is from 2 to 262144");
    }
    if resources.blkio_weight != 0 && !(10..=1000).contains(&resources.blkio_weight) {
        return fail("range of blkio weight is from 10 to 1000");
    }
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if resources.nano_cpus > processors as u64 * 1_000_000_000 {
        return Err(RequestError::refused(format!(
            "range of CPUs is from 0.01 to {processors}.00, as there are only {processors} CPUs available"
        )));
    }
    Ok(())
}
