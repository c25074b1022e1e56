//! A bar for each layer, with its speed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Kind;
use super::lines::words;
use crate::cli::format::truncate_id;
use crate::digest::BlobDigest;
use crate::registry::{Event, Progress};

const MOVING: &str = "{prefix}: {msg:11} [{bar:30.cyan/blue}] {bytes}/{total_bytes} {bytes_per_sec}";
const STILL: &str = "{prefix}: {msg}";

pub struct Bars {
    kind: Kind,
    all: MultiProgress,
    bars: Mutex<HashMap<BlobDigest, ProgressBar>>,
}

impl Bars {
    pub fn new(kind: Kind, target: ProgressDrawTarget) -> Self {
        Self { kind, all: MultiProgress::with_draw_target(target), bars: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BlobDigest, ProgressBar>> {
        self.bars.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn bar(&self, blob: &BlobDigest, size: u64) -> ProgressBar {
        let bar = self.all.add(ProgressBar::new(size));
        bar.set_style(style(STILL));
        bar.set_prefix(truncate_id(&blob.to_string()));
        bar.set_message("Waiting");
        bar.tick();
        bar
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Progress for Bars {
    fn event(&self, blob: &BlobDigest, event: Event<'_>) {
        let bar = {
            let mut bars = self.lock();
            match event {
                // One blob may be several layers of an image.
                Event::Announced { size } => {
                    bars.entry(*blob).or_insert_with(|| self.bar(blob, size));
                    return;
                }
                _ => bars.entry(*blob).or_insert_with(|| self.bar(blob, 0)).clone(),
            }
        };
        match event {
            Event::Moved { bytes } => {
                if bar.position() == 0 {
                    bar.set_style(style(MOVING));
                    bar.set_message(if self.kind == Kind::Push { "Pushing" } else { "Downloading" });
                    bar.reset_eta();
                }
                bar.set_position(bytes);
            }
            event => {
                bar.set_style(style(STILL));
                bar.finish_with_message(words(self.kind, event).unwrap_or_default());
            }
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        // What did not end stays as it was seen last.
        self.lock().values().filter(|bar| !bar.is_finished()).for_each(ProgressBar::abandon);
    }
}
