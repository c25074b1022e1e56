//! Pipes between a container's program and this process's own stdin, stdout and stderr.
//!
//! A program gets pipes and never this process's own files: an open file can be opened again through `/proc/self/fd`,
//! to read what was opened for writing and to write what was opened for reading, and its mode can be changed.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::SpliceFlags;
use rustix::time::Timespec;

use super::error::ContainerError;
use crate::base::io_error::AtPath;
use crate::container::sandbox::{Stdio, Stream};

pub(super) const BUFFER: usize = 64 << 10;
/// The size of a pipe for output, if the kernel allows it.
const PIPE: usize = 256 << 10;
/// The size of the pipe for input: it is filled by copying, and the program need not wake up for each copy.
const INPUT_PIPE: usize = 1 << 20;

/// How long background processes of the program may still print after its end: docker's value.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// This process's ends of the pipes, before the program runs.
pub(super) struct Relay {
    input: Option<OwnedFd>,
    outputs: Vec<(OwnedFd, File)>,
}

/// The copying threads while the program runs.
pub(super) struct Copies {
    outputs: Vec<JoinHandle<()>>,
    /// Closed when the program has ended.
    runs: OwnedFd,
}

impl Relay {
    /// Creates the pipes, and the program's ends of them.
    pub(super) fn new(interactive: bool) -> Result<(Self, Stdio), ContainerError> {
        let pipe = |size| -> Result<(OwnedFd, OwnedFd), ContainerError> {
            let (reader, writer) = io::pipe().at("make", "a pipe")?;
            // If this fails, smaller pipes do as well.
            let _ = rustix::pipe::fcntl_setpipe_size(&writer, size);
            Ok((reader.into(), writer.into()))
        };
        let mut relay = Self { input: None, outputs: Vec::new() };
        let mut stdin = Stream::Null;
        if interactive {
            let (reader, writer) = pipe(INPUT_PIPE)?;
            relay.input = Some(writer);
            stdin = Stream::Fd(reader);
        }
        let (reader, writer) = pipe(PIPE)?;
        relay.outputs.push((reader, own(io::stdout())?));
        // If both go to one place, one pipe keeps their order.
        let errors = if is_one_place() {
            writer.try_clone().at("copy", "a pipe")?
        } else {
            let (reader, writer) = pipe(PIPE)?;
            relay.outputs.push((reader, own(io::stderr())?));
            writer
        };
        Ok((relay, Stdio { stdin, stdout: Stream::Fd(writer), stderr: Stream::Fd(errors) }))
    }

    /// Called when the program runs.
    pub(super) fn begin(self) -> Result<Copies, ContainerError> {
        if let Some(input) = self.input {
            // The thread ends with the process: nothing can wake it from waiting for a key.
            std::thread::spawn(move || pass_input(io::stdin(), File::from(input)));
        }
        let (over, runs) = io::pipe().at("make", "a pipe")?;
        let mut outputs = Vec::new();
        for (from, to) in self.outputs {
            let over = over.try_clone().at("copy", "a pipe")?;
            outputs.push(std::thread::spawn(move || Output { from, to, over: over.into(), splices: true }.copy()));
        }
        Ok(Copies { outputs, runs: runs.into() })
    }
}

impl Copies {
    /// Called when the program has ended: returns when all of its output is written.
    pub(super) fn finish(self) {
        drop(self.runs);
        for output in self.outputs {
            // A copying thread doesn't panic; if it did, output is lost, but the outcome is still right.
            let _ = output.join();
        }
    }
}

/// std's own stdout and stderr search everything for line ends.
fn own(stream: impl AsFd) -> Result<File, ContainerError> {
    Ok(File::from(stream.as_fd().try_clone_to_owned().at("open", "the output")?))
}

fn is_one_place() -> bool {
    let place = |stream: BorrowedFd<'_>| rustix::fs::fstat(stream).map(|stat| (stat.st_dev, stat.st_ino));
    match (place(io::stdout().as_fd()), place(io::stderr().as_fd())) {
        (Ok(stdout), Ok(stderr)) => stdout == stderr,
        _ => false,
    }
}

/// A pipe from the program, and its destination.
struct Output {
    from: OwnedFd,
    to: File,
    /// Readable, at end of file, when the program has ended.
    over: OwnedFd,
    /// Not everything accepts splice(2): terminals and files opened for appending don't.
    splices: bool,
}

impl Output {
    /// Copies until the pipe is closed or the output can't be written; after the program's end, only for a moment if
    /// something else still holds the pipe.
    fn copy(mut self) {
        let mut deadline = None;
        loop {
            let left = deadline.map(|deadline: Instant| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return self.copy_rest();
            }
            match self.wait(left) {
                Ready::Output => match self.pass(PIPE) {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return,
                },
                Ready::End => deadline = Some(Instant::now() + AFTERWARDS),
                Ready::Nothing => {}
            }
        }
    }

    fn wait(&self, timeout: Option<Duration>) -> Ready {
        let mut both = [PollFd::new(&self.from, PollFlags::IN), PollFd::new(&self.over, PollFlags::IN)];
        // With a timeout, the program's end has been seen.
        let watched = if timeout.is_some() { &mut both[..1] } else { &mut both[..] };
        let timeout =
            timeout.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() });
        if poll(watched, timeout.as_ref()).is_err() {
            // Interrupted by a signal.
            return Ready::Nothing;
        }
        let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        match watched {
            [output, ..] if is_ready(output) => Ready::Output,
            [_, end] if is_ready(end) => Ready::End,
            _ => Ready::Nothing,
        }
    }

    /// Copies what is in the pipe now.
    fn copy_rest(mut self) {
        let mut left = rustix::io::ioctl_fionread(&self.from).unwrap_or(0) as usize;
        while left > 0 {
            match self.pass(left) {
                Ok(passed @ 1..) => left = left.saturating_sub(passed),
                Ok(0) | Err(_) => return,
            }
        }
    }

    /// Forwards at most that many bytes; 0 at the end of the pipe.
    fn pass(&mut self, most: usize) -> io::Result<usize> {
        if self.splices {
            match rustix::pipe::splice(&self.from, None, &self.to, None, most, SpliceFlags::MOVE) {
                Ok(passed) => return Ok(passed),
                Err(rustix::io::Errno::INTR) => return self.pass(most),
                Err(rustix::io::Errno::PIPE) => return Err(ErrorKind::BrokenPipe.into()),
                // Nothing was taken from the pipe.
                Err(_) => self.splices = false,
            }
        }
        let mut buffer = [0; BUFFER];
        let most = most.min(BUFFER);
        let length = rustix::io::retry_on_intr(|| rustix::io::read(&self.from, &mut buffer[..most]))?;
        write_all(&self.to, &buffer[..length])?;
        Ok(length)
    }
}

enum Ready {
    Output,
    End,
    Nothing,
}

/// Also works if another process has made the file non-blocking.
fn write_all(mut to: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(to, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Forwards all input until its end, or until the program closes its stdin. Input from a pipe is spliced without a
/// copy. Input from a file is always copied: spliced pages would be the file's own, which the container must not reach.
fn pass_input(from: io::Stdin, to: File) {
    let is_pipe = rustix::fs::fstat(&from)
        .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Fifo);
    if !is_pipe || !splice_all(from.as_fd(), to.as_fd()) {
        copy_all(from.lock(), to);
    }
}

/// False if the rest has to be copied.
fn splice_all(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> bool {
    loop {
        match rustix::pipe::splice(from, None, to, None, INPUT_PIPE, SpliceFlags::MOVE) {
            Ok(0) | Err(rustix::io::Errno::PIPE) => return true,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // Another process has made it non-blocking; the program's pipe is blocking.
            Err(rustix::io::Errno::AGAIN)
                if poll(&mut [PollFd::from_borrowed_fd(from, PollFlags::IN)], None).is_ok() => {}
            // The kernel doesn't support it here.
            Err(_) => return false,
        }
    }
}

/// Copies until the end of the input, or until the output is closed. Reading a terminal ends with an error (EIO).
pub(super) fn copy_all(mut from: impl Read, mut to: impl Write) {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                if to.write_all(&buffer[..length]).and_then(|()| to.flush()).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, SeekFrom};

    use super::*;

    fn output(to: File) -> (io::PipeWriter, io::PipeWriter, JoinHandle<()>) {
        let (from, writer) = io::pipe().unwrap();
        let (over, runs) = io::pipe().unwrap();
        let output = Output { from: from.into(), to, over: over.into(), splices: true };
        (writer, runs, std::thread::spawn(move || output.copy()))
    }

    #[test]
    fn all_arrives_wherever_it_goes() {
        let text: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
        for append in [false, true] {
            let file = tempfile::NamedTempFile::new().unwrap();
            let to = File::options().write(true).append(append).open(file.path()).unwrap();
            let (mut writer, runs, thread) = output(to);
            writer.write_all(&text).unwrap();
            drop(writer);
            thread.join().unwrap();
            drop(runs);
            assert!(std::fs::read(file.path()).unwrap() == text, "append: {append}");
        }
    }

    #[test]
    fn what_was_printed_before_the_end_is_written_though_somebody_has_the_pipe() {
        let mut file = tempfile::tempfile().unwrap();
        let (mut writer, runs, thread) = output(file.try_clone().unwrap());
        writer.write_all(b"said").unwrap();
        drop(runs);
        thread.join().unwrap();
        let mut text = String::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "said");
        drop(writer);
    }
}
