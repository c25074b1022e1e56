//! A live display: every step has its own line, which is redrawn while the build runs, and stays at the end.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::layout::{self, Room};
use super::model::Model;
use super::shown::{Shown, Steps};
use super::summary::End;
use crate::base::digest::BlobDigest;
use crate::build::solve::{Event, Progress, TaskEvent};
use crate::cli::output::{Stream, area, colours_are_wanted, one_line};
use crate::cli::transfers::{self, Blobs, Kind};
use crate::transport::registry;

const REDRAW_EVERY: Duration = Duration::from_millis(100);

/// The width of lines that are not on a screen.
const WIDE: usize = 120;

pub struct Terminal {
    shared: Arc<Shared>,
    /// The drawing thread; `None` if the terminal can't be drawn on: then steps are printed when they end.
    painter: Mutex<Option<JoinHandle<()>>>,
    is_live: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    model: Model,
    /// Lines that stay, to be written.
    above: Vec<String>,
    /// Builds that have ended.
    ends: Vec<End>,
    is_over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws until the build has ended.
    fn paint(&self) {
        let mut state = self.lock();
        loop {
            let waited = self.changed.wait_timeout(state, REDRAW_EVERY).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            if state.is_over {
                return;
            }
            let above = std::mem::take(&mut state.above);
            let lines = layout::frame(&state.model, room());
            area::draw(Stream::Error, &above, &lines);
        }
    }
}

fn room() -> Room {
    let size = area::size(Stream::Error);
    let is_terminal = Stream::Error.is_terminal();
    let columns = if is_terminal { size.columns.saturating_sub(1).max(1) } else { WIDE };
    Room { rows: size.rows, columns, colours: is_terminal && colours_are_wanted() }
}

impl Terminal {
    pub fn new() -> Self {
        let state = State { model: Model::new(), above: Vec::new(), ends: Vec::new(), is_over: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let is_live = Stream::Error.is_terminal() && !area::is_simple();
        let painter = is_live.then(|| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.paint())
        });
        Self { shared, painter: Mutex::new(painter), is_live }
    }

    /// Without drawing, prints a step that has ended.
    fn tell_ending(&self, state: &State, place: usize) {
        let item = &state.model.items[place];
        if !self.is_live && !item.is_running() {
            area::draw(Stream::Error, &[layout::line_of(item, room())], &[]);
        }
    }
}

impl Progress for Terminal {
    fn event(&self, event: Event<'_>) {
        let mut state = self.shared.lock();
        let place = state.model.step(&event);
        if !matches!(event, Event::Output { .. }) {
            self.tell_ending(&state, place);
        }
    }

    fn task(&self, event: TaskEvent<'_>) {
        let mut state = self.shared.lock();
        let place = state.model.task(&event);
        self.tell_ending(&state, place);
    }

    fn warn(&self, text: &str) {
        let line = format!("warning: {}", one_line(text));
        match self.is_live {
            true => self.shared.lock().above.push(line),
            false => area::draw(Stream::Error, &[line], &[]),
        }
    }
}

impl Shown for Terminal {
    fn add(&self, steps: &Steps) {
        self.shared.lock().model.add(&steps.titles);
    }

    fn transfers(&self, _: &str) -> Box<dyn registry::Progress> {
        if !self.is_live {
            return transfers::lines_on_stderr(Kind::Push);
        }
        self.shared.lock().model.pushed.get_or_insert_with(|| Blobs::new(Kind::Push));
        Box::new(Pushing(Arc::clone(&self.shared)))
    }

    fn end(&self, end: End) {
        self.shared.lock().ends.push(end);
    }

    /// Leaves each step's final line.
    fn close(&self) {
        self.stop();
        if self.is_live {
            let mut state = self.shared.lock();
            let mut above = std::mem::take(&mut state.above);
            state.model.stop();
            above.extend(state.model.items.iter().map(|item| layout::line_of(item, room())));
            if let Some(pushed) = &state.model.pushed {
                above.extend(pushed.lines(room().columns, usize::MAX));
            }
            area::draw(Stream::Error, &above, &[]);
        }
        let ends = std::mem::take(&mut self.shared.lock().ends);
        ends.iter().for_each(End::say);
    }
}

impl Terminal {
    fn stop(&self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_all();
        let painter = self.painter.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(painter) = painter {
            // The thread cannot fail.
            let _ = painter.join();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Blobs being pushed to a registry.
struct Pushing(Arc<Shared>);

impl registry::Progress for Pushing {
    fn event(&self, blob: &BlobDigest, event: registry::Event<'_>) {
        if let Some(pushed) = &mut self.0.lock().model.pushed {
            pushed.event(blob, event);
        }
    }
}
