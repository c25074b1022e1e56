//! Connects a container's streams and signals to this process's own.

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
    /// Forwards rbuild's stdin.
    pub interactive: bool,
    /// The program has a terminal: keys are forwarded unchanged.
    pub terminal: bool,
    pub signals: SignalPolicy,
    /// The session ends with its input, because it has no output.
    pub ends_with_input: bool,
    /// Typing these keys ends the session, but not the program.
    pub detach_keys: DetachKeys,
}

/// How a session ended.
#[derive(Debug)]
pub enum Left {
    Ended(Ending),
    /// The user has detached; the program keeps running.
    Detached,
    /// All of the input was forwarded, and there was nothing else to do.
    InputEnded,
    /// The user repeatedly asked to end, so nothing more is waited for; the program keeps running.
    Forced,
}

/// A connection to a container's monitor, with the program's streams.
#[derive(Debug)]
pub struct Session {
    stream: UnixStream,
    /// A warning about the container for the user.
    pub warning: Option<String>,
}

impl Session {
    /// Waits until the monitor reports that the program runs, or why it does not.
    pub(super) fn started(stream: UnixStream) -> Result<Self, ContainerError> {
        match super::control::receive(&stream)? {
            Reply::Started { warning } => Ok(Self { stream, warning }),
            _ => Err(ContainerError::MonitorDied),
        }
    }

    /// Attaches to a running container.
    pub fn attach(entry: &Entry, attach: Attach) -> Result<Self, ContainerError> {
        let stream = socket::connect(entry.folder())?;
        let request = Request::Attach(attach);
        protocol::send(&stream, Kind::Request, &request).at("reach", "the container's monitor")?;
        Self::started(stream)
    }

    /// Forwards everything until the program has ended or the user detaches.
    pub fn run(self, streams: &Streams, signals: SignalsKept) -> Result<Left, ContainerError> {
        let _raw = if streams.terminal && streams.interactive && io::stdin().is_terminal() {
            Some(RawMode::enter().at("prepare", "the terminal")?)
        } else {
            None
        };
        let sender = Sender(Arc::new(Mutex::new(socket::copy(&self.stream)?)));
        let is_forced = Arc::new(AtomicBool::new(false));
        let stream = socket::copy(&self.stream)?;
        // Fails only if the peer is gone.
        let leave = move || drop(stream.shutdown(std::net::Shutdown::Both));
        signals.treat(streams, sender.clone(), Arc::clone(&is_forced), leave);
        let (left, input_ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        if streams.interactive {
            let (sender, keys) = (sender.clone(), streams.detach_keys.clone());
            let (left, input_ended) = (Arc::clone(&left), Arc::clone(&input_ended));
            let (stream, ends_with_input) = (socket::copy(&self.stream)?, streams.ends_with_input);
            let keys = if streams.terminal { keys } else { DetachKeys::none() };
            // The thread ends with the process: nothing can wake it from waiting for a key.
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

/// Sends whole frames, from any thread.
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

/// Until the end of the input; true if the user typed the detach keys.
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
    // Fails only if the peer is gone.
    let _ = sender.frame(Kind::InputEnd, &[]);
    false
}

/// Writes the output until the program has ended. If it can't be written any longer, the monitor is told once.
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

/// std's own streams search everything for line ends.
fn raw(stream: impl AsFd) -> Result<std::fs::File, ContainerError> {
    Ok(std::fs::File::from(stream.as_fd().try_clone_to_owned().at("open", "the output")?))
}
