//! What a build did, step by step, as it is stored and reported.

use serde::{Deserialize, Serialize};

use super::reason::BaseName;
use super::{Reason, Resources};
use crate::base::digest::{CacheKey, DiffId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Cached,
    Executed,
    Failed,
    /// The build ended before the step's turn.
    #[default]
    NotReached,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// As it is shown: `[2/3] RUN make`.
    pub name: String,
    pub outcome: Outcome,
    /// `None` if it never had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<CacheKey>,
    /// Only for the base of a stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseName>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    #[serde(default)]
    pub milliseconds: u64,
    /// For a cached step: how long its execution took, if that is known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub saved_milliseconds: u64,
    /// The indexes of the steps whose results it starts from or takes files from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<usize>,
    /// The first and the last line of its instruction; `None` if it is in no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<(u32, u32)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// The layer that it made or found in the cache, and the size of its files in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<DiffId>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub layer_bytes: u64,
}

/// The start and end of an execution in microseconds since [`BuildReport::began`], and the worker that ran it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    pub began: u64,
    pub ended: u64,
    pub worker: u32,
}

/// A Dockerfile, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub name: String,
    pub text: String,
}

/// A warning of the lint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportWarning {
    pub line: u32,
    pub rule: String,
    pub detail: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildReport {
    /// What was built, as the user named it.
    pub subject: String,
    pub platform: String,
    /// Microseconds since 1970.
    #[serde(default)]
    pub began: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<Source>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<ReportWarning>,
    pub steps: Vec<StepReport>,
}

impl StepReport {
    /// The instruction without its number.
    pub fn text(&self) -> &str {
        text_of(&self.name)
    }
}

/// The instruction of a step that is shown as `[2/3] RUN make`.
pub fn text_of(name: &str) -> &str {
    match name.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((_, text)) => text,
        None => name,
    }
}
