//! What containers have printed.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::named;
use crate::api::ApiError;
use crate::api::multiplexed::{Channel, Framing};
use crate::api::request::Request;
use crate::api::response::{MULTIPLEXED, RAW, Response};
use crate::api::service::Service;
use crate::api::version::Version;
use crate::base::point_in_time;
use crate::container::{ContainerError, Containers, Entry, LogLine, LogReader, LogSettings, Selection, Source};

/// How often a log is looked at for new lines.
const PAUSE: Duration = Duration::from_millis(20);
/// The first version that says of a stream that it has frames.
const SAYS_FRAMES: Version = Version::new(1, 42);

/// What of a log is wanted, and how.
pub(super) struct Printer {
    pub stdout: bool,
    pub stderr: bool,
    pub timestamps: bool,
    pub details: bool,
    pub framing: Framing,
}

pub fn logs(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let query = &request.query;
    let entry = named(service, request)?;
    let printer = Printer {
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
        timestamps: query.flag("timestamps"),
        details: query.flag("details"),
        framing: Framing::of(entry.record.config.tty),
    };
    if !printer.stdout && !printer.stderr {
        return Err(ApiError::bad_request("Bad parameters: you must choose at least one stream"));
    }
    let time = |name: &str| {
        let text = query.text(name).filter(|text| *text != "0");
        let wrong = |error| ApiError::bad_request(format!("invalid value for \"{name}\": {error}"));
        text.map(|text| point_in_time(text).map_err(wrong)).transpose()
    };
    let tail = query.text("tail").filter(|text| *text != "all").and_then(|text| text.parse::<i64>().ok());
    let tail = tail.and_then(|number| usize::try_from(number).ok());
    let selection = Selection { tail, since: time("since")?, until: time("until")? };
    let follow = query.flag("follow");
    let reader = open(&entry, selection)?;
    let containers = service.containers();
    let kind = stream_kind(request, entry.record.config.tty);
    Ok(Response::stream(kind, move |output| {
        let gone = output.gone.descriptor()?;
        let until = selection.until;
        let mut follower = Follower { containers, entry, reader, follow, until };
        follower.run(&printer, output, &gone)
    }))
}

/// What the stream is called.
pub(super) fn stream_kind(request: &Request, terminal: bool) -> &'static str {
    if terminal || request.version < SAYS_FRAMES { RAW } else { MULTIPLEXED }
}

pub(super) fn open(entry: &Entry, selection: Selection) -> Result<LogReader, ApiError> {
    let settings = LogSettings::of(&entry.record, entry.folder())?.ok_or(ContainerError::NoLog)?;
    Ok(LogReader::open(settings, selection)?)
}

struct Follower {
    containers: Containers,
    entry: Entry,
    reader: LogReader,
    follow: bool,
    until: Option<Timestamp>,
}

impl Follower {
    fn run(&mut self, printer: &Printer, output: &mut impl Write, gone: &OwnedFd) -> io::Result<()> {
        loop {
            // Looked at first: what was printed until it ended is there then.
            let is_running = self.entry.is_running;
            let more = self.reader.read(|line| printer.print(output, line)).map_err(io::Error::other)?;
            let is_late = self.until.is_some_and(|until| until < Timestamp::now());
            if !more || !self.follow || !is_running || is_late || waited_in_vain(gone, PAUSE) {
                return Ok(());
            }
            match self.containers.find(&self.entry.record.id) {
                Ok(now) => self.entry = now,
                // It was removed when it ended; the file that is open still has its last lines.
                Err(ContainerError::NotFound { .. }) => self.entry.is_running = false,
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

impl Printer {
    /// A line is a frame, with its time in it.
    pub(super) fn print(&self, out: &mut impl Write, line: &LogLine<'_>) -> io::Result<()> {
        let (is_wanted, channel) = match line.stream {
            Source::Stdout => (self.stdout, Channel::Stdout),
            Source::Stderr => (self.stderr, Channel::Stderr),
        };
        if !is_wanted {
            return Ok(());
        }
        let mut text = String::new();
        if self.timestamps {
            text.push_str(&format!("{} ", line.time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ")));
        }
        if self.details {
            let pairs: Vec<String> = line.attrs.iter().map(|(key, value)| format!("{key}={value}")).collect();
            text.push_str(&format!("{} ", pairs.join(",")));
        }
        text.push_str(&line.log);
        self.framing.write(out, channel, text.as_bytes())
    }
}

/// Waits for a moment; true when the client has gone.
pub fn waited_in_vain(gone: &OwnedFd, time: Duration) -> bool {
    let timeout = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() };
    let mut polled = [PollFd::new(gone, PollFlags::IN)];
    matches!(poll(&mut polled, Some(&timeout)), Ok(count) if count > 0)
}
