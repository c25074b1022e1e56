//! The builds in the history: finished ones have a line in the journal; running and killed ones have a log that
//! identifies the build.

use std::collections::HashSet;
use std::time::SystemTime;

use jiff::Timestamp;

use super::log::{self, Happening};
use super::{BuildRecord, HistoryError, Status};
use crate::build::explain::{BuildReport, Outcome};
use crate::store::{History, Store};

/// All builds, newest first. Unreadable lines are skipped.
pub fn list(store: &Store) -> Result<Vec<BuildRecord>, HistoryError> {
    let history = History::of(store.root());
    // Read before the lines: a build has its line before its log is closed.
    let logs = history.logs();
    let lines = history.lines()?;
    let mut all: Vec<BuildRecord> = lines.iter().rev().filter_map(|line| BuildRecord::parse(line)).collect();
    let known: HashSet<String> = all.iter().map(|record| record.id.clone()).collect();
    all.extend(logs.iter().filter(|id| !known.contains(*id)).filter_map(|id| without_end(&history, id)));
    all.sort_by_key(|record| std::cmp::Reverse(record.started));
    Ok(all)
}

/// A build whose end was not recorded, from its log.
fn without_end(history: &History, id: &str) -> Option<BuildRecord> {
    let is_written = history.is_written(id);
    let file = history.log(id).ok()??;
    let written = file.metadata().and_then(|status| status.modified()).unwrap_or_else(|_| SystemTime::now());
    let first = log::read(file).next().filter(|entry| entry.what == Happening::Build)?;
    let mut record: BuildRecord = serde_json::from_slice(&first.bytes).ok()?;
    if record.id != id {
        return None;
    }
    let last = if is_written { Timestamp::now() } else { Timestamp::try_from(written).unwrap_or(record.started) };
    let took = last.as_nanosecond() - record.started.as_nanosecond();
    record.nanoseconds = u64::try_from(took).unwrap_or(0);
    record.status = if is_written { Status::Running } else { Status::Killed };
    let mut ends = [0, 0];
    for place in log::places(history.log(id).ok()??) {
        match place.what {
            Happening::Cached => ends[0] += 1,
            Happening::Done => ends[1] += 1,
            _ => {}
        }
    }
    (record.cached, record.completed) = (ends[0], ends[0] + ends[1]);
    Some(record)
}

/// Finds a build by its reference or a prefix of it, with or without the builder's prefix; `^N` is the N-th before the
/// last, and an empty reference the last.
pub fn find(store: &Store, reference: &str) -> Result<BuildRecord, HistoryError> {
    let all = list(store)?;
    if all.is_empty() {
        return Err(HistoryError::Nothing);
    }
    let unknown = || HistoryError::Unknown { reference: reference.to_owned() };
    let place = if reference.is_empty() { Some(Ok(0)) } else { reference.strip_prefix('^').map(str::parse::<usize>) };
    if let Some(place) = place {
        return place.ok().and_then(|place| all.into_iter().nth(place)).ok_or_else(unknown);
    }
    let is_meant = |record: &&BuildRecord| record.id.starts_with(reference) || record.reference() == reference;
    let found: Vec<&BuildRecord> = all.iter().filter(is_meant).collect();
    match found.as_slice() {
        [] => Err(unknown()),
        [one] => Ok((*one).clone()),
        several => match several.iter().find(|record| record.id == reference) {
            Some(same) => Ok((*same).clone()),
            None => Err(HistoryError::Ambiguous { reference: reference.to_owned(), count: several.len() }),
        },
    }
}

/// What the build did, step by step; `None` if its report was removed or never written.
pub fn report(store: &Store, record: &BuildRecord) -> Result<Option<BuildReport>, HistoryError> {
    let Some(row) = record.report.map(|id| store.build_report(id)).transpose()?.flatten() else { return Ok(None) };
    let Ok(mut report) = serde_json::from_str::<BuildReport>(&row) else { return Ok(None) };
    // The report is from a build that had work to do; in this one, everything was cached.
    if record.status == Status::Completed && record.cached == record.total {
        for step in &mut report.steps {
            step.saved_milliseconds = step.saved_milliseconds.max(step.milliseconds);
            (step.outcome, step.milliseconds) = (Outcome::Cached, 0);
            (step.timing, step.resources) = (None, None);
            step.reasons.clear();
        }
    }
    Ok(Some(report))
}

/// What still exists of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// What its steps printed.
    pub log: LogState,
    /// Whether its report exists; `None` for a build that never got that far.
    pub report: Option<bool>,
    /// Whether its image exists; it may have been removed since.
    pub image: Option<bool>,
}

/// The state of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogState {
    /// It can be read.
    There,
    /// Nothing was executed.
    Never,
    /// It was removed to free space.
    Gone,
    /// It could not be created.
    Failed(String),
}

/// Checks what still exists.
pub fn remains(store: &Store, record: &BuildRecord) -> Result<Remains, HistoryError> {
    let log = match (&record.log_error, History::of(store.root()).log(&record.id)?) {
        (Some(why), _) => LogState::Failed(why.clone()),
        (None, Some(_)) => LogState::There,
        (None, None) if record.has_log => LogState::Gone,
        (None, None) => LogState::Never,
    };
    let report = match record.report {
        Some(id) => Some(store.build_report(id)?.is_some()),
        None => None,
    };
    let image = match record.image.as_ref().and_then(|id| id.parse().ok()) {
        Some(id) => Some(store.image(&id)?.is_some()),
        None => None,
    };
    Ok(Remains { log, report, image })
}

impl Remains {
    /// What is missing, in sentences.
    pub fn notes(&self) -> Vec<String> {
        let gone = [
            (self.log == LogState::Gone, "its log was removed since"),
            (self.report == Some(false), "what its steps did is kept no longer"),
            (self.image == Some(false), "its image was removed from the store since, or went elsewhere"),
        ];
        let mut notes: Vec<String> =
            gone.iter().filter(|(is_gone, _)| *is_gone).map(|(_, text)| (*text).to_owned()).collect();
        if let LogState::Failed(why) = &self.log {
            notes.push(format!("its log could not be written: {why}"));
        }
        notes
    }
}

/// Removes builds with their logs. A running build can't be removed.
pub fn remove(store: &Store, ids: &[String]) -> Result<(), HistoryError> {
    let history = History::of(store.root());
    if let Some(id) = ids.iter().find(|id| history.is_written(id)) {
        return Err(HistoryError::Running { id: id.clone() });
    }
    let is_kept = |line: &str| BuildRecord::parse(line).is_some_and(|record| !ids.contains(&record.id));
    history.retain(is_kept)?;
    Ok(ids.iter().try_for_each(|id| history.remove_log(id))?)
}
