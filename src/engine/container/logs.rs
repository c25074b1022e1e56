//! Reads a container's log, including future lines.

use std::io;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::io_error::AtPath as _;
use crate::container::{ContainerError, Containers, Entry, LogLine, LogReader, LogSettings, Selection};

/// How often a log is checked for new lines. inotify(7) does not help: the end of a container is known by its lock,
/// which the kernel releases if its monitor is killed, and locks can't be watched.
const PAUSE: Duration = Duration::from_millis(20);

/// Which lines to read.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct LogRequest {
    /// The selection among the existing lines.
    pub selection: Selection,
    /// Also future lines, until the container has ended.
    pub follow: bool,
}

/// The receiver of a log.
pub trait LogListener {
    /// A line, with its newline.
    fn line(&mut self, line: &LogLine<'_>) -> io::Result<()>;

    /// All existing lines were passed: waits for that time. False if the receiver is gone.
    fn pause(&mut self, time: Duration) -> io::Result<bool>;
}

/// Reads the lines of a container's log one after another.
pub struct LogStream {
    containers: Containers,
    entry: Entry,
    reader: LogReader,
    request: LogRequest,
}

/// Opens the log of a container; fails if it has none.
pub fn open_log(entry: &Entry, selection: Selection) -> Result<LogReader, ContainerError> {
    let settings = LogSettings::of(&entry.record, entry.folder())?.ok_or(ContainerError::NoLog)?;
    LogReader::open(settings, selection)
}

impl LogStream {
    /// Opens the log of a container.
    pub fn open(containers: Containers, entry: Entry, request: LogRequest) -> Result<Self, ContainerError> {
        let reader = open_log(&entry, request.selection)?;
        Ok(Self { containers, entry, reader, request })
    }

    /// Passes the lines to the listener until there are no more or the listener is gone.
    pub fn run(mut self, listener: &mut dyn LogListener) -> Result<(), ContainerError> {
        let until = self.request.selection.until;
        loop {
            // Checked first: everything that was printed before the end can be read then.
            let is_running = self.entry.is_running;
            let more = self.reader.read(|line| listener.line(line))?;
            let is_late = until.is_some_and(|until| until < Timestamp::now());
            if !more || !self.request.follow || !is_running || is_late {
                return Ok(());
            }
            if !listener.pause(PAUSE).at("write", "the log")? {
                return Ok(());
            }
            match self.containers.find(&self.entry.record.id) {
                Ok(now) => self.entry = now,
                // It was removed when it ended; the open file still has its last lines.
                Err(ContainerError::NotFound { .. }) => self.entry.is_running = false,
                Err(error) => return Err(error),
            }
        }
    }
}

/// What is shown of a line besides its text.
#[derive(Debug, Clone, Copy, Default)]
pub struct LineDetails {
    /// The time when it was printed.
    pub timestamps: bool,
    /// The log's attributes.
    pub attributes: bool,
}

impl LineDetails {
    /// The prefix of the line.
    pub fn of(self, line: &LogLine<'_>) -> String {
        let mut text = String::new();
        if self.timestamps {
            text.push_str(&format!("{} ", line.time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ")));
        }
        if self.attributes {
            let pairs: Vec<String> = line.attrs.iter().map(|(key, value)| format!("{key}={value}")).collect();
            text.push_str(&format!("{} ", pairs.join(",")));
        }
        text
    }
}
