//! A container's streams at this process's own: its input and output are rbuild's, and so are the signals.

use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::signal::{SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::Signals;

use super::detach_keys::DetachKeys;
use super::directory::Entry;
use super::error::ContainerError;
use super::protocol::{self, Attach, Ending, Kind, Reply, Request};
use super::raw_mode::RawMode;
use super::socket;
use crate::io_error::AtPath;

/// Those that are passed on. A change of the window's size is told to the terminal instead.
const SIGNALS: [i32; 9] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGALRM, SIGWINCH];
const SIGKILL: i32 = 9;

/// So many interrupts end a container that ignores them.
const PATIENCE: usize = 3;

const BUFFER: usize = 32 << 10;

/// How the user is connected to the program.
#[derive(Debug, Clone)]
pub struct Streams {
    /// Passes rbuild's input on.
    pub interactive: bool,
    /// The program has a terminal: keys reach it as they are.
    pub terminal: bool,
    /// Passes signals on.
    pub proxy_signals: bool,
    /// Typed one after another, they end the session and not the program.
    pub detach_keys: DetachKeys,
}

/// How a session came to its end.
#[derive(Debug)]
pub enum Left {
    Ended(Ending),
    /// The user has left; the program goes on.
    Detached,
}

/// Signals are kept from now on for the program that is about to start, so that none is lost.
#[derive(Debug)]
pub struct SignalsKept(Signals);

impl SignalsKept {
    pub fn new() -> Result<Self, ContainerError> {
        Ok(Self(Signals::new(SIGNALS).at("register", "the signals")?))
    }
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
        let detached = Arc::new(AtomicBool::new(false));
        pass_on(signals, sender.clone(), streams);
        if streams.interactive {
            let (sender, keys, detached) = (sender.clone(), streams.detach_keys.clone(), Arc::clone(&detached));
            let stream = socket::copy(&self.stream)?;
            let keys = if streams.terminal { keys } else { DetachKeys::none() };
            // It ends with the process: nothing can wake it from waiting for a key.
            std::thread::spawn(move || {
                if pass_input(&sender, keys) {
                    detached.store(true, Ordering::SeqCst);
                    // It fails only when the other side is gone.
                    let _ = stream.shutdown(std::net::Shutdown::Both);
                }
            });
        }
        let ended = pass_output(&self.stream, &sender);
        if detached.load(Ordering::SeqCst) {
            return Ok(Left::Detached);
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
struct Sender(Arc<Mutex<UnixStream>>);

impl Sender {
    fn request(&self, request: &Request) -> io::Result<()> {
        protocol::send(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), Kind::Request, request)
    }

    fn frame(&self, kind: Kind, bytes: &[u8]) -> io::Result<()> {
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

/// Passes signals to the container until this process ends.
fn pass_on(mut signals: SignalsKept, sender: Sender, streams: &Streams) {
    let (proxy, terminal) = (streams.proxy_signals, streams.terminal);
    std::thread::spawn(move || {
        let mut interrupts = 0;
        for number in signals.0.forever() {
            if number == SIGWINCH {
                if let Some((rows, columns)) = window_size().filter(|_| terminal) {
                    let _ = sender.request(&Request::Resize { rows, columns });
                }
                continue;
            }
            if matches!(number, SIGINT | SIGTERM) {
                interrupts += 1;
            }
            // Both fail only when the container is gone.
            if interrupts >= PATIENCE {
                let _ = sender.request(&Request::Signal { number: SIGKILL, explicit: false });
            } else if proxy {
                let _ = sender.request(&Request::Signal { number, explicit: false });
            } else if !matches!(number, SIGCONT) {
                // Nobody else takes it: this process ends as it would have without a handler.
                let _ = signal_hook::low_level::emulate_default_handler(number);
            }
        }
    });
}
