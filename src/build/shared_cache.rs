//! Imports and exports the remote caches of a build, and reports to the observer.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::base::digest::{CacheKey, DiffId};
use crate::build::remote_cache::{
    self, CacheTarget, Export, ExportError, ExportOptions, Importing, Imports, Mounts, PlaceOptions, StepRecord,
};
use crate::build::solve::{RemoteRecord, RemoteRecords, Solved, TaskEvent};
use crate::image::ImageConfig;
use crate::language::plan::{Operation, Plan, Step};
use crate::store::snapshot::{self, Stack};
use crate::store::{StepLayer, Store, StoreError};

use super::arguments;
use super::error::BuildError;
use super::observer::Observer;
use super::options::BuildOptions;

/// Starts to read the caches while the build is being planned.
pub(super) fn begin(options: &BuildOptions, observer: &dyn Observer) -> Importing {
    for source in &options.cache_from {
        observer.task(TaskEvent::Started { task: &import_name(&source.place.shown()) });
    }
    remote_cache::begin(&options.cache_from, &options.registry, &options.platforms)
}

/// The caches that could be read in time. The others are warnings: a build does not need a cache.
pub(super) fn finish(importing: Importing, observer: &dyn Observer) -> Imports {
    let begun = Instant::now();
    importing.finish(|source, outcome| {
        let shown = source.place.shown();
        let name = import_name(&shown);
        match outcome {
            Ok(()) => observer.task(TaskEvent::Done { task: &name, took: begun.elapsed() }),
            Err(error) => {
                let message = chain(&error);
                observer.task(TaskEvent::Failed { task: &name, message: &message });
                observer.warn(&format!("the cache {shown} is not used: {message}"));
            }
        }
    })
}

fn import_name(shown: &str) -> String {
    format!("importing cache manifest from {shown}")
}

/// The solver's access to the caches.
pub(super) struct Records<'a> {
    /// Nothing where it is only probed whether all is known: then no cache is asked.
    pub store: Option<&'a Store>,
    pub imports: &'a Imports,
}

impl RemoteRecords for Records<'_> {
    fn find(&self, key: &CacheKey) -> Option<RemoteRecord> {
        self.imports.find(key).map(|found| RemoteRecord { claim: found.claim, blobs: found.blobs })
    }

    fn outline(&self, diff_id: &DiffId) -> Option<Result<Vec<u8>, String>> {
        Some(self.imports.outline(self.store?, diff_id)?.map_err(|error| chain(&error)))
    }

    fn fill_mount(&self, name: &str, folder: &Path) -> Option<Result<(), String>> {
        let (record, source) = *self.imports.mounts().get(name)?;
        Some(remote_cache::fill_mount(self.store?, record, source, folder).map_err(|error| chain(&error)))
    }
}

/// The steps' results in the form of caches.
fn step_records(records: &[(CacheKey, StepLayer)]) -> Vec<StepRecord> {
    records.iter().filter_map(|(key, layer)| Some(StepRecord { key: *key, layer: layer.claim()? })).collect()
}

/// Writes the records into the image's config, if requested. With a given epoch they contain no other time: the image
/// must be the same on every machine.
pub(super) fn write_inline(
    options: &BuildOptions,
    config: &mut ImageConfig,
    records: &[(CacheKey, StepLayer)],
    epoch: Option<i64>,
) {
    if !options.cache_to.contains(&CacheTarget::Inline) && !arguments::asks_for_inline_cache(options) {
        return;
    }
    let mut records = step_records(records);
    if let Some(epoch) = epoch {
        records.iter_mut().for_each(|record| record.layer.made_at = epoch);
    }
    remote_cache::write_inline(config, &remote_cache::document(&records));
}

/// Writes the caches.
pub(super) fn export(
    store: &Store,
    options: &BuildOptions,
    (plan, solved): (&Plan, &Solved),
    observer: &dyn Observer,
) -> Result<(), BuildError> {
    let records = step_records(&solved.records);
    let result: Vec<DiffId> = solved.stacks.iter().flat_map(Stack::diff_ids).collect();
    let layers_of_base = |step: &Step| match &step.operation {
        Operation::Base { layers, .. } => layers.clone(),
        _ => Vec::new(),
    };
    let bases: Vec<DiffId> = plan.steps.iter().flat_map(layers_of_base).collect();
    for target in &options.cache_to {
        let CacheTarget::Place(target) = target else { continue };
        let name = format!("exporting cache to {}", target.place.kind());
        let note = |text: &str| observer.task(TaskEvent::Note { task: &name, text });
        let export = Export {
            store,
            settings: &options.registry,
            records: &records,
            result: &result,
            bases: &bases,
            outlines: &|diff_id| outline(store, diff_id),
            mounts: &Mounts { store, names: &solved.cache_mounts, note: &note },
            note: &note,
        };
        export_one(&export, target, &name, observer)?;
    }
    Ok(())
}

/// The outline of a layer that is or was in the store; `None` if it cannot be made.
fn outline(store: &Store, diff_id: &DiffId) -> Result<Option<Vec<u8>>, StoreError> {
    if let Some(outline) = store.outline(diff_id)? {
        return Ok(Some(outline));
    }
    let Some(folders) = store.layer_folders(diff_id)? else { return Ok(None) };
    let outline = snapshot::outline_of(&folders)?;
    if let Some(outline) = &outline {
        store.add_outline(diff_id, outline)?;
    }
    Ok(outline)
}

fn export_one(
    export: &Export<'_>,
    target: &ExportOptions,
    name: &str,
    observer: &dyn Observer,
) -> Result<(), BuildError> {
    let begun = Instant::now();
    observer.task(TaskEvent::Started { task: name });
    observer.task(TaskEvent::Note { task: name, text: "preparing build cache for export" });
    let place = target.place.shown();
    match export.run(target) {
        Ok(()) => {
            observer.task(TaskEvent::Done { task: name, took: begun.elapsed() });
            Ok(())
        }
        Err(source) => {
            let message = chain(&source);
            observer.task(TaskEvent::Failed { task: name, message: &message });
            let is_limit = matches!(&source, ExportError::Place(error) if error.is_limit());
            if !target.ignore_error && !is_limit {
                return Err(BuildError::CacheExport { place, source: Box::new(source) });
            }
            observer.warn(&format!("the cache was not exported to {place}: {message}"));
            Ok(())
        }
    }
}

/// The error and its causes in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// Records from where these builds may fetch layers later: with their registry settings, and from buckets whose
/// credentials only they have.
pub(super) fn know_places(store: &Store, builds: &[&BuildOptions]) -> Result<(), BuildError> {
    let sources = builds.iter().flat_map(|options| &options.cache_from).map(|source| &source.place);
    let targets = builds.iter().flat_map(|options| &options.cache_to).filter_map(|target| match target {
        CacheTarget::Place(target) => Some(&target.place),
        CacheTarget::Inline => None,
    });
    let places: Vec<_> = sources
        .chain(targets)
        .filter(|place| matches!(place, PlaceOptions::Bucket(_) | PlaceOptions::Actions(_) | PlaceOptions::Objects(_)))
        .collect();
    let origins = match builds {
        // The registry settings also apply to layers that are fetched later.
        [build] => remote_cache::Origins::with_settings(build.registry.clone()),
        _ if places.is_empty() => return Ok(()),
        _ => remote_cache::Origins::default(),
    };
    for place in places {
        let wrong = |source| BuildError::CachePlace { place: place.shown(), source: Box::new(source) };
        origins.know(place).map_err(wrong)?;
    }
    store.set_origin(Arc::new(origins));
    Ok(())
}
