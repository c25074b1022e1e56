//! The build history: what was built, when, how long it took, what it printed and why it failed.
//!
//! A face puts a [`Recorder`] between the build and its observer. A fully cached build costs a line in a journal; the
//! steps of others are in the reports that explain builds. Secrets are never stored.

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
    /// It was successful.
    Completed,
    /// It failed.
    Error,
    /// Its user cancelled it.
    Canceled,
    /// It has not ended.
    Running,
    /// It ended without a record: it was killed, or the machine went down.
    Killed,
}

/// Why a build failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// One line.
    pub message: String,
    /// The failed step, as shown by progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The excerpt of the Dockerfile.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
}

/// A build in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRecord {
    /// The builder's prefix of the reference, `BUILDER/NODE/`.
    pub builder: String,
    /// The build's ID within its builder.
    pub id: String,
    /// buildx's name of the build: from its context, Dockerfile and target.
    pub name: String,
    /// The context: a path or a URL.
    pub context: String,
    /// The Dockerfile's path.
    pub dockerfile: String,
    /// The requested target stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The platforms it was built for.
    pub platforms: Vec<String>,
    /// When it started.
    pub started: Timestamp,
    /// How long it took.
    pub nanoseconds: u64,
    /// How it ended.
    pub status: Status,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The number of all steps.
    pub total: usize,
    /// The number of finished steps.
    pub completed: usize,
    /// The number of cached steps.
    pub cached: usize,
    /// The number of warnings from checks.
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
    /// The ID of its report, which has the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<i64>,
    /// Whether a step was executed, so that there is a log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_log: bool,
    /// Why there is no log nevertheless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_error: Option<String>,
}

/// Why the build history cannot be shown.
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
    /// Parses a line of the journal; `None` if it is invalid.
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
