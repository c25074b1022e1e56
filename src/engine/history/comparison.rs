//! Compares two builds: which step of one corresponds to which of the other.

use serde::{Deserialize, Serialize};

use super::document::Document;
use crate::build::explain::{counterparts, text_of};

/// More than any Dockerfile has; a document with more was not written by rbuild.
const MOST_STEPS: usize = 5_000;

/// Two builds, step by step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// The earlier build, or the one that was named first.
    pub first: Document,
    /// The other build.
    pub second: Document,
    /// In the order of the steps of both.
    pub rows: Vec<Row>,
}

/// The indexes of a step in both builds: at least one is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The index in the first build.
    pub first: Option<usize>,
    /// The index in the second build.
    pub second: Option<usize>,
}

impl Comparison {
    /// Finds corresponding steps.
    pub fn of(first: Document, second: Document) -> Self {
        let (old, new) = (texts(&first), texts(&second));
        let mut rows = Vec::new();
        let mut next = 0;
        for (place, counterpart) in counterparts(&old, &new).into_iter().enumerate() {
            if let Some(counterpart) = counterpart {
                rows.extend((next..counterpart).map(|gone| Row { first: Some(gone), second: None }));
                next = next.max(counterpart + 1);
            }
            rows.push(Row { first: counterpart, second: Some(place) });
        }
        rows.extend((next..old.len()).map(|gone| Row { first: Some(gone), second: None }));
        Self { first, second, rows }
    }
}

fn texts(document: &Document) -> Vec<&str> {
    document.steps.iter().map(|step| text_of(&step.name)).collect()
}

impl Document {
    /// Parses a comparison that may be from elsewhere; `None` if it is invalid.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let document: Self = serde_json::from_slice(bytes).ok()?;
        let (steps, layers) = (document.steps.len(), document.layers.len());
        let is_step = |place: &usize| *place < steps;
        let is_sound = steps <= MOST_STEPS
            && document.critical_path.iter().all(is_step)
            && document.steps.iter().all(|step| step.inputs.iter().chain(&step.waited_for).all(is_step))
            && document.layers.iter().all(|layer| layer.step.iter().all(is_step))
            && document.files.iter().all(|file| file.layer < layers);
        is_sound.then_some(document)
    }
}
