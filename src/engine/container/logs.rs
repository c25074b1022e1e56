//! What a container has printed, and what it prints from now on.

use std::io;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::io_error::AtPath as _;
use crate::container::{ContainerError, Containers, Entry, LogLine, LogReader, LogSettings, Selection};

/// How often a log is looked at for new lines. It is not watched with inotify(7): that a container ends is known by its
/// lock, which the kernel drops when its monitor is killed, and of locks no watch tells.
const PAUSE: Duration = Duration::from_millis(20);

/// Which lines are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogRequest {
    /// Which of those that are there.
    pub selection: Selection,
    /// Also those that come until the container has ended.
    pub follow: bool,
}

/// Whoever reads a log.
pub trait LogListener {
    /// One line, with its end.
    fn line(&mut self, line: &LogLine<'_>) -> io::Result<()>;

    /// All lines that there are by now were given: lets so much time pass. False when nobody reads any more.
    fn pause(&mut self, time: Duration) -> io::Result<bool>;
}

/// The lines of a container's log, one after another.
pub struct LogStream {
    containers: Containers,
    entry: Entry,
    reader: LogReader,
    request: LogRequest,
}

/// The log of a container, which may keep none.
pub fn open_log(entry: &Entry, selection: Selection) -> Result<LogReader, ContainerError> {
    let settings = LogSettings::of(&entry.record, entry.folder())?.ok_or(ContainerError::NoLog)?;
    LogReader::open(settings, selection)
}

impl LogStream {
    /// Of a container that keeps a log.
    pub fn open(containers: Containers, entry: Entry, request: LogRequest) -> Result<Self, ContainerError> {
        let reader = open_log(&entry, request.selection)?;
        Ok(Self { containers, entry, reader, request })
    }

    /// Gives the lines, until there are no more or nobody reads them.
    pub fn run(mut self, listener: &mut dyn LogListener) -> Result<(), ContainerError> {
        let until = self.request.selection.until;
        loop {
            // Looked at first: what was printed until it ended is there then.
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
                // It was removed when it ended; the file that is open still has its last lines.
                Err(ContainerError::NotFound { .. }) => self.entry.is_running = false,
                Err(error) => return Err(error),
            }
        }
    }
}

/// What is shown of a line beside what was printed.
#[derive(Debug, Clone, Copy, Default)]
pub struct LineDetails {
    /// When it was printed.
    pub timestamps: bool,
    /// The attributes that the log was told to keep.
    pub attributes: bool,
}

impl LineDetails {
    /// What stands before the line.
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
