//! From layers and config to an image.

use jiff::Timestamp;

use crate::digest::{BlobDigest, ImageId};
use crate::image::{History, ImageConfig};
use crate::plan::Plan;
use crate::snapshot::Stack;
use crate::solve::Solved;
use crate::store::{self, Store};

use super::error::BuildError;
use super::findings::Findings;

/// What a build made.
#[derive(Debug, Clone)]
pub struct BuildResult {
    pub id: ImageId,
    pub config: ImageConfig,
    pub findings: Findings,
    /// At least one step was executed: the store has something that a power loss would take. Whoever has time for it
    /// calls [`Store::sync`].
    pub made_layers: bool,
}

/// Completes the config and stores it.
pub(super) fn make_image(
    store: &Store,
    plan: &Plan,
    solved: &Solved,
    findings: Findings,
) -> Result<BuildResult, BuildError> {
    let mut config = plan.config.clone();
    config.rootfs.diff_ids = solved.stack.diff_ids();
    let created = layer_times(store, plan, &solved.stack)?;
    set_times(&mut config, plan, &created);
    config.validate()?;
    let digest = store.put_blob(&config.to_bytes())?;
    Ok(BuildResult { id: ImageId::from(digest), config, findings, made_layers: solved.made_layers })
}

/// When each layer above the base's was made.
fn layer_times(store: &Store, plan: &Plan, stack: &Stack) -> Result<Vec<i64>, BuildError> {
    let below = plan.config.history.iter().take(plan.base_history).filter(|entry| !entry.empty_layer).count();
    let mut times = Vec::new();
    for layer in stack.layers.iter().skip(below) {
        times.push(store.step_layer(&layer.diff_id)?.map_or_else(store::now, |layer| layer.made_at));
    }
    Ok(times)
}

/// Gives every new history entry a time, and the image that of its last: SOURCE_DATE_EPOCH, or when the layer was made.
/// What made no layer has the time of the one before, so that a build from the cache makes the same image again.
fn set_times(config: &mut ImageConfig, plan: &Plan, layer_times: &[i64]) {
    let epoch = plan.epoch.and_then(timestamp);
    let base_layers = config.history.iter().take(plan.base_history).filter(|entry| !entry.empty_layer).count();
    let named_layers = config.history.iter().filter(|entry| !entry.empty_layer).count();
    // Layers that no instruction made: a context that a stage stands on.
    for _ in named_layers..config.rootfs.diff_ids.len() {
        config.history.push(History { created_by: "FROM context".to_owned(), ..History::default() });
    }
    let mut latest = config.history.iter().take(plan.base_history).filter_map(|entry| entry.created).max();
    let mut times = layer_times.iter();
    if base_layers == 0 && latest.is_none() && layer_times.is_empty() {
        latest = timestamp(store::now());
    }
    for entry in config.history.iter_mut().skip(plan.base_history) {
        if !entry.empty_layer {
            latest = times.next().copied().and_then(timestamp).or(latest);
        }
        entry.created = epoch.or(latest);
    }
    config.created = epoch.or(latest);
}

fn timestamp(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}

impl BuildResult {
    pub fn config_digest(&self) -> BlobDigest {
        self.id.into()
    }
}
