//! From a key to a layer: found in the cache, waited for, or made.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::digest::{CacheKey, DiffId, TreeDigest};
use crate::base::io_error::AtPath;
use crate::build::explain::{Fact, Reason};
use crate::image::layer::{self, KnownDigests, Marks, NothingKnown};
use crate::language::plan::StepId;
use crate::store::snapshot::{Stack, record_of};
use crate::store::{LayerRecord, Lock, Staging, StepLayer, Store};

use super::error::StepError;
use super::executed::Executed;
use super::explain::Miss;
use super::key;
use super::progress::{Event, TaskEvent};
use super::resume::Resume;
use super::settings::{Solver, Work};

/// The interval of checks whether another build has made a layer.
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// A longer wait is reported to the user.
const LONG_WAIT: Duration = Duration::from_millis(500);

/// What was made or found during this build.
pub(super) struct Made<'a> {
    executed: &'a Executed,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    /// All results, found or made, for cache exports.
    records: Vec<(CacheKey, StepLayer)>,
    is_any_new: bool,
    cache_mounts: BTreeSet<String>,
}

impl<'a> Made<'a> {
    pub fn new(executed: &'a Executed) -> Self {
        Self { executed, entries: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &CacheKey) -> Option<StepLayer> {
        self.executed.layer(key)
    }

    /// Nothing was executed.
    pub fn is_empty(&self) -> bool {
        !self.lock().is_any_new
    }

    fn insert(&self, key: CacheKey, layer: StepLayer) {
        self.executed.keep(key, layer);
        let mut entries = self.lock();
        entries.is_any_new = true;
        entries.records.push((key, layer));
    }

    /// Records that the step with this key has this result.
    pub fn found(&self, key: CacheKey, layer: StepLayer) {
        self.lock().records.push((key, layer));
    }

    /// Records that a step uses this cache mount, whether it is executed or not.
    pub fn used_cache_mount(&self, name: String) {
        self.lock().cache_mounts.insert(name);
    }

    /// True the first time for each name.
    pub fn is_first_use(&self, cache_mount: &str) -> bool {
        self.executed.is_first_use(cache_mount)
    }

    pub fn take_cache_mounts(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.lock().cache_mounts)
    }

    /// The records of all steps, in the order in which they were found or made.
    pub fn take_records(&self) -> Vec<(CacheKey, StepLayer)> {
        std::mem::take(&mut self.lock().records)
    }
}

/// A step that makes a layer on top of `parent`.
pub(super) struct LayerRequest<'a> {
    pub step: StepId,
    pub parent: &'a Stack,
    pub key: CacheKey,
    /// The requested times: that of new files, and the maximum. Different times make a different layer with the same
    /// tree.
    pub times: [Option<i64>; 2],
    /// Execute it even if it is in the cache.
    pub ignore_cache: bool,
    /// The step's inputs, computed only if it is executed. `None` for a part of another step, which is not reported.
    pub facts: Option<&'a dyn Fn() -> Vec<Fact>>,
}

impl LayerRequest<'_> {
    /// What the layer depends on besides its own content: the layers below, and the times.
    pub fn below(&self) -> [u8; 32] {
        let below = self.parent.exact_digest();
        if self.times == [None; 2] {
            return below;
        }
        key::stack_at(&below, self.times)
    }
}

/// Called with the diffID of a layer that the store has added.
pub(super) type Kept<'a> = Box<dyn FnOnce(&DiffId) -> Result<(), StepError> + 'a>;

/// A finished layer folder.
pub(super) struct NewLayer<'a> {
    /// The known digests of contents.
    pub known: Box<dyn KnownDigests + 'a>,
    /// The base of a delta, whose folder has the rest of the layer.
    pub base: Option<DiffId>,
    /// Called unless an earlier layer is used instead.
    pub kept: Option<Kept<'a>>,
    /// The earlier hash states of its stream.
    pub resume: Option<Resume>,
}

impl NewLayer<'_> {
    pub fn plain() -> Self {
        Self { known: Box::new(NothingKnown), base: None, kept: None, resume: None }
    }
}

impl Solver<'_> {
    /// The stack with the step's layer on top. `make` fills the folder it is given; it is called only if neither the
    /// cache nor another process has the layer.
    pub(super) fn layer<'k>(
        &self,
        made: &Made<'_>,
        request: &LayerRequest<'_>,
        make: impl FnOnce(&Staging, &Path) -> Result<NewLayer<'k>, StepError>,
    ) -> Result<Stack, StepError> {
        if let Some(stack) = self.known_layer(made, request)? {
            return Ok(stack);
        }
        let work = self.work()?;
        let _lock = self.lock_step(work.store, request)?;
        if let Some(stack) = self.known_layer(made, request)? {
            return Ok(stack);
        }
        if self.cancellation.is_cancelled() {
            return Err(StepError::Cancelled);
        }
        let why = self.explain(request);
        self.tell(request, Event::Started { step: request.step, why: &why });
        let begun = Instant::now();
        let result = self.make_layer(work, request, make);
        let took = begun.elapsed();
        let ended = match &result {
            Ok(_) => Event::Done { step: request.step, took },
            Err(StepError::Cancelled) => Event::Canceled { step: request.step },
            Err(_) => Event::Failed { step: request.step, took },
        };
        self.tell(request, ended);
        if request.facts.is_some() {
            match &result {
                Ok(layer) => self.explainer.made(work.store, request.step, took, layer),
                Err(StepError::Cancelled) => {}
                Err(_) => self.explainer.failed(request.step, took),
            }
        }
        let layer = result?;
        work.store.add_cache_record(&request.key, &layer.diff_id)?;
        made.insert(request.key, layer);
        Ok(self.stack_with(request.parent, &layer))
    }

    /// Waits until no other build makes the same layer, and reports a long wait.
    fn lock_step(&self, store: &Store, request: &LayerRequest<'_>) -> Result<Lock, StepError> {
        let key = request.key.hex();
        // Then results of other processes are not used.
        let name = match request.ignore_cache {
            true => format!("step-{key}-{}", std::process::id()),
            false => format!("step-{key}"),
        };
        if let Some(lock) = store.try_lock(&name)? {
            return Ok(lock);
        }
        let step = &self.plan.steps[request.step.0];
        let task = format!("waiting for another build that executes {}", step.title);
        let (begun, mut is_told) = (Instant::now(), false);
        let lock = loop {
            std::thread::sleep(LOCK_PAUSE);
            if self.cancellation.is_cancelled() {
                break Err(StepError::Cancelled);
            }
            match store.try_lock(&name) {
                Ok(Some(lock)) => break Ok(lock),
                Ok(None) => {}
                Err(error) => break Err(error.into()),
            }
            if !is_told && request.facts.is_some() && begun.elapsed() > LONG_WAIT {
                is_told = true;
                self.progress.task(TaskEvent::Started { task: &task });
            }
        };
        match &lock {
            Ok(_) if is_told => self.progress.task(TaskEvent::Done { task: &task, took: begun.elapsed() }),
            Err(error) if is_told => self.progress.task(TaskEvent::Failed { task: &task, message: &error.to_string() }),
            _ => {}
        }
        lock
    }

    /// Why the step is executed.
    fn explain(&self, request: &LayerRequest<'_>) -> Vec<Reason> {
        let Some(facts) = request.facts else { return Vec::new() };
        self.explainer.missed(Miss {
            step: request.step,
            key: request.key,
            parent: request.parent,
            facts: facts(),
            ignores_cache: request.ignore_cache,
        })
    }

    fn tell(&self, request: &LayerRequest<'_>, event: Event<'_>) {
        if request.facts.is_some() {
            self.progress.event(event);
        }
    }

    fn known_layer(&self, made: &Made<'_>, request: &LayerRequest<'_>) -> Result<Option<Stack>, StepError> {
        let executed = made.get(&request.key).filter(|layer| !self.distrusted.contains(&layer.diff_id));
        let layer = match executed {
            Some(layer) => Some(layer),
            None if request.ignore_cache => None,
            None => self.recorded(&request.key)?,
        };
        Ok(layer.map(|layer| {
            if request.facts.is_some() {
                self.explainer.taken(request.step, request.key, Some(&layer));
            }
            self.tell(request, Event::Cached { step: request.step });
            made.found(request.key, layer);
            self.stack_with(request.parent, &layer)
        }))
    }

    fn make_layer<'k>(
        &self,
        work: Work<'_>,
        request: &LayerRequest<'_>,
        make: impl FnOnce(&Staging, &Path) -> Result<NewLayer<'k>, StepError>,
    ) -> Result<StepLayer, StepError> {
        let staging = work.store.staging()?;
        let directory = staging.path().join("layer");
        std::fs::create_dir(&directory).at("create", &directory)?;
        let new = make(&staging, &directory)?;
        let mut folders: Vec<PathBuf> = new.base.iter().map(|base| self.store.layer_path(base)).collect();
        folders.push(directory);
        let nothing = Marks::default();
        let earlier = new.resume.as_ref().map_or(&nothing, |resume| &resume.marks);
        let (encoded, marks) = layer::hash_stacked(&folders, new.known.as_ref(), earlier)?;
        if let Some(resume) = new.resume {
            resume.keep(work.store, &marks)?;
        }
        let record = LayerRecord { base: new.base, ..record_of(&encoded) };
        let layer = self.keep_layer(work, request, &folders[folders.len() - 1], &record, &encoded.tree)?;
        match new.kept {
            Some(kept) if layer.diff_id == encoded.diff_id => kept(&layer.diff_id)?,
            _ => {}
        }
        Ok(layer)
    }

    /// Adds the layer to the store, or uses an earlier one with the same tree on the same layers, so that executing a
    /// step again with the same result changes nothing. If the cache is ignored, the layer gets a new time.
    fn keep_layer(
        &self,
        work: Work<'_>,
        request: &LayerRequest<'_>,
        directory: &Path,
        record: &LayerRecord,
        tree: &TreeDigest,
    ) -> Result<StepLayer, StepError> {
        let below = request.below();
        let earlier = self.store.layer_with_tree(&below, tree)?;
        let was_there = earlier.is_some() || self.store.layer(&record.diff_id)?.is_some();
        let mut layer = StepLayer::of_record(earlier.as_ref().unwrap_or(record));
        if earlier.is_none() {
            work.store.add_layer(work.rights, record, directory)?;
            work.store.add_tree(&below, tree, &record.diff_id)?;
        }
        if was_there {
            self.roots.has_another(directory)?;
        }
        if request.ignore_cache && was_there {
            layer.made_at = work.store.made_again(&layer.diff_id)?;
        }
        Ok(layer)
    }
}
