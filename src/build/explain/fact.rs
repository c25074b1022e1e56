//! What a step's result depends on, in the form in which it is stored.

use serde::{Deserialize, Serialize};

use crate::base::digest::CacheKey;

/// Longer texts are stored as their beginning and a digest.
const LONGEST_TEXT: usize = 1000;
const SHOWN_OF_LONG_TEXT: usize = 120;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactKind {
    /// The instruction as it is shown.
    Instruction,
    /// The program that reads a command: `/bin/sh -c`.
    Shell,
    /// The command that is run; an instruction may be shown without its heredocs.
    Command,
    /// A variable that an ARG declared.
    Argument,
    /// A variable that ENV or the base image set.
    Environment,
    /// An option, or the effect of another instruction: `user`, `--chmod`.
    Setting,
    /// A `RUN --mount`, by its target.
    Mount,
    /// The text of a heredoc.
    Text,
    /// The content of an address.
    Remote,
    /// Files that are copied or mounted.
    Files,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    Text(String),
    /// A text that must not be stored: two bytes of its digest reveal nearly every change, and nothing else.
    Concealed(u16),
    Digest(CacheKey),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    pub kind: FactKind,
    /// Distinguishes it from others of its kind.
    pub name: String,
    pub value: Value,
}

/// The inputs of one step's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// A digest of the files that it started from.
    pub parent: CacheKey,
    pub facts: Vec<Fact>,
}

impl Fact {
    pub fn text(kind: FactKind, name: impl Into<String>, text: &str) -> Self {
        Self { kind, name: name.into(), value: Value::Text(bounded(text)) }
    }

    pub fn digest(kind: FactKind, name: impl Into<String>, digest: [u8; 32]) -> Self {
        Self { kind, name: name.into(), value: Value::Digest(CacheKey::from_bytes(digest)) }
    }
}

/// The text; a long one is cut, with a digest.
fn bounded(text: &str) -> String {
    if text.len() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let end = (0..=SHOWN_OF_LONG_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}... ({} bytes, {})", &text[..end], text.len(), &blake3::hash(text.as_bytes()).to_hex()[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_kept_short_and_apart() {
        let (a, b) = ("é".repeat(2000), format!("{}x", "é".repeat(2000)));
        assert!(bounded(&a).len() < 300);
        assert_ne!(bounded(&a), bounded(&b));
        assert_eq!(bounded("short"), "short");
    }
}
