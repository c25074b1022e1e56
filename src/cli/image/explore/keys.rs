//! Keys from a terminal (xterm's control sequences, which all others follow).

use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Tab,
    Escape,
    Letter(char),
}

/// An input event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Key(Key),
    /// The size of the terminal has changed.
    Resized,
    /// End of input, or the process is to end.
    End,
}

/// Standard input, and the signals to watch for.
pub(super) struct Keys {
    resized: UnixStream,
    ended: UnixStream,
    waiting: Vec<u8>,
}

impl Keys {
    pub fn new() -> io::Result<Self> {
        let (resized, of_resized) = UnixStream::pair()?;
        let (ended, of_ended) = UnixStream::pair()?;
        signal_hook::low_level::pipe::register(SIGWINCH, of_resized)?;
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            signal_hook::low_level::pipe::register(signal, of_ended.try_clone()?)?;
        }
        Ok(Self { resized, ended, waiting: Vec::new() })
    }

    /// Waits for the next event.
    pub fn next(&mut self) -> io::Result<Input> {
        loop {
            if let Some((key, length)) = first(&self.waiting) {
                self.waiting.drain(..length);
                match key {
                    Some(key) => return Ok(Input::Key(key)),
                    None => continue,
                }
            }
            let stdin = io::stdin();
            let mut events = [
                PollFd::new(&stdin, PollFlags::IN),
                PollFd::new(&self.resized, PollFlags::IN),
                PollFd::new(&self.ended, PollFlags::IN),
            ];
            match poll(&mut events, None) {
                Err(rustix::io::Errno::INTR) => continue,
                polled => polled?,
            };
            let [typed, resized, ended] = events.map(|event| !event.revents().is_empty());
            let mut buffer = [0; 256];
            if ended {
                return Ok(Input::End);
            }
            if resized {
                let _ = self.resized.read(&mut buffer)?;
                return Ok(Input::Resized);
            }
            if typed {
                // Not std's reader, whose buffer poll cannot see.
                match rustix::io::read(stdin.as_fd(), &mut buffer)? {
                    0 => return Ok(Input::End),
                    count => self.waiting.extend_from_slice(&buffer[..count]),
                }
            }
        }
    }
}

/// The first key in the bytes, and its length; `None` for a key that means nothing here.
fn first(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    let (byte, rest) = bytes.split_first()?;
    let single = |key| Some((Some(key), 1));
    match (byte, rest) {
        (0x1b, [b'[' | b'O', sequence @ ..]) => {
            let length = sequence.iter().position(|byte| (0x40..=0x7e).contains(byte)).map(|end| end + 1)?;
            Some((named(&sequence[..length]), 2 + length))
        }
        (0x1b, _) => single(Key::Escape),
        (b'\r' | b'\n', _) => single(Key::Enter),
        (b'\t', _) => single(Key::Tab),
        // Ctrl-C.
        (3, _) => single(Key::Letter('q')),
        (0x20..=0x7e, _) => single(Key::Letter(char::from(*byte))),
        _ => Some((None, 1)),
    }
}

fn named(sequence: &[u8]) -> Option<Key> {
    Some(match sequence {
        b"A" => Key::Up,
        b"B" => Key::Down,
        b"C" => Key::Right,
        b"D" => Key::Left,
        b"H" | b"1~" | b"7~" => Key::Home,
        b"F" | b"4~" | b"8~" => Key::End,
        b"5~" => Key::PageUp,
        b"6~" => Key::PageDown,
        b"Z" => Key::Tab,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_keys() {
        for (bytes, key, length) in [
            (&b"\x1b[A"[..], Some(Key::Up), 3),
            (b"\x1bOB", Some(Key::Down), 3),
            (b"\x1b[5~x", Some(Key::PageUp), 4),
            (b"\x1b[1;5C", None, 6),
            (b"\x1b", Some(Key::Escape), 1),
            (b"qq", Some(Key::Letter('q')), 1),
            (b"\x03", Some(Key::Letter('q')), 1),
            (b"\xff", None, 1),
        ] {
            assert_eq!(first(bytes), Some((key, length)), "{}", bytes.escape_ascii());
        }
        assert_eq!((first(b""), first(b"\x1b[")), (None, None));
    }
}
