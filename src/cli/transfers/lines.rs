//! One line for each event to a layer, in docker's words.

use crate::base::digest::BlobDigest;
use crate::cli::format::truncate_id;
use crate::cli::output::{self, Stream};
use crate::transport::registry::{Event, Progress};

use super::kind::Kind;

pub struct Lines {
    kind: Kind,
    stream: Stream,
}

impl Lines {
    pub fn new(kind: Kind, stream: Stream) -> Self {
        Self { kind, stream }
    }

    fn say(&self, line: &str) {
        match self.stream {
            Stream::Error => output::say(line),
            // Continues after a closed pipe.
            Stream::Output => drop(output::print(&format!("{line}\n"))),
        }
    }
}

/// docker's message at the start or the end of a layer's transfer; `None` in between.
pub fn words(kind: Kind, event: Event<'_>) -> Option<String> {
    let text = match (event, kind) {
        (Event::Exists, Kind::Push) => "Layer already exists".to_owned(),
        (Event::Exists, _) => "Already exists".to_owned(),
        (Event::Mounted { from }, _) => format!("Mounted from {from}"),
        (Event::Complete, Kind::Push) => "Pushed".to_owned(),
        (Event::Complete, _) => "Pull complete".to_owned(),
        (Event::Foreign, _) => "Skipped foreign layer".to_owned(),
        (Event::Announced { .. } | Event::Moved { .. }, _) => return None,
    };
    Some(text)
}

impl Progress for Lines {
    fn event(&self, blob: &BlobDigest, event: Event<'_>) {
        if let Some(words) = words(self.kind, event) {
            self.say(&format!("{}: {words}", truncate_id(&blob.to_string())));
        }
    }
}
