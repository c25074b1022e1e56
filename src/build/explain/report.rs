//! What a build did, step by step, as it is kept and told again.

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
    /// The build ended before it was its turn.
    #[default]
    NotReached,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// As it is shown: `[2/3] RUN make`.
    pub name: String,
    pub outcome: Outcome,
    /// Nothing when it never had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<CacheKey>,
    /// Of the base of a stage only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseName>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    #[serde(default)]
    pub milliseconds: u64,
    /// Of one that is in the cache: how long it took when it was executed, as far as that is remembered.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub saved_milliseconds: u64,
    /// The places of the steps whose results it starts from or takes files of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<usize>,
    /// The first and the last line of its instruction; nothing for what stands in no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<(u32, u32)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// What it made or was found to have made, and the bytes of the files in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<DiffId>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub layer_bytes: u64,
}

/// When an execution began and ended, in microseconds since [`BuildReport::began`], and which of the build's workers had it.
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

/// What the lint has to say of an instruction.
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
    /// The instruction without its place among the others.
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
