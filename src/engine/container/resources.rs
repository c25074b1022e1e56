//! docker's rules for numbers that belong together.

use super::RequestError;
use crate::container::Resources;

const LEAST_MEMORY: u64 = 6 << 20;

/// Refuses what the kernel or docker would not take.
pub fn check(resources: &Resources) -> Result<(), RequestError> {
    let fail = |text: &str| Err(RequestError::refused(text));
    let (memory, swap) = (resources.memory, resources.memory_swap);
    if memory != 0 && memory < LEAST_MEMORY {
        return fail("minimum memory limit allowed is 6MB");
    }
    if swap > 0 && memory == 0 {
        return fail("you should always set the memory limit when using --memory-swap");
    }
    if swap > 0 && (swap as u64) < memory {
        return fail("minimum memoryswap limit should be larger than memory limit");
    }
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
    if resources.cpu_period != 0 && !(1000..=1_000_000).contains(&resources.cpu_period) {
        return fail("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
    }
    if resources.cpu_quota > 0 && resources.cpu_quota < 1000 {
        return fail("CPU cfs quota can not be less than 1ms (i.e. 1000)");
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
