//! Makes an image of a step with the changes in it.

use std::collections::HashSet;

use super::{DebugError, Found};
use crate::base::digest::{DiffId, ImageId};
use crate::base::io_error::AtPath as _;
use crate::base::privacy;
use crate::base::rights;
use crate::base::side_by_side::with_deep_stack;
use crate::image::layer::{self, LayerError, NothingKnown};
use crate::image::{History, ImageConfig, Reference, host_platform};
use crate::store::Store;
use crate::store::snapshot::{Stack, View, copy_tree, record_of};

/// Makes and names the image, and waits until it is synced to the disk. Without changes, it is the step itself.
pub fn commit(store: &Store, found: &Found, name: &Reference) -> Result<ImageId, DebugError> {
    let (below, upper, _) = found.place()?;
    let has_changes = std::fs::read_dir(&upper).at("read", &upper)?.next().is_some();
    let layer = has_changes.then(|| with_deep_stack(|| make_layer(store, &below, &upper))).transpose()?;
    let config = config(found, &below, layer);
    let id = ImageId::from(store.put_blob(&config.to_bytes())?);
    store.add_image(&id, None)?;
    store.tell("create", &id, &id.to_string());
    store.set_tag(&name.to_string(), &id)?;
    store.sync()?;
    Ok(id)
}

/// The changes stay in place, because more may be added.
fn make_layer(store: &Store, below: &Stack, upper: &std::path::Path) -> Result<DiffId, DebugError> {
    let staging = store.staging()?;
    let directory = staging.path().join("layer");
    std::fs::create_dir(&directory).at("create", &directory)?;
    privacy::set_mode(&directory, 0o755)?;
    copy_tree(upper, &directory, &HashSet::new())?;
    layer::normalise(&directory, &View::of_layers(&below.unpacked(store)?)?, None)?;
    let record = record_of(&layer::encode(&directory, std::io::sink(), &NothingKnown)?);
    store.add_layer(rights::held().map_err(LayerError::from)?, &record, &directory)?;
    Ok(record.diff_id)
}

/// The environment, user and working directory of programs there; ARG variables don't belong in an image.
fn config(found: &Found, below: &Stack, layer: Option<DiffId>) -> ImageConfig {
    let kept = &found.record.steps[found.step];
    let platform = kept.platform.as_deref().and_then(|text| text.parse().ok()).unwrap_or_else(host_platform);
    let mut config = ImageConfig::scratch(&platform);
    if let Some(run) = &kept.run {
        let is_own = |name: &String| !run.argument_names.contains(name);
        for (name, value) in run.environment.iter().filter(|(name, _)| is_own(name)) {
            config.config.set_env(name, value);
        }
        config.config.user.clone_from(&run.user);
        if !run.working_directory.is_empty() {
            config.config.working_dir.clone_from(&run.working_directory);
        }
    }
    config.config.cmd = vec!["/bin/sh".to_owned()];
    let now = jiff::Timestamp::now();
    config.created = Some(now);
    let entry = |created_by: String| History { created: Some(now), created_by, ..History::default() };
    for diff_id in below.diff_ids() {
        config.push_layer(diff_id, entry(format!("rbuild debug: below {}", kept.title)));
    }
    if let Some(layer) = layer {
        config.push_layer(layer, entry(format!("rbuild debug --commit: changes in {}", kept.title)));
    }
    config
}
