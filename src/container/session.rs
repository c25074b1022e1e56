//! A container's streams at this process's own: its input and output are rbuild's, and so are the signals.

use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::detach_keys::DetachKeys;
use super::directory::Entry;
use super::error::ContainerError;
use super::protocol::{self, Attach, Ending, Kind, Reply, Request};
use super::raw_mode::RawMode;
use super::session_signals::{SignalPolicy, SignalsKept};
use super::socket;
use crate::base::io_error::AtPath;

const SIGKILL: i32 = 9;

const BUFFER: usize = 32 << 10;

/// How the user is connected to the program.
#[derive(Debug, Clone)]
pub struct Streams {
    /// Passes rbuild's input on.
    pub interactive: bool,
    /// The program has a terminal: keys reach it as they are.
    pub terminal: bool,
    pub signals: SignalPolicy,
    /// The session is over when the input is: there is nothing else to it.
    pub ends_with_input: bool,
    /// Typed one after another, they end the session and not the program.
    pub detach_keys: DetachKeys,
}

/// How a session came to its end.
#[derive(Debug)]
pub enum Left {
    Ended(Ending),
    /// The user has left; the program goes on.
    Detached,
    /// All of the input was passed on, and that was all there was to do.
    InputEnded,
    /// The user asked for the end so often that nothing more is waited for; the program goes on.
    Forced,
}

/// A connection to a container's monitor, with the program's streams in it.
#[derive(Debug)]
pub struct Session {
    stream: UnixStream,
    /// What the user should be told about the container.
    pub warning: Option<String>,
}

impl Session {
    /// Waits until the monitor says that the program runs, or why not.
    pub(super) fn started(stream: UnixStream) -> Result<Self, ContainerError> {
        match super::control::receive(&stream)? {
            Reply::Started { warning } => Ok(Self { stream, warning }),
            _ => Err(ContainerError::MonitorDied),
        }
    }

    /// Attaches to a container that runs.
    pub fn attach(entry: &Entry, attach: Attach) -> Result<Self, ContainerError> {
        let stream = socket::connect(entry.folder())?;
        let request = Request::Attach(attach);
        protocol::send(&stream, Kind::Request, &request).at("reach", "the container's monitor")?;
        Self::started(stream)
    }

    /// Passes everything on until the program has ended or the user leaves.
    pub fn run(self, streams: &Streams, signals: SignalsKept) -> Result<Left, ContainerError> {
        let _raw = if streams.terminal && streams.interactive && io::stdin().is_terminal() {
            Some(RawMode::enter().at("prepare", "the terminal")?)
        } else {
            None
        };
        let sender = Sender(Arc::new(Mutex::new(socket::copy(&self.stream)?)));
        let is_forced = Arc::new(AtomicBool::new(false));
        let stream = socket::copy(&self.stream)?;
        // It fails only when the other side is gone.
        let leave = move || drop(stream.shutdown(std::net::Shutdown::Both));
        signals.treat(streams, sender.clone(), Arc::clone(&is_forced), leave);
        let (left, input_ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        if streams.interactive {
            let (sender, keys) = (sender.clone(), streams.detach_keys.clone());
            let (left, input_ended) = (Arc::clone(&left), Arc::clone(&input_ended));
            let (stream, ends_with_input) = (socket::copy(&self.stream)?, streams.ends_with_input);
            let keys = if streams.terminal { keys } else { DetachKeys::none() };
            // It ends with the process: nothing can wake it from waiting for a key.
            std::thread::spawn(move || {
                let has_left = pass_input(&sender, keys);
                if has_left || ends_with_input {
                    let reason = if has_left { left } else { input_ended };
                    reason.store(true, Ordering::SeqCst);
                    // As above.
                    let _ = stream.shutdown(std::net::Shutdown::Both);
                }
            });
        }
        let ended = pass_output(&self.stream, &sender);
        let reasons = [(is_forced, Left::Forced), (left, Left::Detached), (input_ended, Left::InputEnded)];
        for (reason, left) in reasons {
            if reason.load(Ordering::SeqCst) {
                return Ok(left);
            }
        }
        match ended? {
            Some(ending) => Ok(Left::Ended(ending)),
            // The monitor was killed, and its container with it.
            None => Ok(Left::Ended(Ending { exit_code: 128 + SIGKILL as u8, ..Ending::default() })),
        }
    }
}

/// The size of the user's terminal, in rows and columns.
pub fn window_size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(io::stdout().as_fd())
        .or_else(|_| rustix::termios::tcgetwinsize(io::stdin().as_fd()));
    size.ok().map(|size| (size.ws_row, size.ws_col)).filter(|(rows, columns)| *rows > 0 && *columns > 0)
}

/// Sends whole frames from any thread.
#[derive(Clone)]
pub(super) struct Sender(pub(super) Arc<Mutex<UnixStream>>);

impl Sender {
    pub(super) fn request(&self, request: &Request) -> io::Result<()> {
        protocol::send(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), Kind::Request, request)
    }

    pub(super) fn frame(&self, kind: Kind, bytes: &[u8]) -> io::Result<()> {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(&[protocol::header(kind, bytes.len()).as_slice(), bytes].concat())
    }
}

/// Until the end of the input; true when the user has typed the keys for leaving.
fn pass_input(sender: &Sender, mut keys: DetachKeys) -> bool {
    let mut buffer = vec![0; BUFFER];
    let mut stdin = io::stdin().lock();
    loop {
        match stdin.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                let (bytes, leave) = keys.filter(&buffer[..length]);
                if !bytes.is_empty() && sender.frame(Kind::Input, &bytes).is_err() {
                    return false;
                }
                if leave {
                    return true;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    // It fails only when the other side is gone.
    let _ = sender.frame(Kind::InputEnd, &[]);
    false
}

/// Writes what comes until the program has ended. When nobody takes it any more, the monitor is told once.
fn pass_output(stream: &UnixStream, sender: &Sender) -> Result<Option<Ending>, ContainerError> {
    let (mut stdout, mut stderr) = (raw(io::stdout())?, raw(io::stderr())?);
    let mut body = Vec::new();
    let mut reader = io::BufReader::with_capacity(BUFFER * 2, stream);
    let mut is_closed = false;
    loop {
        let written = match protocol::receive(&mut reader, &mut body).at("hear from", "the container's monitor")? {
            None => return Ok(None),
            Some(Kind::Output) => stdout.write_all(&body),
            Some(Kind::Errors) => stderr.write_all(&body),
            Some(Kind::Reply) => match protocol::decode(&body) {
                Ok(Reply::Ended(ending)) => return Ok(Some(ending)),
                _ => Ok(()),
            },
            Some(_) => Ok(()),
        };
        if written.is_err() && !is_closed {
            is_closed = true;
            let _ = sender.request(&Request::OutputClosed);
        }
    }
}

/// std's own looks for line ends in all that it writes.
fn raw(stream: impl AsFd) -> Result<std::fs::File, ContainerError> {
    Ok(std::fs::File::from(stream.as_fd().try_clone_to_owned().at("open", "the output")?))
}
