//! Why each step of this build is executed: compares what it is made from with what it was made from the last time.
//!
//! Nothing here decides anything, and nothing is computed for a step that is in the cache. What cannot be read or
//! written is left out: a build does not fail because it cannot explain itself.

mod causes;
mod facts;
mod lists;

use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use crate::base::digest::{CacheKey, FieldHasher, ImageId};
use crate::build::explain::{BaseName, BuildReport, Concealer, Fact, Outcome, Reason, StepRecord, StepReport};
use crate::language::plan::{NoCache, Operation, Plan, StepId};
use crate::store::snapshot::Stack;
use crate::store::{BuildName, BuildRow, Store};

use causes::Previous;

pub(super) use facts::mount_fact;
pub(super) use lists::listed;

/// Uses of cache records are noted when this many seconds have passed since they were last.
const NOTE_USE_EVERY: i64 = 3600;

/// What is built, for whoever explains it.
pub struct Explained<'a> {
    pub store: &'a Store,
    pub plan: &'a Plan,
    pub name: BuildName,
    /// As the user named it.
    pub subject: String,
    pub platform: String,
    pub no_cache: &'a NoCache,
    /// What the user gave as `--build-arg`: some of it may be secret.
    pub build_args: &'a std::collections::BTreeMap<String, String>,
}

/// Follows one build.
pub struct Explainer<'a> {
    about: Explained<'a>,
    steps: Mutex<Vec<Progressed>>,
    concealer: OnceLock<Concealer>,
    row: OnceLock<Option<BuildRow>>,
    previous: OnceLock<Previous>,
}

/// How far a step has come.
#[derive(Debug, Clone)]
struct Progressed {
    key: Option<CacheKey>,
    outcome: Outcome,
    reasons: Vec<Reason>,
    took: Duration,
    record: Option<StepRecord>,
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
        };
        Self {
            steps: Mutex::new(vec![nothing; about.plan.steps.len()]),
            about,
            concealer: OnceLock::new(),
            row: OnceLock::new(),
            previous: OnceLock::new(),
        }
    }

    /// The step's result was there.
    pub(super) fn taken(&self, step: StepId, key: CacheKey) {
        self.update(step, |progressed| (progressed.key, progressed.outcome) = (Some(key), Outcome::Cached));
    }

    /// The step is a base: its name and what that stands for are its key.
    pub(super) fn base(&self, step: StepId) {
        let Some(base) = base_name(self.about.plan, step) else { return };
        let mut hasher = FieldHasher::new("explained-base-1");
        hasher.field(base.name.as_bytes()).field(base.digest.as_bytes());
        self.taken(step, CacheKey::from_bytes(hasher.finish()));
    }

    /// Says why the step is executed.
    pub(super) fn missed(&self, miss: Miss<'_>) -> Vec<Reason> {
        let parent = CacheKey::from_bytes(miss.parent.tree_digest());
        let record = StepRecord { parent, facts: miss.facts };
        let reasons = self.causes(miss.step, &miss.key, &record, miss.ignores_cache);
        self.update(miss.step, |progressed| {
            progressed.key = Some(miss.key);
            progressed.reasons.clone_from(&reasons);
            progressed.record = Some(record);
        });
        reasons
    }

    /// The step was executed. What it was made from is kept under its key.
    pub(super) fn made(&self, step: StepId, took: Duration) {
        let mut kept = None;
        self.update(step, |progressed| {
            (progressed.outcome, progressed.took) = (Outcome::Executed, took);
            kept = progressed.key.zip(progressed.record.clone());
        });
        if let Some((key, record)) = kept {
            self.keep_record(&key, &record);
        }
    }

    /// The same result is found under this key as well.
    pub(super) fn also_known_as(&self, step: StepId, key: &CacheKey) {
        let (mut record, mut known_as) = (None, None);
        self.update(step, |progressed| {
            record.clone_from(&progressed.record);
            known_as = progressed.key.replace(*key);
        });
        match (record, known_as) {
            (Some(record), _) => self.keep_record(key, &record),
            (None, Some(first)) => {
                // Without it a later build explains less.
                let _ = self.about.store.copy_step_record(&first, key);
            }
            (None, None) => {}
        }
    }

    pub(super) fn failed(&self, step: StepId, took: Duration) {
        self.update(step, |progressed| (progressed.outcome, progressed.took) = (Outcome::Failed, took));
    }

    /// Takes down what this build did, and gives the number of the report that says so. `image` is what it made, unless it
    /// failed.
    pub fn finish(&self, image: Option<&ImageId>) -> Option<i64> {
        // An explanation that is lost is no reason to fail.
        self.write_down(image).ok()
    }

    fn write_down(&self, image: Option<&ImageId>) -> Result<i64, crate::store::StoreError> {
        let store = self.about.store;
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
            // A write to the database costs more than all else of a build that has nothing to do.
            if crate::store::now() - row.repeated_at >= NOTE_USE_EVERY {
                store.touch_cache_records(&keys)?;
                store.repeat_build(row.id)?;
            }
            return Ok(row.id);
        }
        let report = BuildReport {
            subject: self.concealer().conceal(&self.about.subject),
            platform: self.about.platform.clone(),
            steps: steps.into_iter().enumerate().map(|(index, step)| self.step_report(index, step)).collect(),
        };
        let report = serde_json::to_string(&report).unwrap_or_default();
        store.touch_cache_records(&keys)?;
        let id = store.add_build(&self.about.name, image, &bytes, &report)?;
        store.note_last_build(id)?;
        Ok(id)
    }

    /// A step that was not reached keeps the key it had, so that the next build is compared with the last that was.
    fn step_report(&self, index: usize, step: Progressed) -> StepReport {
        let earlier = match step.key {
            None => self.previous().step(index).and_then(|step| step.key),
            key => key,
        };
        StepReport {
            name: self.concealer().conceal(&self.about.plan.steps[index].name),
            outcome: step.outcome,
            key: earlier,
            base: base_name(self.about.plan, StepId(index)),
            reasons: step.reasons,
            milliseconds: u64::try_from(step.took.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn keep_record(&self, key: &CacheKey, record: &StepRecord) {
        if let Ok(text) = serde_json::to_string(record) {
            // Without it a later build explains less.
            let _ = self.about.store.add_step_record(key, &text);
        }
    }

    /// Knows all that looks like a secret in this build.
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

/// What the base step stands for; nothing for other steps and for `scratch`.
fn base_name(plan: &Plan, step: StepId) -> Option<BaseName> {
    let step = &plan.steps[step.0];
    match &step.operation {
        Operation::Base { image: Some(image), .. } => {
            Some(BaseName { name: image.name.clone(), digest: image.digest.clone() })
        }
        _ => None,
    }
}
