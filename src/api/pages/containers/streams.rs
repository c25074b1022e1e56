//! `attach` and `resize`: a container's streams on the client's connection.

use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};

use super::logs::{Printer, stream_kind};
use super::named;
use crate::api::ApiError;
use crate::api::hijack::Hijacked;
use crate::api::multiplexed::{Channel, Framing};
use crate::api::request::Request;
use crate::api::response::{RAW, Response};
use crate::api::service::Service;
use crate::api::websocket;
use crate::container::{
    Attach, AttachedInput, Attaching, Attachment, Cancel, DetachKeys, Entry, Heard, LogReader, Selection, Status,
};
use crate::engine::container::{LineDetails, open_log};

const BUFFER: usize = 32 << 10;

/// How the client's connection and the program's streams are joined.
pub(super) struct Conversation {
    pub framing: Framing,
    /// The client's data is the program's input.
    pub stdin: bool,
    /// The program's input ends with the client's; otherwise the client then detaches.
    pub ends_input: bool,
    pub keys: Option<DetachKeys>,
}

pub fn attach(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let (attaching, conversation, logs) = prepare(service, request)?;
    let terminal = conversation.framing == Framing::Plain;
    let upgrade = request.upgrade();
    let kind = if upgrade.is_some() { stream_kind(request, terminal) } else { RAW };
    Ok(Response::hijack(upgrade, kind, move |hijacked| {
        // The client sees the connection end.
        let _ = converse(hijacked, attaching, conversation, logs);
    }))
}

/// The same over a WebSocket, without docker's frames.
pub fn attach_by_web_socket(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    named(service, request)?;
    let accepted = websocket::accept(request)?;
    let (attaching, conversation, logs) = prepare(service, request)?;
    let conversation = Conversation { framing: Framing::Plain, ..conversation };
    let logs = logs.map(|(log, printer)| (log, Printer { framing: Framing::Plain, ..printer }));
    Ok(accepted.response(move |hijacked| {
        let _ = converse(hijacked, attaching, conversation, logs);
    }))
}

type Logs = Option<(LogReader, Printer)>;

/// Checks everything that can be refused before the connection is taken over.
fn prepare(service: &Service, request: &Request) -> Result<(Option<Attaching>, Conversation, Logs), ApiError> {
    let query = &request.query;
    let entry = named(service, request)?;
    let name = request.part("id");
    match entry.state.status {
        Status::Paused => {
            return Err(ApiError::conflict(format!("container {name} is paused, unpause the container before attach")));
        }
        Status::Restarting => {
            let text = format!("container {name} is restarting, wait until the container is running");
            return Err(ApiError::conflict(text));
        }
        _ => {}
    }
    let config = &entry.record.config;
    let (stdout, stderr) = (query.flag("stdout"), query.flag("stderr"));
    let stdin = query.flag("stdin") && config.open_stdin;
    let conversation = Conversation {
        framing: Framing::of(config.tty),
        stdin,
        ends_input: config.stdin_once,
        keys: detach_keys(query.text("detachKeys"), config.tty)?,
    };
    let logs = query.flag("logs").then(|| {
        let framing = conversation.framing;
        let printer = Printer { stdout, stderr, details: LineDetails::default(), framing };
        Ok::<_, ApiError>((open_log(&entry, Selection::default())?, printer))
    });
    let logs = logs.transpose()?;
    let attach = Attach { stdin, stdout, stderr, size: None };
    let attaching = query.flag("stream").then(|| entry.attachment(attach)).transpose()?;
    Ok((attaching, conversation, logs))
}

/// Detach keys work only with a terminal.
pub(super) fn detach_keys(text: Option<&str>, terminal: bool) -> Result<Option<DetachKeys>, ApiError> {
    let keys = DetachKeys::parse(text.unwrap_or_default())?;
    Ok(Some(keys).filter(|_| terminal))
}

fn converse(
    hijacked: Hijacked,
    attaching: Option<Attaching>,
    conversation: Conversation,
    logs: Logs,
) -> io::Result<()> {
    let (reader, mut writer) = hijacked.split()?;
    if let Some((mut log, printer)) = logs {
        log.read(|line| printer.print(&mut writer, line)).map_err(io::Error::other)?;
    }
    let attachment = match attaching {
        None => None,
        Some(Attaching::Now(attachment)) => Some(attachment),
        Some(Attaching::WhenStarted(waiting)) => {
            waiting.wait(Cancel::closed(writer.as_fd())).map_err(io::Error::other)?
        }
    };
    match attachment {
        Some(attachment) => conversation.run(attachment, reader, writer),
        None => end(&writer),
    }
}

/// Lets the client read to the end: one whose words nobody has read when the connection closes hears of an error instead.
fn end(mut client: &UnixStream) -> io::Result<()> {
    client.shutdown(Shutdown::Write)?;
    client.set_nonblocking(true)?;
    let mut unwanted = [0; BUFFER];
    while client.read(&mut unwanted).is_ok_and(|length| length > 0) {}
    Ok(())
}

impl Conversation {
    /// Forwards everything until the program has ended or the client has detached.
    pub(super) fn run(
        self,
        mut attachment: Attachment,
        reader: impl Read + Send + 'static,
        mut writer: UnixStream,
    ) -> io::Result<()> {
        let input = attachment.input().map_err(io::Error::other)?;
        let (client, framing) = (writer.try_clone()?, self.framing);
        std::thread::spawn(move || self.listen(reader, &client, &input));
        loop {
            let heard = attachment.hear().map_err(io::Error::other)?;
            let written = match heard {
                None | Some(Heard::Ended(_)) => break,
                Some(Heard::Output(bytes)) => framing.write(&mut writer, Channel::Stdout, bytes),
                Some(Heard::Errors(bytes)) => framing.write(&mut writer, Channel::Stderr, bytes),
            };
            if written.is_err() {
                break;
            }
        }
        // The client may be gone already.
        let _ = writer.shutdown(Shutdown::Both);
        Ok(())
    }

    /// Reads the client's data until it is gone.
    fn listen(mut self, mut reader: impl Read, client: &UnixStream, input: &AttachedInput) {
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return input.leave(),
            };
            if !self.stdin {
                continue;
            }
            let (bytes, leaves) = match &mut self.keys {
                Some(keys) => keys.filter(&buffer[..length]),
                None => (buffer[..length].to_vec(), false),
            };
            if !bytes.is_empty() && input.write(&bytes).is_err() || leaves {
                return input.leave();
            }
        }
        match (self.stdin, self.ends_input) {
            (true, false) => return input.leave(),
            // It fails only if the other side is gone.
            (true, true) => drop(input.end()),
            (false, _) => {}
        }
        wait_until_closed(client);
        input.leave();
    }
}

/// Waits until the client closes its side.
fn wait_until_closed(client: &UnixStream) {
    let mut polled = [PollFd::new(client, PollFlags::empty())];
    while matches!(poll(&mut polled, None), Err(rustix::io::Errno::INTR)) {}
}

pub fn resize(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let size = size_of(request)?;
    let entry: Entry = named(service, request)?;
    if !entry.state.status.is_alive() {
        return Err(ApiError::conflict(format!("container {} is not running", entry.record.id)));
    }
    entry.resize(size)?;
    Ok(Response::empty(200))
}

/// Rows and columns.
pub(super) fn size_of(request: &Request) -> Result<(u16, u16), ApiError> {
    let number = |name: &str, what: &str| {
        let text = request.query.given(name).unwrap_or_default();
        let wrong = |_| ApiError::bad_request(format!("invalid resize {what} {text:?}: invalid syntax"));
        text.parse::<u16>().map_err(wrong)
    };
    Ok((number("h", "height")?, number("w", "width")?))
}
