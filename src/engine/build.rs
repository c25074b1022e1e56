//! Checks of build requests, for all faces.

use crate::build::BuildOptions;
use crate::build::remote_cache::PlaceOptions;
use crate::container::sandbox::Limits;
use crate::image::Reference;
use crate::store::Store;
use crate::transport::registry::Client;

/// Bytes.
pub const LEAST_MEMORY: u64 = 6 << 20;

/// Why limits are invalid, in docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum LimitError {
    #[error("minimum memory limit allowed is 6MB")]
    Memory,
    #[error("you should always set the memory limit when using --memory-swap")]
    SwapAlone,
    #[error("minimum memoryswap limit should be larger than memory limit")]
    Swap,
    #[error("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")]
    Period,
    #[error("CPU cfs quota can not be less than 1ms (i.e. 1000)")]
    Quota,
}

/// Checks the limits of containers and of steps as docker does.
pub fn check_limits(limits: &Limits) -> Result<(), LimitError> {
    if limits.memory.is_some_and(|memory| memory != 0 && memory < LEAST_MEMORY) {
        return Err(LimitError::Memory);
    }
    if let Some(swap) = limits.memory_and_swap.filter(|swap| *swap != 0 && *swap != u64::MAX) {
        match limits.memory {
            None | Some(0) => return Err(LimitError::SwapAlone),
            Some(memory) if swap < memory => return Err(LimitError::Swap),
            Some(_) => {}
        }
    }
    if limits.cpu_period.is_some_and(|period| !(1000..=1_000_000).contains(&period)) {
        return Err(LimitError::Period);
    }
    if limits.cpu_quota.is_some_and(|quota| quota < 1000) {
        return Err(LimitError::Quota);
    }
    Ok(())
}

/// Whether any of the images from which cached steps may be taken exists, locally or in its registry. docker's classic
/// builder uses no other cached steps.
pub fn is_cache_there(store: &Store, options: &BuildOptions) -> bool {
    let client = Client::new(&options.registry).ok();
    let is_in_registry = |name: &Reference| {
        let tag = name.digest().map_or(name.tag(), |digest| Some(digest.as_str())).unwrap_or_default();
        client.as_ref().is_some_and(|client| client.repository(name).is_ok_and(|found| found.manifest(tag).is_ok()))
    };
    options.cache_from.iter().any(|source| match &source.place {
        PlaceOptions::Registry(name) => store.find_image(&name.familiar()).is_ok() || is_in_registry(name),
        _ => true,
    })
}
