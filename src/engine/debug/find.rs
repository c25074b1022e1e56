//! Finds the step of a build.

use super::{DebugError, Found, Which};
use crate::build::{StepsRecord, kept_project};
use crate::engine::history::{self, BuildRecord, HistoryError, Status};
use crate::store::{KeptSteps, Store};

/// A step, and whether it can be entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRow {
    /// In the Dockerfile.
    pub line: u32,
    /// As shown by progress.
    pub title: String,
    /// The build ended with it.
    pub is_failed: bool,
    /// The build reached it.
    pub is_reached: bool,
}

/// Finds the step. Without a build, in the last one whose steps are kept.
pub fn find(store: &Store, which: Which<'_>) -> Result<Found, DebugError> {
    let (kept, record) = open(store, which.build)?;
    let step = match which.step {
        Some(text) => step_of(&record, text)?,
        None => usual(&record),
    };
    Ok(Found { kept, record, step })
}

/// Whether it is from the last build, or from one that the last build took from the cache.
pub fn is_of_last(store: &Store, found: &Found) -> bool {
    let Ok(last) = history::find(store, "") else { return true };
    kept_of(&store.kept_steps(), &last).is_some_and(|name| name.rsplit('-').next() == Some(&found.record.build))
}

/// The steps of a build.
pub fn steps(store: &Store, build: Option<&str>) -> Result<(String, Vec<StepRow>), DebugError> {
    let (_, record) = open(store, build)?;
    let rows = shown(&record).map(|index| {
        let step = &record.steps[index];
        let is_failed = record.failed == Some(index);
        let is_reached = is_failed || record.result(index).is_some();
        StepRow { line: step.lines.0, title: step.title.clone(), is_failed, is_reached }
    });
    Ok((record.build.clone(), rows.collect()))
}

/// The failed step, or the last one with a result.
fn usual(record: &StepsRecord) -> usize {
    let done = || shown(record).filter(|index| record.result(*index).is_some()).last();
    record.failed.or_else(done).unwrap_or_default()
}

/// The steps with a line in the Dockerfile.
fn shown(record: &StepsRecord) -> impl Iterator<Item = usize> {
    (0..record.steps.len()).filter(|index| record.steps[*index].lines.0 > 0)
}

fn step_of(record: &StepsRecord, text: &str) -> Result<usize, DebugError> {
    let titles = |places: &[usize]| {
        let line = |index: &usize| format!("  line {}: {}", record.steps[*index].lines.0, record.steps[*index].title);
        places.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    let found: Vec<usize> = match text.parse::<u32>() {
        Ok(line) => shown(record).filter(|index| is_at(record.steps[*index].lines, line)).collect(),
        Err(_) => {
            let wanted = text.to_lowercase();
            shown(record).filter(|index| record.steps[*index].title.to_lowercase().contains(&wanted)).collect()
        }
    };
    match found.as_slice() {
        [one] => Ok(*one),
        [] => {
            let all: Vec<usize> = shown(record).collect();
            Err(DebugError::NoStep { step: text.to_owned(), titles: titles(&all) })
        }
        // Of several platforms, the one that failed.
        several => match record.failed.filter(|failed| several.contains(failed)) {
            Some(failed) => Ok(failed),
            None => Err(DebugError::Ambiguous { step: text.to_owned(), titles: titles(several) }),
        },
    }
}

fn is_at((first, last): (u32, u32), line: u32) -> bool {
    (first..=last).contains(&line)
}

fn open(store: &Store, build: Option<&str>) -> Result<(KeptSteps, StepsRecord), DebugError> {
    let all = store.kept_steps();
    let name = match build.filter(|build| !build.is_empty()) {
        None => {
            let first = all.first().ok_or(DebugError::Nothing)?;
            let last = history::find(store, "").ok().and_then(|last| kept_of(&all, &last));
            last.unwrap_or(first)
        }
        Some(build) => named(store, &all, build)?,
    };
    let id = name.rsplit('-').next().unwrap_or_default().to_owned();
    let kept = store.open_kept_steps(name)?.ok_or_else(|| DebugError::InUse { build: id.clone() })?;
    let record = StepsRecord::parse(&kept.record()?).ok_or(DebugError::OtherVersion { build: id })?;
    Ok((kept, record))
}

/// The build's own steps; if it was entirely cached, those of the last build of the same project.
fn named<'a>(store: &Store, all: &'a [String], build: &str) -> Result<&'a String, DebugError> {
    let own = |id: &str| all.iter().find(|name| name.rsplit('-').next() == Some(id));
    let record = match history::find(store, build) {
        Ok(record) => record,
        // The history may be shorter than the kept steps.
        Err(HistoryError::Unknown { .. } | HistoryError::Nothing) if own(build).is_some() => {
            return own(build).ok_or(DebugError::Nothing);
        }
        Err(error) => return Err(error.into()),
    };
    kept_of(all, &record).ok_or(DebugError::NotKept { build: record.id.clone() })
}

fn kept_of<'a>(all: &'a [String], build: &BuildRecord) -> Option<&'a String> {
    let project = kept_project(&build.context, &build.dockerfile, build.target.as_deref());
    let was_cached = build.status == Status::Completed && build.cached == build.total;
    let is_like_it = |name: &&String| was_cached && name.split('-').next() == Some(&project);
    let own = all.iter().find(|name| name.rsplit('-').next() == Some(&build.id));
    own.or_else(|| all.iter().find(is_like_it))
}
