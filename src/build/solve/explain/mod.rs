//! Why each step of this build is executed: compares its inputs with those of the last time.
//!
//! Makes no decisions, and computes nothing for a cached step. Ignores what cannot be read or written: a build does not
//! fail because it cannot explain itself.

mod causes;
mod facts;
mod lists;

use std::sync::{Mutex, MutexGuard, OnceLock};
use std::thread::ThreadId;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::base::digest::{CacheKey, FieldHasher, ImageId};
use crate::build::explain::{
    BaseName, BuildReport, Concealer, Fact, Outcome, Reason, ReportWarning, Resources, Source, StepRecord, StepReport,
    Timing,
};
use crate::language::plan::{NoCache, Operation, Plan, StepId};
use crate::store::snapshot::Stack;
use crate::store::{BuildName, BuildRow, Reader, StepLayer, Store};

use causes::Previous;

pub(super) use facts::mount_fact;
pub(super) use lists::listed;

/// The use of cache records is noted at most once in this many seconds.
const NOTE_USE_EVERY: i64 = 3600;

/// What is built, for explanations.
pub struct Explained<'a> {
    pub store: &'a Reader,
    pub plan: &'a Plan,
    pub name: BuildName,
    /// As the user named it.
    pub subject: String,
    pub platform: String,
    pub no_cache: &'a NoCache,
    /// The values of `--build-arg`; some may be secret.
    pub build_args: &'a std::collections::BTreeMap<String, String>,
    /// The Dockerfile, and the lint's warnings; called when a report is written.
    pub file: Box<dyn Fn() -> (Source, Vec<ReportWarning>) + Sync + 'a>,
}

/// Follows one build.
pub struct Explainer<'a> {
    about: Explained<'a>,
    steps: Mutex<Vec<Progressed>>,
    concealer: OnceLock<Concealer>,
    row: OnceLock<Option<BuildRow>>,
    previous: OnceLock<Previous>,
    begun: Instant,
    /// The threads that execute steps, in the order of their first step.
    workers: Mutex<Vec<ThreadId>>,
}

/// The progress of a step.
#[derive(Debug, Clone)]
struct Progressed {
    key: Option<CacheKey>,
    outcome: Outcome,
    reasons: Vec<Reason>,
    took: Duration,
    record: Option<StepRecord>,
    timing: Option<Timing>,
    resources: Option<Resources>,
    layer: Option<StepLayer>,
}

/// A step that is about to be executed.
pub(super) struct Miss<'a> {
    pub step: StepId,
    pub key: CacheKey,
    pub parent: &'a Stack,
    pub facts: Vec<Fact>,
    pub ignores_cache: bool,
}

impl<'a> Explainer<'a> {
    pub fn new(about: Explained<'a>) -> Self {
        let nothing = Progressed {
            key: None,
            outcome: Outcome::NotReached,
            reasons: Vec::new(),
            took: Duration::ZERO,
            record: None,
            timing: None,
            resources: None,
            layer: None,
        };
        Self {
            steps: Mutex::new(vec![nothing; about.plan.steps.len()]),
            about,
            concealer: OnceLock::new(),
            row: OnceLock::new(),
            previous: OnceLock::new(),
            begun: Instant::now(),
            workers: Mutex::default(),
        }
    }

    /// The step's result was in the cache.
    pub(super) fn taken(&self, step: StepId, key: CacheKey, layer: Option<&StepLayer>) {
        self.update(step, |progressed| {
            (progressed.key, progressed.outcome) = (Some(key), Outcome::Cached);
            progressed.layer = layer.copied();
        });
    }

    /// The step is a base: its name and digest are its key.
    pub(super) fn base(&self, step: StepId) {
        let Some(base) = base_name(self.about.plan, step) else { return };
        let mut hasher = FieldHasher::new("explained-base-1");
        hasher.field(base.name.as_bytes()).field(base.digest.as_bytes());
        self.taken(step, CacheKey::from_bytes(hasher.finish()), None);
    }

    /// Returns why the step is executed.
    pub(super) fn missed(&self, miss: Miss<'_>) -> Vec<Reason> {
        let parent = CacheKey::from_bytes(miss.parent.tree_digest());
        let record = StepRecord { parent, facts: miss.facts };
        let reasons = self.causes(miss.step, &miss.key, &record, miss.ignores_cache);
        self.update(miss.step, |progressed| {
            progressed.key = Some(miss.key);
            progressed.reasons.clone_from(&reasons);
            progressed.record = Some(record);
            progressed.timing = Some(self.timing());
        });
        reasons
    }

    /// The step was executed. Its inputs are stored under its key.
    pub(super) fn made(&self, store: &Store, step: StepId, took: Duration, layer: &StepLayer) {
        let mut kept = None;
        self.update(step, |progressed| {
            progressed.ended(Outcome::Executed, took);
            progressed.layer = Some(*layer);
            kept = progressed.key.zip(progressed.record.clone());
        });
        if let Some((key, record)) = kept {
            keep_record(store, &key, &record);
        }
    }

    /// The same result is also recorded under this key.
    pub(super) fn also_known_as(&self, store: &Store, step: StepId, key: &CacheKey) {
        let (mut record, mut known_as) = (None, None);
        self.update(step, |progressed| {
            record.clone_from(&progressed.record);
            known_as = progressed.key.replace(*key);
        });
        match (record, known_as) {
            (Some(record), _) => keep_record(store, key, &record),
            (None, Some(first)) => {
                // A failure only makes a later explanation less precise.
                let _ = store.copy_step_record(&first, key);
            }
            (None, None) => {}
        }
    }

    pub(super) fn failed(&self, step: StepId, took: Duration) {
        self.update(step, |progressed| progressed.ended(Outcome::Failed, took));
    }

    /// The resources that the step's program used.
    pub(super) fn used(&self, step: StepId, resources: &Resources) {
        self.update(step, |progressed| progressed.resources = Some(resources.clone()));
    }

    /// The timing of something that begins now, on this thread.
    fn timing(&self) -> Timing {
        let own = std::thread::current().id();
        let mut workers = self.workers.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let place = workers.iter().position(|worker| *worker == own).unwrap_or_else(|| {
            workers.push(own);
            workers.len() - 1
        });
        let began = microseconds(self.begun.elapsed());
        Timing { began, ended: began, worker: u32::try_from(place).unwrap_or(u32::MAX) }
    }

    /// Writes the report of this build and returns its number. `image` is the result, unless the build failed.
    pub fn finish(&self, store: &Store, image: Option<&ImageId>) -> Option<i64> {
        // A lost explanation does not make the build fail.
        self.write_down(store, image).ok()
    }

    fn write_down(&self, store: &Store, image: Option<&ImageId>) -> Result<i64, crate::store::StoreError> {
        let steps = self.lock().clone();
        let keys: Vec<CacheKey> = steps.iter().filter_map(|step| step.key).collect();
        let bytes: Vec<u8> = keys.iter().flat_map(|key| *key.as_bytes()).collect();
        let did_nothing = steps.iter().all(|step| step.outcome == Outcome::Cached || step.key.is_none());
        if let Some(row) = self.row()
            && did_nothing
            && image.is_some()
            && row.keys == bytes
            && row.image.as_ref() == image
        {
            store.note_last_build(row.id)?;
            // A write to the database costs more than the rest of a build that does nothing.
            if crate::store::now() - row.repeated_at >= NOTE_USE_EVERY {
                store.touch_cache_records(&keys)?;
                store.repeat_build(row.id)?;
            }
            return Ok(row.id);
        }
        let (mut dockerfile, warnings) = (self.about.file)();
        dockerfile.text = self.concealer().conceal(&dockerfile.text);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let report = BuildReport {
            subject: self.concealer().conceal(&self.about.subject),
            platform: self.about.platform.clone(),
            began: i64::try_from(microseconds(now.saturating_sub(self.begun.elapsed()))).unwrap_or(i64::MAX),
            dockerfile: Some(dockerfile),
            warnings,
            steps: steps.into_iter().enumerate().map(|(index, step)| self.step_report(index, step)).collect(),
        };
        let report = serde_json::to_string(&report).unwrap_or_default();
        store.touch_cache_records(&keys)?;
        let id = store.add_build(&self.about.name, image, &bytes, &report)?;
        store.note_last_build(id)?;
        Ok(id)
    }

    /// A step that was not reached keeps its earlier key, to compare the next build with the last one that reached it.
    fn step_report(&self, index: usize, step: Progressed) -> StepReport {
        let before = self.previous().step(index);
        let earlier = match step.key {
            None => before.and_then(|before| before.key),
            key => key,
        };
        let planned = &self.about.plan.steps[index];
        let is_same = |before: &&StepReport| step.outcome == Outcome::Cached && before.key == step.key;
        let saved = before.filter(is_same).map_or(0, |before| before.milliseconds.max(before.saved_milliseconds));
        let lines = (planned.lines.first, planned.lines.last);
        StepReport {
            name: self.concealer().conceal(&self.about.plan.steps[index].name),
            outcome: step.outcome,
            key: earlier,
            base: base_name(self.about.plan, StepId(index)),
            reasons: step.reasons,
            milliseconds: u64::try_from(step.took.as_millis()).unwrap_or(u64::MAX),
            saved_milliseconds: saved,
            inputs: planned.operation.inputs().iter().map(|input| input.0).collect(),
            lines: Some(lines).filter(|(first, _)| *first > 0),
            timing: step.timing,
            resources: step.resources,
            layer: step.layer.map(|layer| layer.diff_id),
            layer_bytes: step.layer.map_or(0, |layer| layer.content_size),
        }
    }

    /// Knows everything that looks like a secret in this build.
    pub(super) fn concealer(&self) -> &Concealer {
        self.concealer.get_or_init(|| {
            let mut concealer = Concealer::default();
            concealer.learn(self.about.build_args.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            for step in &self.about.plan.steps {
                if let Operation::Run(run) = &step.operation {
                    let variables = run.environment.iter().chain(&run.proxies);
                    concealer.learn(variables.map(|(name, value)| (name.as_str(), value.as_str())));
                }
            }
            concealer
        })
    }

    fn row(&self) -> Option<&BuildRow> {
        self.row.get_or_init(|| self.about.store.previous_build(&self.about.name).unwrap_or(None)).as_ref()
    }

    fn update(&self, step: StepId, change: impl FnOnce(&mut Progressed)) {
        if let Some(progressed) = self.lock().get_mut(step.0) {
            change(progressed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Progressed>> {
        self.steps.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Progressed {
    fn ended(&mut self, outcome: Outcome, took: Duration) {
        (self.outcome, self.took) = (outcome, took);
        if let Some(timing) = &mut self.timing {
            timing.ended = timing.began + microseconds(took);
        }
    }
}

fn keep_record(store: &Store, key: &CacheKey, record: &StepRecord) {
    if let Ok(text) = serde_json::to_string(record) {
        // Without it a later build explains less.
        let _ = store.add_step_record(key, &text);
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What the base step refers to; `None` for other steps and for `scratch`.
fn base_name(plan: &Plan, step: StepId) -> Option<BaseName> {
    let step = &plan.steps[step.0];
    match &step.operation {
        Operation::Base { image: Some(image), .. } => {
            Some(BaseName { name: image.name.clone(), digest: image.digest.clone() })
        }
        _ => None,
    }
}
