//! Which instruction created a layer.

use std::collections::HashMap;

use crate::base::digest::DiffId;
use crate::build::StepsRecord;
use crate::image::ImageConfig;
use crate::store::Store;

/// The origin of a layer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause {
    /// As in the image's history; empty if it has nothing.
    pub created_by: String,
    /// The line in the Dockerfile, if the image was built here recently.
    pub line: Option<u32>,
}

impl Cause {
    /// The instruction as it was written, as far as the history shows.
    fn instruction(&self) -> &str {
        let text = self.created_by.trim();
        let text = text.strip_suffix("# buildkit").unwrap_or(text).trim();
        let text = text.strip_prefix("/bin/sh -c #(nop) ").unwrap_or(text).trim();
        if text.is_empty() { "an instruction that the image does not name" } else { text }
    }

    /// Its keyword.
    pub fn keyword(&self) -> &str {
        self.instruction().split_whitespace().next().unwrap_or_default()
    }

    /// On one line, with its line in the Dockerfile.
    pub fn shown(&self) -> String {
        let words: Vec<&str> = self.instruction().split_whitespace().collect();
        // The default shell is not written in a Dockerfile.
        let text = words.join(" ").replacen("RUN /bin/sh -c ", "RUN ", 1);
        match self.line {
            Some(line) => format!("line {line}: {text}"),
            None => text,
        }
    }
}

/// The cause of each layer, lowest first.
pub(super) fn of(store: &Store, config: &ImageConfig) -> Vec<Cause> {
    let lines = lines(store);
    let made: Vec<&str> =
        config.history.iter().filter(|entry| !entry.empty_layer).map(|entry| entry.created_by.as_str()).collect();
    let layers = config.rootfs.diff_ids.iter().enumerate();
    let cause = |(index, diff_id): (usize, &DiffId)| Cause {
        created_by: made.get(index).copied().unwrap_or_default().to_owned(),
        line: lines.get(diff_id).copied(),
    };
    layers.map(cause).collect()
}

/// The lines of layers that local builds have created, as far as they are known.
fn lines(store: &Store) -> HashMap<DiffId, u32> {
    let mut lines = HashMap::new();
    for name in store.kept_steps() {
        let Ok(Some(kept)) = store.open_kept_steps(&name) else { continue };
        let Some(record) = kept.record().ok().and_then(|bytes| StepsRecord::parse(&bytes)) else { continue };
        for (index, step) in record.steps.iter().enumerate().filter(|(_, step)| step.parent.is_some()) {
            let made = record.result(index).and_then(|stack| stack.layers.last().copied());
            let below =
                step.parent.and_then(|parent| record.result(parent)).and_then(|stack| stack.layers.last().copied());
            if let Some(layer) = made.filter(|layer| Some(*layer) != below) {
                lines.entry(layer.diff_id).or_insert(step.lines.0);
            }
        }
    }
    lines
}
