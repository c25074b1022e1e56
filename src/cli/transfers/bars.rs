//! A bar for each layer, with its speed, at the bottom of a terminal.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::blobs::Blobs;
use super::kind::Kind;
use crate::base::digest::BlobDigest;
use crate::cli::output::{Stream, area};
use crate::transport::registry::{Event, Progress};

const REDRAW_EVERY: Duration = Duration::from_millis(100);

pub struct Bars {
    stream: Stream,
    state: Mutex<State>,
}

struct State {
    blobs: Blobs,
    drawn: Option<Instant>,
}

impl Bars {
    pub fn new(kind: Kind, stream: Stream) -> Self {
        Self { stream, state: Mutex::new(State { blobs: Blobs::new(kind), drawn: None }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Bars {
    fn event(&self, blob: &BlobDigest, event: Event<'_>) {
        let mut state = self.lock();
        state.blobs.event(blob, event);
        if state.drawn.is_none_or(|drawn| drawn.elapsed() > REDRAW_EVERY) {
            let size = area::size(self.stream);
            let lines = state.blobs.lines(size.columns.saturating_sub(1), size.rows.saturating_sub(2).max(1));
            area::draw(self.stream, &[], &lines);
            state.drawn = Some(Instant::now());
        }
    }
}

impl Drop for Bars {
    /// The last state stays.
    fn drop(&mut self) {
        let columns = area::size(self.stream).columns.saturating_sub(1);
        let lines = self.lock().blobs.lines(columns, usize::MAX);
        area::draw(self.stream, &lines, &[]);
    }
}
