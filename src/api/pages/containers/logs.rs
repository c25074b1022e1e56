//! The logs of containers.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

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
use crate::container::{LogLine, Selection, Source};
use crate::engine::container::{LineDetails, LogListener, LogRequest, LogStream};

/// The first version with a content type for framed streams.
const SAYS_FRAMES: Version = Version::new(1, 42);

/// Which part of a log to print, and how.
pub(super) struct Printer {
    pub stdout: bool,
    pub stderr: bool,
    pub details: LineDetails,
    pub framing: Framing,
}

pub fn logs(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let query = &request.query;
    let (stdout, stderr) = (query.flag("stdout"), query.flag("stderr"));
    if !stdout && !stderr {
        return Err(ApiError::bad_request("Bad parameters: you must choose at least one stream"));
    }
    let entry = named(service, request)?;
    let printer = Printer {
        stdout,
        stderr,
        details: LineDetails { timestamps: query.flag("timestamps"), attributes: query.flag("details") },
        framing: Framing::of(entry.record.config.tty),
    };
    let time = |name: &str| {
        let text = query.text(name).filter(|text| *text != "0");
        let wrong = |error| ApiError::bad_request(format!("invalid value for \"{name}\": {error}"));
        text.map(|text| point_in_time(text).map_err(wrong)).transpose()
    };
    let tail = query.text("tail").filter(|text| *text != "all").and_then(|text| text.parse::<i64>().ok());
    let tail = tail.and_then(|number| usize::try_from(number).ok());
    let selection = Selection { tail, since: time("since")?, until: time("until")? };
    let kind = stream_kind(request, entry.record.config.tty);
    let follow = query.flag("follow");
    let stream = LogStream::open(service.containers(), entry, LogRequest { selection, follow })?;
    Ok(Response::stream(kind, move |output| {
        let gone = output.gone.descriptor()?;
        stream.run(&mut Client { printer, output, gone }).map_err(io::Error::other)
    }))
}

/// The content type of the stream.
pub(super) fn stream_kind(request: &Request, terminal: bool) -> &'static str {
    if terminal || request.version < SAYS_FRAMES { RAW } else { MULTIPLEXED }
}

/// The client that requested the log.
struct Client<'a, W> {
    printer: Printer,
    output: &'a mut W,
    gone: OwnedFd,
}

impl<W: Write> LogListener for Client<'_, W> {
    fn line(&mut self, line: &LogLine<'_>) -> io::Result<()> {
        self.printer.print(self.output, line)
    }

    fn pause(&mut self, time: Duration) -> io::Result<bool> {
        Ok(!waited_in_vain(&self.gone, time))
    }
}

impl Printer {
    /// Prints a line as a frame, with its time.
    pub(super) fn print(&self, out: &mut impl Write, line: &LogLine<'_>) -> io::Result<()> {
        let (is_wanted, channel) = match line.stream {
            Source::Stdout => (self.stdout, Channel::Stdout),
            Source::Stderr => (self.stderr, Channel::Stderr),
        };
        if !is_wanted {
            return Ok(());
        }
        let mut text = self.details.of(line);
        text.push_str(&line.log);
        self.framing.write(out, channel, text.as_bytes())
    }
}

/// Waits; returns true if the client has gone.
pub fn waited_in_vain(gone: &OwnedFd, time: Duration) -> bool {
    let timeout = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() };
    let mut polled = [PollFd::new(gone, PollFlags::IN)];
    matches!(poll(&mut polled, Some(&timeout)), Ok(count) if count > 0)
}
