//! Why a step was executed, and the words for it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{FactKind, FileChange, FileChangeKind, FileChanges};

/// Longer texts are cut when they are shown.
const SHOWN_TEXT: usize = 80;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum Reason {
    /// `--no-cache`
    NoCache,
    /// `--no-cache-filter`
    NoCacheFilter {
        stage: String,
    },
    /// Nothing like it was ever built here.
    FirstTime,
    /// The build was done before, without this instruction.
    NewInstruction,
    /// It failed the last time.
    FailedBefore,
    /// Its result was removed from the cache.
    Evicted {
        by: String,
        at: i64,
    },
    /// Its result is gone, for an unknown reason.
    LayerGone,
    /// Its result was not yet synced to the disk when the machine went down.
    Unsynced,
    Differs {
        kind: FactKind,
        name: String,
        /// Both are present, unless the thing is new, gone or secret.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        was: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        now: Option<String>,
        /// The values are secret.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        concealed: bool,
    },
    /// `changes` is empty if the files are unknown.
    Files {
        source: String,
        changes: FileChanges,
    },
    /// The base of the stage is another image.
    Base {
        was: BaseName,
        now: BaseName,
    },
    Platform {
        was: String,
        now: String,
    },
    /// The result of a step before it differs.
    StepBefore {
        step: String,
    },
    /// A step before it was removed.
    StepRemoved {
        step: String,
    },
    /// It was started the last time, but did not finish.
    NotFinished,
    /// No compared fact differs: keys are computed differently now.
    OtherKeys,
    /// It was made elsewhere, or so long ago that there is no record.
    Unknown,
}

/// A base image, and what its name referred to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseName {
    pub name: String,
    pub digest: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCache => write!(f, "--no-cache"),
            Self::NoCacheFilter { stage } => write!(f, "--no-cache-filter={stage}"),
            Self::FirstTime => write!(f, "first time seen"),
            Self::NewInstruction => write!(f, "the instruction is new"),
            Self::FailedBefore => write!(f, "it failed the last time"),
            Self::Evicted { by, .. } => write!(f, "evicted: {by} removed its result from the cache"),
            Self::LayerGone => write!(f, "its layer is gone from the store"),
            Self::Unsynced => write!(f, "its result was not safe on the disk when the machine went down"),
            Self::Differs { kind, name, was, now, concealed } => {
                differs(f, *kind, name, (was.as_deref(), now.as_deref()), *concealed)
            }
            Self::Files { source, changes } => files(f, source, changes),
            Self::Base { was, now } if was.name == now.name => {
                write!(f, "base `{}` moved from {} to {}", now.name, was.digest, now.digest)
            }
            Self::Base { was, now } => write!(f, "base was `{}`, now `{}`", was.name, now.name),
            Self::Platform { was, now } => write!(f, "platform was `{was}`, now `{now}`"),
            Self::StepBefore { step } => write!(f, "a step before it changed: {}", shown(step)),
            Self::StepRemoved { step } => write!(f, "a step before it was removed: {}", shown(step)),
            Self::NotFinished => write!(f, "it was not finished the last time"),
            Self::OtherKeys => write!(f, "its result was kept by another version of rbuild"),
            Self::Unknown => write!(f, "it was not built here before, so what changed is not known"),
        }
    }
}

fn differs(
    f: &mut fmt::Formatter<'_>,
    kind: FactKind,
    name: &str,
    values: (Option<&str>, Option<&str>),
    concealed: bool,
) -> fmt::Result {
    let what = match kind {
        FactKind::Instruction => "instruction".to_owned(),
        FactKind::Shell => "SHELL".to_owned(),
        FactKind::Command => return write!(f, "the text of its command changed"),
        FactKind::Argument => format!("ARG `{name}`"),
        FactKind::Environment => format!("ENV `{name}`"),
        FactKind::Setting => name.to_owned(),
        FactKind::Mount => format!("mount `{name}`"),
        FactKind::Text => format!("heredoc `{name}`"),
        FactKind::Remote => format!("what is behind `{name}`"),
        FactKind::Files => format!("`{name}`"),
    };
    match values {
        _ if concealed => write!(f, "{what} changed"),
        (Some(was), Some(now)) if kind == FactKind::Instruction => {
            write!(f, "{what} changed from `{}` to `{}`", shown(was), shown(now))
        }
        (Some(was), Some(now)) => write!(f, "{what} was `{}`, now `{}`", shown(was), shown(now)),
        (None, Some(now)) => write!(f, "{what} is new: `{}`", shown(now)),
        (Some(was), None) => write!(f, "{what} is gone: it was `{}`", shown(was)),
        (None, None) => write!(f, "{what} changed"),
    }
}

fn files(f: &mut fmt::Formatter<'_>, source: &str, changes: &FileChanges) -> fmt::Result {
    if changes.shown.is_empty() {
        return write!(f, "the files of `{source}` changed");
    }
    for (position, change) in changes.shown.iter().enumerate() {
        let comma = if position == 0 { "" } else { ", " };
        write!(f, "{comma}{change}")?;
    }
    if changes.more > 0 {
        write!(f, " and {} more", changes.more)?;
    }
    Ok(())
}

impl fmt::Display for FileChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display().to_string();
        let path = if path.is_empty() { ".".to_owned() } else { path };
        let what = match (self.below, self.folder) {
            (true, _) => format!("something in `{path}`"),
            (_, true) => format!("folder `{path}`"),
            _ => format!("file `{path}`"),
        };
        match self.kind {
            FileChangeKind::Changed => write!(f, "{what} changed"),
            FileChangeKind::Added => write!(f, "{what} was added"),
            FileChangeKind::Removed => write!(f, "{what} was removed"),
            FileChangeKind::Mode { was, now } => write!(f, "mode of `{path}` was {was:04o}, now {now:04o}"),
            FileChangeKind::Owner { was, now } => {
                write!(f, "owner of `{path}` was {}:{}, now {}:{}", was.0, was.1, now.0, now.1)
            }
        }
    }
}

/// A text on one line, cut if it is long.
fn shown(text: &str) -> String {
    let line = text.replace('\n', " ");
    match line.char_indices().nth(SHOWN_TEXT) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// All reasons in one line.
pub fn in_words(reasons: &[Reason]) -> String {
    let words: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    words.join("; ")
}
