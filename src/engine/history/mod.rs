//! Builds that are remembered: what was built, when, how long it took, what it printed and why it failed.
//!
//! Whoever builds puts a [`Recorder`] between the build and its observer. A build that has nothing to do costs a line of a
//! journal; the steps of the others are in the reports by which builds explain themselves. No secret is written down.

mod bundle;
mod comparison;
mod document;
mod files;
mod graph;
mod lines;
mod list;
mod log;
mod recorder;
mod spans;
mod trace;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::io_error::IoError;
use crate::store::StoreError;

pub use bundle::{export, log as log_of};
pub use comparison::{Comparison, Row};
pub use document::{Document, Step, StepState, document};
pub use files::{LargeFile, LayerUse};
pub use list::{LogState, Remains, find, list, remains, remove, report};
pub use log::{Entry, Happening, Place, places, read as read_log};
pub use recorder::Recorder;
pub use spans::{TraceContext, trace};
pub use trace::spans as jaeger_spans;

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
    /// It is not over.
    Running,
    /// It ended without a word: somebody killed it, or the machine went down.
    Killed,
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
    /// Something was executed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_log: bool,
    /// Why there is none all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_error: Option<String>,
}

/// Why builds that are remembered cannot be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum HistoryError {
    #[error("no build `{reference}` is remembered")]
    Unknown { reference: String },
    #[error("no build is remembered")]
    Nothing,
    #[error("the build `{id}` is still running")]
    Running { id: String },
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
