//! Makes an image from layers and config.

use jiff::Timestamp;

use crate::base::digest::{BlobDigest, ImageId};
use crate::build::solve::Solved;
use crate::image::{History, ImageConfig, best_match, host_platform};
use crate::language::plan::{Plan, PlannedImage};
use crate::store::snapshot::Stack;
use crate::store::{self, Store};
use crate::transport::transfer::Outgoing;

use super::built::{BuildResult, BuiltImage};
use super::error::BuildError;
use super::findings::Findings;
use super::options::BuildOptions;
use super::platforms::makes_index;
use super::shared_cache;
use super::squash;

/// Completes the configs and stores them.
pub(super) fn make_images(
    store: &Store,
    options: &BuildOptions,
    plan: &Plan,
    solved: &Solved,
    findings: Findings,
) -> Result<BuildResult, BuildError> {
    let images = plan.images.iter().zip(&solved.stacks);
    let images = images
        .map(|(planned, stack)| make_image(&Making { store, options, plan, solved }, planned, stack))
        .collect::<Result<Vec<_>, _>>()?;
    let standing = best_match(&host_platform(), images.iter().map(|image| &image.platform)).unwrap_or(0);
    let ids = || images.iter().map(|image| image.id).collect();
    let outgoing = Outgoing {
        id: images[standing].id,
        index: if makes_index(options) { ids() } else { Vec::new() },
        annotations: options.annotations.clone(),
        docker_media_types: options.docker_media_types,
    };
    Ok(BuildResult { images, outgoing, findings, pushed: Vec::new(), made_layers: solved.made_layers })
}

/// What all images of a build are made from.
struct Making<'a> {
    store: &'a Store,
    options: &'a BuildOptions,
    plan: &'a Plan,
    solved: &'a Solved,
}

fn make_image(making: &Making<'_>, planned: &PlannedImage, stack: &Stack) -> Result<BuiltImage, BuildError> {
    let Making { store, options, plan, solved } = *making;
    let mut config = planned.config.clone();
    config.rootfs.diff_ids = stack.diff_ids();
    let created = layer_times(store, planned, stack)?;
    set_times(&mut config, plan, planned, &created);
    if !options.squash {
        // The inline cache refers to layers by their position.
        shared_cache::write_inline(options, &mut config, &solved.records, plan.epoch);
    }
    config.validate()?;
    if options.squash {
        let base = planned.config.history.iter().take(planned.base_history).filter(|entry| !entry.empty_layer).count();
        let squashed = squash::stack(store, stack, base)?;
        if squashed != *stack {
            let whole = ImageId::from(BlobDigest::of(&config.to_bytes()));
            squash::history(&mut config, planned.base_history, &whole);
            config.rootfs.diff_ids = squashed.diff_ids();
            config.validate()?;
        }
    }
    let digest = store.put_blob(&config.to_bytes())?;
    Ok(BuiltImage { id: ImageId::from(digest), platform: planned.platform.clone(), config })
}

/// When each layer above the base's was made.
fn layer_times(store: &Store, planned: &PlannedImage, stack: &Stack) -> Result<Vec<i64>, BuildError> {
    let below = planned.config.history.iter().take(planned.base_history).filter(|entry| !entry.empty_layer).count();
    let mut times = Vec::new();
    for layer in stack.layers.iter().skip(below) {
        times.push(store.step_layer(&layer.diff_id)?.map_or_else(store::now, |layer| layer.made_at));
    }
    Ok(times)
}

/// Sets the time of every new history entry, and that of the image to its last one: SOURCE_DATE_EPOCH, or when the
/// layer was made. Entries without a layer have the time of the previous one, so a cached build makes the same image
/// again.
fn set_times(config: &mut ImageConfig, plan: &Plan, planned: &PlannedImage, layer_times: &[i64]) {
    let epoch = plan.epoch.and_then(timestamp);
    let base_layers = config.history.iter().take(planned.base_history).filter(|entry| !entry.empty_layer).count();
    let named_layers = config.history.iter().filter(|entry| !entry.empty_layer).count();
    // Layers that no instruction made: the context below a stage.
    for _ in named_layers..config.rootfs.diff_ids.len() {
        config.history.push(History { created_by: "FROM context".to_owned(), ..History::default() });
    }
    let mut latest = config.history.iter().take(planned.base_history).filter_map(|entry| entry.created).max();
    let mut times = layer_times.iter();
    if base_layers == 0 && latest.is_none() && layer_times.is_empty() {
        latest = timestamp(store::now());
    }
    for entry in config.history.iter_mut().skip(planned.base_history) {
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
