//! Builds that are remembered: what was built, when, how long it took, what it printed and why it failed.
//!
//! Whoever builds puts a [`Recorder`] between the build and its observer. A build that has nothing to do costs a line of a
//! journal; the steps of the others are in the reports by which builds explain themselves. No secret is written down.

mod bundle;
mod log;
mod recorder;
mod trace;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::io_error::IoError;
use crate::build::explain::{BuildReport, Outcome};
use crate::store::{History, Store, StoreError};

pub use bundle::{export, log as log_of};
pub use log::{Entry, Happening, read as read_log};
pub use recorder::Recorder;
pub use trace::spans;

/// How a build ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It made its image.
    Completed,
    /// It failed.
    Error,
    /// Its user gave up.
    Canceled,
}

/// Why a build failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// One line.
    pub message: String,
    /// The step that failed, as it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The lines of the Dockerfile.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
}

/// A build that is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRecord {
    /// `BUILDER/NODE/`, and what the build is known by in it.
    pub builder: String,
    /// What the build is known by among its builder's.
    pub id: String,
    /// As buildx calls it: by its context, its Dockerfile and its target.
    pub name: String,
    /// The context: a path or an address.
    pub context: String,
    /// The Dockerfile's path.
    pub dockerfile: String,
    /// The stage that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What was built for.
    pub platforms: Vec<String>,
    /// When it began.
    pub started: Timestamp,
    /// How long it took.
    pub nanoseconds: u64,
    /// How it ended.
    pub status: Status,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Steps: all, those that came to their end, and those of them that were in the cache.
    pub total: usize,
    /// Steps that came to their end.
    pub completed: usize,
    /// Steps whose results were in the cache.
    pub cached: usize,
    /// Findings of the checks.
    pub warnings: usize,
    /// The image's names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// `--build-arg`, without the values of secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub build_args: BTreeMap<String, String>,
    /// `--label`
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The image's ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The report that has its steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<i64>,
}

/// Why builds that are remembered cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("no build `{reference}` is remembered")]
    Unknown { reference: String },
    #[error("no build is remembered")]
    Nothing,
    #[error("`{reference}` begins the names of {count} builds")]
    Ambiguous { reference: String, count: usize },
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot write the builds")]
    Write(#[from] std::io::Error),
}

impl BuildRecord {
    /// Of a line of the journal; nothing when it can't be read.
    pub fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    /// `BUILDER/NODE/ID`
    pub fn reference(&self) -> String {
        format!("{}{}", self.builder, self.id)
    }

    /// When it ended.
    pub fn ended(&self) -> Timestamp {
        let took = jiff::SignedDuration::from_nanos(i64::try_from(self.nanoseconds).unwrap_or(i64::MAX));
        self.started.checked_add(took).unwrap_or(self.started)
    }
}

/// All builds that are remembered, the newest first. A line that can't be read is none.
pub fn list(store: &Store) -> Result<Vec<BuildRecord>, HistoryError> {
    let lines = History::of(store.root()).lines()?;
    Ok(lines.iter().rev().filter_map(|line| BuildRecord::parse(line)).collect())
}

/// The build that is meant: by its name or the beginning of it, with or without the builder's; `^N` for the N-th before the
/// last, and nothing for the last.
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

/// What the build did, step by step; nothing when its report is kept no longer.
pub fn report(store: &Store, record: &BuildRecord) -> Result<Option<BuildReport>, HistoryError> {
    let Some(row) = record.report.map(|id| store.build_report(id)).transpose()?.flatten() else { return Ok(None) };
    let Ok(mut report) = serde_json::from_str::<BuildReport>(&row) else { return Ok(None) };
    // It was written when the build had something to do; this one found all of that.
    if record.status == Status::Completed && record.cached == record.total {
        for step in &mut report.steps {
            (step.outcome, step.milliseconds) = (Outcome::Cached, 0);
            step.reasons.clear();
        }
    }
    Ok(Some(report))
}

/// Forgets builds, with their logs.
pub fn remove(store: &Store, ids: &[String]) -> Result<(), HistoryError> {
    let history = History::of(store.root());
    let is_kept = |line: &str| BuildRecord::parse(line).is_some_and(|record| !ids.contains(&record.id));
    history.retain(is_kept)?;
    Ok(ids.iter().try_for_each(|id| history.remove_log(id))?)
}
