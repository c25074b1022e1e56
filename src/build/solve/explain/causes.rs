//! Finds out why a step is executed.

use crate::base::digest::CacheKey;
use crate::build::explain::{
    BaseName, BuildReport, FactKind, FileChanges, FileList, Outcome, Reason, StepRecord, StepReport, counterparts,
    differences,
};
use crate::language::plan::{NoCache, Operation, StepId};
use crate::store::Absence;

use super::{Explainer, base_name};

/// How many files are named.
const SHOWN_FILES: usize = 4;

/// The build that this one is compared with.
#[derive(Debug, Default)]
pub(super) struct Previous {
    report: Option<BuildReport>,
    /// For each step of this build its index in that one.
    counterparts: Vec<Option<usize>>,
}

impl Previous {
    /// The step in the previous build.
    pub fn step(&self, index: usize) -> Option<&StepReport> {
        let place = (*self.counterparts.get(index)?)?;
        self.report.as_ref()?.steps.get(place)
    }
}

impl Explainer<'_> {
    pub(super) fn previous(&self) -> &Previous {
        self.previous.get_or_init(|| {
            let report = self.row().and_then(|row| serde_json::from_str::<BuildReport>(&row.report).ok());
            let Some(report) = report else { return Previous::default() };
            let old: Vec<&str> = report.steps.iter().map(StepReport::text).collect();
            let names: Vec<String> =
                self.about.plan.steps.iter().map(|step| self.concealer().conceal(&step.name)).collect();
            let texts: Vec<&str> = names.iter().map(|name| crate::build::explain::text_of(name)).collect();
            let counterparts = counterparts(&old, &texts);
            Previous { report: Some(report), counterparts }
        })
    }

    pub(super) fn causes(&self, step: StepId, key: &CacheKey, record: &StepRecord, ignores_cache: bool) -> Vec<Reason> {
        if ignores_cache {
            return vec![self.why_ignored(step)];
        }
        let before = self.previous().step(step.0);
        if before.is_some_and(|before| before.outcome == Outcome::Failed && before.key == Some(*key)) {
            return vec![Reason::FailedBefore];
        }
        let was_begun = before.is_some_and(|before| before.outcome == Outcome::NotReached && before.key == Some(*key));
        match self.about.store.why_not_cached(key) {
            Ok(Absence::Evicted { by, at }) => return vec![Reason::Evicted { by, at }],
            Ok(Absence::Unsynced) => return vec![Reason::Unsynced],
            Ok(Absence::LayerGone) => return vec![Reason::LayerGone],
            Ok(Absence::Never) | Err(_) if was_begun => return vec![Reason::NotFinished],
            Ok(Absence::Never) | Err(_) => {}
        }
        let Some(before) = before else {
            let known = self.previous().report.is_some();
            return vec![if known { Reason::NewInstruction } else { Reason::FirstTime }];
        };
        match before.key.and_then(|key| self.step_record(&key)) {
            Some(earlier) => {
                let reasons = self.compare(step, &earlier, record);
                if reasons.is_empty() { vec![Reason::OtherKeys] } else { reasons }
            }
            None if before.key.is_none() => vec![Reason::FirstTime],
            None => self.without_record(step, before),
        }
    }

    /// The step has no record, for example because it failed: its text, the steps below and its outcome explain
    /// something too.
    fn without_record(&self, step: StepId, before: &StepReport) -> Vec<Reason> {
        let now = self.concealer().conceal(&self.about.plan.steps[step.0].name);
        let (was, now) = (before.text(), crate::build::explain::text_of(&now));
        if was != now {
            let (was, now) = (Some(was.to_owned()), Some(now.to_owned()));
            let kind = FactKind::Instruction;
            return vec![Reason::Differs { kind, name: String::new(), was, now, concealed: false }];
        }
        match self.why_other_parent(step) {
            Some(reason) if self.is_below_changed(step) => vec![reason],
            _ if before.outcome == Outcome::Failed => vec![Reason::FailedBefore],
            _ => vec![Reason::Unknown],
        }
    }

    /// Whether a step below has a different key, or was executed.
    fn is_below_changed(&self, step: StepId) -> bool {
        let mut next = parent(&self.about.plan.steps[step.0].operation);
        while let Some(below) = next {
            let (key, outcome) = {
                let steps = self.lock();
                (steps[below.0].key, steps[below.0].outcome)
            };
            let before = self.previous().step(below.0).and_then(|step| step.key);
            if outcome == Outcome::Executed || before != key {
                return true;
            }
            next = parent(&self.about.plan.steps[below.0].operation);
        }
        false
    }

    fn why_ignored(&self, step: StepId) -> Reason {
        let name = &self.about.plan.steps[step.0].name;
        match self.about.no_cache {
            NoCache::Stages(stages) => {
                let stage =
                    stages.iter().find(|stage| name.to_lowercase().starts_with(&format!("[{} ", stage.to_lowercase())));
                Reason::NoCacheFilter { stage: stage.unwrap_or(&stages.join(",")).clone() }
            }
            _ => Reason::NoCache,
        }
    }

    fn step_record(&self, key: &CacheKey) -> Option<StepRecord> {
        let text = self.about.store.step_record(key).ok()??;
        serde_json::from_str(&text).ok()
    }

    fn compare(&self, step: StepId, was: &StepRecord, now: &StepRecord) -> Vec<Reason> {
        let found = differences(was, now);
        let mut reasons = found.reasons;
        for (source, was, now) in found.files {
            reasons.push(Reason::Files { source, changes: self.file_changes(&was, &now) });
        }
        if found.parent {
            reasons.extend(self.why_other_parent(step));
        }
        reasons
    }

    /// Empty if one of the lists is missing.
    fn file_changes(&self, was: &CacheKey, now: &CacheKey) -> FileChanges {
        let list = |digest: &CacheKey| {
            self.about.store.file_list(digest.as_bytes()).ok().flatten().and_then(|bytes| FileList::from_bytes(&bytes))
        };
        match (list(was), list(now)) {
            (Some(was), Some(now)) => was.changes(&now, SHOWN_FILES),
            _ => FileChanges::default(),
        }
    }

    /// Walks down to the nearest step below that was executed, or else to the lowest one that differs: results from the
    /// cache may differ because of what is below them.
    fn why_other_parent(&self, step: StepId) -> Option<Reason> {
        let plan = self.about.plan;
        let mut next = parent(&plan.steps[step.0].operation)?;
        let mut lowest = None;
        let nearest = next;
        let removed = || self.removed_step().map(|step| Reason::StepRemoved { step });
        let changed = |step: StepId| Reason::StepBefore { step: self.concealer().conceal(&plan.steps[step.0].name) };
        loop {
            let below = &plan.steps[next.0];
            if let Operation::Base { .. } = below.operation {
                let base = self.why_other_base(next);
                return Some(base.or_else(|| lowest.map(changed)).or_else(removed).unwrap_or_else(|| changed(nearest)));
            }
            let (key, outcome) = {
                let steps = self.lock();
                (steps[next.0].key, steps[next.0].outcome)
            };
            let before = self.previous().step(next.0).and_then(|step| step.key);
            if outcome == Outcome::Executed && !below.name.is_empty() {
                return Some(changed(next));
            }
            if before != key {
                lowest = Some(next);
            }
            next = parent(&below.operation)?;
        }
    }

    /// `None` if the base is unchanged.
    fn why_other_base(&self, step: StepId) -> Option<Reason> {
        let scratch = || BaseName { name: "scratch".to_owned(), digest: String::new() };
        let now = base_name(self.about.plan, step).unwrap_or_else(scratch);
        let report = self.previous().report.as_ref()?;
        let was = self.previous().step(step.0).map(|step| step.base.clone().unwrap_or_else(scratch));
        match was {
            Some(was) if was != now && report.platform != self.about.platform && was.name == now.name => {
                Some(Reason::Platform { was: report.platform.clone(), now: self.about.platform.clone() })
            }
            Some(was) if was != now => Some(Reason::Base { was, now }),
            _ => None,
        }
    }

    /// A step of the previous build that is missing in this one.
    fn removed_step(&self) -> Option<String> {
        let previous = self.previous();
        let steps = previous.report.iter().flat_map(|report| report.steps.iter().enumerate());
        let is_gone = |index: usize| !previous.counterparts.contains(&Some(index));
        let mut gone = steps.filter(|(index, step)| is_gone(*index) && !step.name.is_empty());
        gone.next().map(|(_, step)| step.name.clone())
    }
}

fn parent(operation: &Operation) -> Option<StepId> {
    match operation {
        Operation::Base { .. } => None,
        Operation::Run(step) => Some(step.parent),
        Operation::Copy(step) => Some(step.parent),
        Operation::Directory(step) => Some(step.parent),
    }
}
