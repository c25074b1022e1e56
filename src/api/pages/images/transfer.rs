//! The progress of a pull or push, in docker's messages.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::messages::Messages;
use crate::base::digest::BlobDigest;
use crate::base::human_size;
use crate::transport::registry::{Event, Progress};

/// Nobody reads more often.
const PAUSE: Duration = Duration::from_millis(100);
/// The width of a progress bar in characters.
const BAR: u64 = 50;

/// The messages of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Pull,
    Push,
}

/// Reports the progress of layers to a client.
pub struct Told<'a> {
    direction: Direction,
    messages: &'a Messages,
    /// Sent before the first layer, or by [`Told::begin`] if there is none.
    first: Mutex<Option<Value>>,
    blobs: Mutex<HashMap<BlobDigest, Blob>>,
}

#[derive(Default)]
struct Blob {
    size: u64,
    said: Option<Instant>,
}

impl<'a> Told<'a> {
    pub fn new(direction: Direction, messages: &'a Messages, first: Option<Value>) -> Self {
        Self { direction, messages, first: Mutex::new(first), blobs: Mutex::default() }
    }

    /// Sends the first message, once.
    pub fn begin(&self) {
        if let Some(first) = self.first.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.messages.say(first);
        }
    }

    fn moved(&self, digest: &BlobDigest, bytes: u64) {
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        let blob = blobs.entry(*digest).or_default();
        let is_end = bytes >= blob.size;
        if blob.said.is_some_and(|said| said.elapsed() < PAUSE) && !is_end {
            return;
        }
        blob.said = Some(Instant::now());
        let total = blob.size;
        drop(blobs);
        let status = if self.direction == Direction::Pull { "Downloading" } else { "Pushing" };
        self.messages.say_if_heard(json!({
            "status": status,
            "progressDetail": {"current": bytes, "total": total},
            "progress": bar(bytes, total),
            "id": digest.short(),
        }));
    }
}

impl Progress for Told<'_> {
    fn event(&self, digest: &BlobDigest, event: Event<'_>) {
        self.begin();
        let is_pull = self.direction == Direction::Pull;
        let status = match event {
            Event::Announced { size } => {
                self.blobs.lock().unwrap_or_else(PoisonError::into_inner).entry(*digest).or_default().size = size;
                if is_pull { "Pulling fs layer".to_owned() } else { "Preparing".to_owned() }
            }
            Event::Moved { bytes } => return self.moved(digest, bytes),
            Event::Exists if is_pull => "Already exists".to_owned(),
            Event::Exists => "Layer already exists".to_owned(),
            Event::Mounted { from } => format!("Mounted from {from}"),
            Event::Complete if is_pull => "Pull complete".to_owned(),
            Event::Complete => "Pushed".to_owned(),
            Event::Foreign => "Skipped foreign layer".to_owned(),
        };
        self.messages.say(json!({"status": status, "progressDetail": {}, "id": digest.short()}));
    }

    fn is_cancelled(&self) -> bool {
        self.messages.is_gone()
    }
}

/// `[====>    ]  1.2kB/3kB`
fn bar(current: u64, total: u64) -> String {
    if total == 0 {
        return format!("{:>8}", human_size(current, 4));
    }
    let filled = (current.saturating_mul(BAR) / total).min(BAR);
    let (done, left) = ("=".repeat(filled as usize), " ".repeat((BAR - filled) as usize));
    let numbers = match current > total {
        true => human_size(current, 4),
        false => format!("{:>8}/{}", human_size(current, 4), human_size(total, 4)),
    };
    format!("[{done}>{left}] {numbers}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_dockers() {
        assert_eq!(bar(20992, 2_065_283), format!("[>{}]  20.99kB/2.065MB", " ".repeat(50)));
        assert_eq!(bar(50, 100), format!("[{}>{}]      50B/100B", "=".repeat(25), " ".repeat(25)));
        assert_eq!(bar(5, 0), "      5B");
    }
}
