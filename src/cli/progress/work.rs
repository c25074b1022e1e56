//! A progress bar for work of more than a second that has no display: load, save, import, export, commit, prune.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::layout::seconds;
use crate::cli::output::{Stream, area, fit, one_line, width};
use crate::cli::transfers::{bar, measured};
use crate::engine::Counter;

/// How long to wait before showing anything.
const PATIENCE: Duration = Duration::from_secs(1);
const REDRAW_EVERY: Duration = Duration::from_millis(100);
const BAR: usize = 30;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Bytes,
    Things,
    /// Nothing is shown.
    Nothing,
}

/// Work in progress. Its bar, on standard error if that is a terminal, disappears when this is dropped.
pub struct Work {
    shared: Arc<Shared>,
    painter: Option<JoinHandle<()>>,
}

struct Shared {
    /// `saving app:latest`
    doing: String,
    unit: Unit,
    total: Option<u64>,
    done: AtomicU64,
    begun: Instant,
    is_over: Mutex<bool>,
    over: Condvar,
}

impl Work {
    /// Bytes that pass through readers and writers, `total` of them if known.
    pub fn of_bytes(doing: &str, total: Option<u64>) -> Self {
        Self::begin(doing, Unit::Bytes, total)
    }

    /// Shows nothing.
    pub fn unseen() -> Self {
        Self::begin("", Unit::Nothing, None)
    }

    /// A number of items, each counted when it is done.
    pub fn of_things(doing: &str, total: Option<u64>) -> Self {
        Self::begin(doing, Unit::Things, total)
    }

    fn begin(doing: &str, unit: Unit, total: Option<u64>) -> Self {
        let shared = Arc::new(Shared {
            doing: one_line(doing),
            unit,
            total,
            done: AtomicU64::new(0),
            begun: Instant::now(),
            is_over: Mutex::new(false),
            over: Condvar::new(),
        });
        let is_seen = unit != Unit::Nothing && Stream::Error.is_terminal() && !area::is_simple();
        let painter = is_seen.then(|| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.paint())
        });
        Self { shared, painter }
    }

    /// Counts what is read.
    pub fn reader<R>(&self, inner: R) -> Counting<R> {
        Counting { inner, shared: Arc::clone(&self.shared) }
    }

    /// Counts what is written.
    pub fn writer<W>(&self, inner: W) -> Counting<W> {
        Counting { inner, shared: Arc::clone(&self.shared) }
    }
}

impl Counter for Work {
    fn count(&self) {
        self.shared.done.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        *self.shared.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.over.notify_all();
        if let Some(painter) = self.painter.take() {
            // The thread cannot fail.
            let _ = painter.join();
        }
    }
}

impl Shared {
    fn paint(&self) {
        let mut is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pause = PATIENCE;
        let mut was_drawn = false;
        loop {
            // The work may end before the first wait.
            if !*is_over {
                let waited = self.over.wait_timeout(is_over, pause).unwrap_or_else(PoisonError::into_inner);
                is_over = waited.0;
            }
            if *is_over {
                if was_drawn {
                    area::draw(Stream::Error, &[], &[]);
                }
                return;
            }
            if self.begun.elapsed() < PATIENCE {
                continue;
            }
            let columns = area::size(Stream::Error).columns.saturating_sub(1);
            area::draw(Stream::Error, &[], &[fit(&self.line(columns), columns)]);
            (pause, was_drawn) = (REDRAW_EVERY, true);
        }
    }

    fn line(&self, columns: usize) -> String {
        let (done, took) = (self.done.load(Ordering::Relaxed), seconds(self.begun.elapsed()));
        let what = format!("{} {took}", self.doing);
        match (self.unit, self.total) {
            (Unit::Bytes, _) if done == 0 => what,
            (Unit::Bytes, total) => measured(&what, done, total, self.begun, columns),
            (Unit::Things, Some(total)) if total > 0 => {
                let with_bar = format!("{what} [{}] {done} of {total}", bar(done, total, BAR));
                if width(&with_bar) <= columns { with_bar } else { format!("{what}, {done} of {total}") }
            }
            (Unit::Things, _) if done > 0 => format!("{what}, {done} done"),
            (Unit::Things | Unit::Nothing, _) => what,
        }
    }
}

/// Counts the bytes that pass through.
pub struct Counting<T> {
    inner: T,
    shared: Arc<Shared>,
}

impl<T> Counting<T> {
    fn count(&self, bytes: usize) {
        self.shared.done.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count(count);
        Ok(count)
    }
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.count(count);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_any_terminal() {
        for columns in [20, 60, 80, 200] {
            for (unit, total) in [(Unit::Bytes, Some(9_000_000)), (Unit::Bytes, None), (Unit::Things, Some(40))] {
                let work = Work::begin("saving a-repository/with-a-long-name:and-a-tag", unit, total);
                work.shared.done.store(20, Ordering::Relaxed);
                let line = fit(&work.shared.line(columns), columns);
                assert!(width(&line) <= columns && line.starts_with("saving a-re"), "{line}");
                assert!(columns < 80 || line.contains("20"), "{line}");
            }
        }
    }
}
