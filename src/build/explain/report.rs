//! What a build did, step by step, as it is kept and told again.

use serde::{Deserialize, Serialize};

use super::Reason;
use super::reason::BaseName;
use crate::base::digest::CacheKey;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Cached,
    Executed,
    Failed,
    /// The build ended before it was its turn.
    NotReached,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildReport {
    /// What was built, as the user named it.
    pub subject: String,
    pub platform: String,
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
