//! A container in the foreground: its input and output are rbuild's, and so are the signals.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::thread::JoinHandle;

use signal_hook::consts::signal::{SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::Signals;

use super::error::ContainerError;
use super::raw_mode::RawMode;
use crate::io_error::AtPath;
use crate::sandbox::{self, Container, Handle, Outcome, Running, Stdio, Stream};

/// Those that are passed on. A change of the window's size is told to the terminal instead.
const SIGNALS: [i32; 9] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGALRM, SIGWINCH];

/// So many interrupts end a container that ignores them.
const PATIENCE: usize = 3;

const BUFFER: usize = 32 << 10;

/// How the user is connected to the program.
#[derive(Debug, Clone, Copy)]
pub struct Streams {
    /// Passes rbuild's input on.
    pub interactive: bool,
    /// Passes signals on.
    pub proxy_signals: bool,
}

/// Starts the program, calls `started`, and waits for its end.
pub(super) fn run(
    container: &Container,
    streams: Streams,
    started: impl FnOnce(&Running) -> Result<(), ContainerError>,
) -> Result<Outcome, ContainerError> {
    if container.process.terminal && streams.interactive && !io::stdin().is_terminal() {
        return Err(ContainerError::NoTerminal);
    }
    // Before the program runs, so that no signal is lost.
    let signals = Signals::new(SIGNALS).at("register", "the signals")?;
    if container.process.terminal {
        run_in_terminal(container, streams, signals, started)
    } else {
        run_with_streams(container, streams, signals, started)
    }
}

fn run_in_terminal(
    container: &Container,
    streams: Streams,
    signals: Signals,
    started: impl FnOnce(&Running) -> Result<(), ContainerError>,
) -> Result<Outcome, ContainerError> {
    let mut running = sandbox::spawn(container, Stdio::default())?;
    started(&running)?;
    let Some(master) = running.take_terminal() else { return Ok(running.wait()?) };
    take_window_size(&master);
    let copy = |master: &OwnedFd| master.try_clone().at("copy", "the terminal");
    pass_on(signals, running.handle(), streams, Some(copy(&master)?));
    let _raw = if streams.interactive {
        let input = copy(&master)?;
        // It ends with the process: nothing can wake it from waiting for a key.
        std::thread::spawn(move || copy_all(io::stdin(), File::from(input)));
        Some(RawMode::enter().at("prepare", "the terminal")?)
    } else {
        None
    };
    copy_all(File::from(master), io::stdout());
    Ok(running.wait()?)
}

fn run_with_streams(
    container: &Container,
    streams: Streams,
    signals: Signals,
    started: impl FnOnce(&Running) -> Result<(), ContainerError>,
) -> Result<Outcome, ContainerError> {
    let mut copies = Vec::new();
    let stdio = Stdio {
        stdin: if streams.interactive { input()? } else { Stream::Null },
        stdout: output(io::stdout(), &mut copies)?,
        stderr: output(io::stderr(), &mut copies)?,
    };
    let running = sandbox::spawn(container, stdio)?;
    started(&running)?;
    pass_on(signals, running.handle(), streams, None);
    let outcome = running.wait()?;
    for copy in copies {
        // A copying thread doesn't panic; if it did, the output is lost and the outcome still holds.
        let _ = copy.join();
    }
    Ok(outcome)
}

/// Files and pipes are handed to the program as they are. The user's terminal is not: whoever has it can read from it
/// and change its settings; so a pipe stands between.
fn input() -> Result<Stream, ContainerError> {
    if !io::stdin().is_terminal() {
        return Ok(Stream::Inherit);
    }
    let (reader, writer) = io::pipe().at("create", "a pipe")?;
    std::thread::spawn(move || copy_all(io::stdin(), writer));
    Ok(Stream::Fd(reader.into()))
}

fn output(
    stream: impl Write + IsTerminal + Send + 'static,
    copies: &mut Vec<JoinHandle<()>>,
) -> Result<Stream, ContainerError> {
    if !stream.is_terminal() {
        return Ok(Stream::Inherit);
    }
    let (reader, writer) = io::pipe().at("create", "a pipe")?;
    copies.push(std::thread::spawn(move || copy_all(reader, stream)));
    Ok(Stream::Fd(writer.into()))
}

/// Until the end of the input, or until nobody takes the output. A terminal ends with an error (EIO).
fn copy_all(mut from: impl Read, mut to: impl Write) {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                if to.write_all(&buffer[..length]).and_then(|()| to.flush()).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Passes signals to the container until this process ends.
fn pass_on(mut signals: Signals, container: Handle, streams: Streams, terminal: Option<OwnedFd>) {
    std::thread::spawn(move || {
        let mut interrupts = 0;
        for signal in signals.forever() {
            if signal == SIGWINCH {
                terminal.iter().for_each(take_window_size);
                continue;
            }
            if matches!(signal, SIGINT | SIGTERM) {
                interrupts += 1;
            }
            // Both fail only when the container is gone.
            if interrupts >= PATIENCE {
                let _ = container.kill();
            } else if streams.proxy_signals {
                let _ = container.signal(signal);
            }
        }
    });
}

/// Gives the container's terminal the size of the user's.
fn take_window_size(master: &OwnedFd) {
    let size = rustix::termios::tcgetwinsize(io::stdout().as_fd())
        .or_else(|_| rustix::termios::tcgetwinsize(io::stdin().as_fd()));
    if let Ok(size) = size {
        // It fails only when the container's side is gone.
        let _ = rustix::termios::tcsetwinsize(master, size);
    }
}
