//! A program that `exec` started in the foreground: its input and output are rbuild's.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::fd::AsFd as _;

use rustix::termios::Winsize;
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
use signal_hook::iterator::Signals;

use super::detach_keys::DetachKeys;
use super::directory::Entry;
use super::error::ContainerError;
use super::exec::{ExecOptions, exec};
use super::protocol::Ending;
use super::raw_mode::{self, RawMode};
use super::relay::{BUFFER, Relay, copy_all};
use super::session::{Left, window_size};
use crate::base::io_error::AtPath;
use crate::container::sandbox::{Running, Stdio};

/// Starts a program in a container and forwards everything until it ends, or the user detaches.
pub fn exec_in_foreground(
    entry: &Entry,
    options: &ExecOptions,
    interactive: bool,
    keys: DetachKeys,
    started: impl FnOnce(&Running),
) -> Result<Left, ContainerError> {
    let mut id = None;
    let start = |stdio| {
        let (running, known) = exec(entry, options, stdio)?;
        id = Some(known);
        Ok(running)
    };
    let left = match options.terminal {
        true => in_terminal(start, interactive, keys, started)?,
        false => in_pipes(start, interactive, started)?,
    };
    if let Left::Detached = left
        && let Some(id) = id
    {
        id.keep();
    }
    Ok(left)
}

/// Starts a program that is not listed anywhere, and forwards everything until it ends: in a terminal, if this process
/// has one, or through pipes. `start` is told which. Returns the exit code.
pub fn run_in_foreground(
    is_terminal: bool,
    start: impl FnOnce(Stdio) -> Result<Running, ContainerError>,
) -> Result<u8, ContainerError> {
    let left = match is_terminal {
        true => in_terminal(start, true, DetachKeys::none(), |_| {})?,
        false => in_pipes(start, true, |_| {})?,
    };
    Ok(match left {
        Left::Ended(ending) => ending.exit_code,
        _ => 0,
    })
}

fn in_pipes(
    start: impl FnOnce(Stdio) -> Result<Running, ContainerError>,
    interactive: bool,
    started: impl FnOnce(&Running),
) -> Result<Left, ContainerError> {
    let (relay, stdio) = Relay::new(interactive)?;
    let running = start(stdio)?;
    let copies = relay.begin()?;
    started(&running);
    let outcome = running.wait()?;
    copies.finish();
    Ok(Left::Ended(Ending { exit_code: outcome.status.code(), ..Ending::default() }))
}

fn in_terminal(
    start: impl FnOnce(Stdio) -> Result<Running, ContainerError>,
    interactive: bool,
    mut keys: DetachKeys,
    started: impl FnOnce(&Running),
) -> Result<Left, ContainerError> {
    let mut signals = Signals::new([SIGWINCH, SIGHUP, SIGINT, SIGQUIT, SIGTERM]).at("register", "the signals")?;
    let mut running = start(Stdio::default())?;
    let Some(master) = running.take_terminal().map(File::from) else { return Err(ContainerError::MonitorDied) };
    resize(&master);
    started(&running);
    let copy = |master: &File| master.try_clone().at("copy", "the terminal");
    let terminal = copy(&master)?;
    std::thread::spawn(move || {
        for number in signals.forever() {
            if number == SIGWINCH {
                resize(&terminal);
                continue;
            }
            // As without a handler, except that the user's terminal is restored.
            raw_mode::restore();
            let _ = signal_hook::low_level::emulate_default_handler(number);
        }
    });
    let _raw = match interactive && io::stdin().is_terminal() {
        true => Some(RawMode::enter().at("prepare", "the terminal")?),
        false => None,
    };
    let (sender, receiver) = std::sync::mpsc::channel();
    if interactive {
        let (mut input, sender) = (copy(&master)?, sender.clone());
        // The thread ends with the process: nothing can wake it from waiting for a key.
        std::thread::spawn(move || forward_input(&mut input, &mut keys).then(|| sender.send(Heard::Leave)));
    }
    std::thread::spawn(move || {
        copy_all(master, io::stdout());
        // Nobody receives this if the user has detached.
        let _ = sender.send(Heard::End);
    });
    match receiver.recv() {
        Ok(Heard::Leave) => {
            running.detach();
            Ok(Left::Detached)
        }
        _ => {
            let outcome = running.wait()?;
            Ok(Left::Ended(Ending { exit_code: outcome.status.code(), ..Ending::default() }))
        }
    }
}

enum Heard {
    End,
    Leave,
}

/// Until the end of the input; true if the detach keys were typed.
fn forward_input(terminal: &mut File, keys: &mut DetachKeys) -> bool {
    let mut buffer = vec![0; BUFFER];
    loop {
        match io::stdin().read(&mut buffer) {
            Ok(0) => return false,
            Ok(length) => {
                let (bytes, leave) = keys.filter(&buffer[..length]);
                if terminal.write_all(&bytes).is_err() {
                    return false;
                }
                if leave {
                    return true;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

fn resize(terminal: &File) {
    if let Some((rows, columns)) = window_size() {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // Fails only if the container's side is gone.
        let _ = rustix::termios::tcsetwinsize(terminal.as_fd(), size);
    }
}
