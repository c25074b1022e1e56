//! The output of a step's program: forwarded as it arrives, and its end kept for the error.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;

use super::error::StepError;
use crate::base::io_error::AtPath;
use crate::container::sandbox::{Stdio, Stream};

/// How much of a failed program's output its error shows.
const TAIL_LINES: usize = 20;
const TAIL_BYTES: usize = 16 << 10;

/// The capacity of a pipe, as programs get it: a shorter read means that nothing was left.
const AT_ONCE: usize = 64 << 10;

/// The read ends of a program's pipes.
pub(super) struct Output {
    /// The second one, if any, is standard error.
    pipes: Vec<File>,
    /// With two pipes, reports those with new data in the order of their first write.
    written: Option<OwnedFd>,
}

impl Output {
    /// One pipe for both streams, so that lines stay in order, unless they must be distinguished.
    pub fn new(apart: bool) -> Result<(Self, Stdio), StepError> {
        let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).at("create", "a pipe");
        let (read, output) = pipe()?;
        let mut pipes = vec![File::from(read)];
        let errors = if apart {
            let (read, errors) = pipe()?;
            pipes.push(read.into());
            errors
        } else {
            output.try_clone().at("copy", "a pipe")?
        };
        let written = apart.then(|| watch(&pipes)).transpose().at("watch", "two pipes")?;
        let stdio = Stdio { stdin: Stream::Null, stdout: Stream::Fd(output), stderr: Stream::Fd(errors) };
        Ok((Self { pipes, written }, stdio))
    }

    /// Passes all output on, with whether it is standard error, until all writers are gone; returns its end.
    pub fn follow(mut self, tell: impl Fn(bool, &[u8])) -> String {
        let mut tail = Tail::default();
        let mut buffer = vec![0; AT_ONCE];
        let mut open = vec![true; self.pipes.len()];
        while open.contains(&true) {
            for (which, has_ended) in self.next() {
                // A pipe is reported again only after another write.
                loop {
                    let count = match self.pipes[which].read(&mut buffer) {
                        Ok(count) => count,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(_) => 0,
                    };
                    if count == 0 {
                        open[which] = false;
                        break;
                    }
                    tell(which == 1, &buffer[..count]);
                    tail.push(&buffer[..count]);
                    if self.written.is_some() && count < buffer.len() && !has_ended {
                        break;
                    }
                }
            }
        }
        tail.into_text()
    }

    /// Waits for pipes with data; returns for each whether all writers are gone.
    fn next(&self) -> Vec<(usize, bool)> {
        let Some(written) = &self.written else { return vec![(0, true)] };
        let mut events: Vec<epoll::Event> = Vec::with_capacity(self.pipes.len());
        while epoll::wait(written, spare_capacity(&mut events), None) == Err(Errno::INTR) {}
        let which = |event: &epoll::Event| usize::try_from(event.data.u64()).unwrap_or(0);
        events.iter().map(|event| (which(event), { event.flags }.contains(EventFlags::HUP))).collect()
    }
}

fn watch(pipes: &[File]) -> Result<OwnedFd, Errno> {
    let written = epoll::create(CreateFlags::CLOEXEC)?;
    for (which, pipe) in pipes.iter().enumerate() {
        // Reading one pipe must not block while the program waits for space in the other.
        rustix::fs::fcntl_setfl(pipe, OFlags::NONBLOCK)?;
        epoll::add(&written, pipe, EventData::new_u64(which as u64), EventFlags::IN | EventFlags::ET)?;
    }
    Ok(written)
}

/// The end of a program's output.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        if self.0.len() > 2 * TAIL_BYTES {
            self.0.drain(..self.0.len() - TAIL_BYTES);
        }
    }

    fn into_text(self) -> String {
        let text = String::from_utf8_lossy(&self.0);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Write as _;

    use super::*;

    fn ends(stdio: Stdio) -> (File, File) {
        match (stdio.stdout, stdio.stderr) {
            (Stream::Fd(output), Stream::Fd(errors)) => (output.into(), errors.into()),
            _ => unreachable!("both are pipes"),
        }
    }

    /// All pieces, with whether they are standard error.
    fn pieces(output: Output) -> (Vec<(bool, String)>, String) {
        let pieces = RefCell::default();
        let tail = output.follow(|is_error, bytes| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            Vec::push(&mut pieces.borrow_mut(), (is_error, text));
        });
        (pieces.into_inner(), tail)
    }

    /// How many bytes of that stream were reported.
    fn length(told: &[(bool, String)], errors: bool) -> usize {
        told.iter().filter(|(is_error, _)| *is_error == errors).map(|(_, text)| text.len()).sum()
    }

    #[test]
    fn what_was_written_first_is_told_first() {
        let (output, stdio) = Output::new(true).unwrap();
        let (mut out, mut errors) = ends(stdio);
        errors.write_all(b"first\n").unwrap();
        out.write_all(b"second\n").unwrap();
        drop((out, errors));
        let (told, tail) = pieces(output);
        assert_eq!(told, [(true, "first\n".to_owned()), (false, "second\n".to_owned())]);
        assert_eq!(tail, "first\nsecond");
    }

    #[test]
    fn turns_are_kept_where_each_is_read_before_the_next() {
        let (output, stdio) = Output::new(true).unwrap();
        let (out, errors) = ends(stdio);
        let (told, wait) = std::sync::mpsc::channel();
        let order = std::thread::scope(|scope| {
            scope.spawn(move || {
                for turn in 0..100 {
                    let mut to = if turn % 3 == 0 { &errors } else { &out };
                    to.write_all(format!("{turn}\n").as_bytes()).unwrap();
                    wait.recv().unwrap();
                }
            });
            let order = RefCell::new(String::new());
            output.follow(|_, bytes| {
                order.borrow_mut().push_str(&String::from_utf8_lossy(bytes));
                let _ = told.send(());
            });
            order.into_inner()
        });
        assert_eq!(order, (0..100).map(|turn| format!("{turn}\n")).collect::<String>());
    }

    #[test]
    fn a_pipe_that_was_full_is_not_waited_for() {
        let (output, stdio) = Output::new(true).unwrap();
        let (mut out, mut errors) = ends(stdio);
        let (told, _) = std::thread::scope(|scope| {
            scope.spawn(move || {
                out.write_all(&vec![b'o'; AT_ONCE]).unwrap();
                errors.write_all(&vec![b'e'; 3 * AT_ONCE]).unwrap();
                out.write_all(b"end").unwrap();
            });
            pieces(output)
        });
        assert_eq!((length(&told, false), length(&told, true)), (AT_ONCE + 3, 3 * AT_ONCE));
    }

    #[test]
    fn more_than_a_pipe_holds_arrives_whole() {
        for apart in [false, true] {
            let (output, stdio) = Output::new(apart).unwrap();
            let (mut out, mut errors) = ends(stdio);
            let much = vec![b'x'; 300 << 10];
            let (told, _) = std::thread::scope(|scope| {
                scope.spawn(|| out.write_all(&much).map(|()| drop(out)).unwrap());
                scope.spawn(|| errors.write_all(&much).map(|()| drop(errors)).unwrap());
                pieces(output)
            });
            assert_eq!(length(&told, false) + length(&told, true), 2 * much.len());
            assert_eq!(length(&told, true), if apart { much.len() } else { 0 });
        }
    }
}
