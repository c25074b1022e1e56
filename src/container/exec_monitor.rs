//! The process that stays with a program that was started by the API's `exec`: it holds the program's streams, forwards
//! them to the client, resizes the terminal, and records the exit code.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::Winsize;
use rustix::time::Timespec;

use super::directory::Entry;
use super::error::ContainerError;
use super::exec::exec;
use super::exec_ids::started;
use super::exec_record::ExecRecord;
use super::protocol::{self, Ending, Failure, Kind, Reply, Request};
use super::socket;
use crate::base::io_error::AtPath;
use crate::container::sandbox::{Running, Stdio, Stream};

const BUFFER: usize = 64 << 10;

/// How long background processes of the program may still print after its end: docker's value.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// This process's ends of the program's streams.
#[derive(Default)]
struct Ends {
    input: Option<File>,
    output: Option<File>,
    errors: Option<File>,
    terminal: Option<File>,
}

/// Starts the program and stays with it until it ends. `client` is told whether it started, and then gets its streams.
pub fn run_exec(entry: &Entry, mut record: ExecRecord, client: UnixStream) -> Result<(), ContainerError> {
    let folder = ExecRecord::folder(entry);
    // Once the record says that the program runs, others may ask for a resize.
    let listener = listen(entry, &record);
    let (running, ends) = match start(entry, &mut record) {
        Ok(started) => started,
        Err(error) => {
            let _ = std::fs::remove_file(folder.join(record.socket()));
            record.exit_code = Some(error.exit_code().into());
            record.finished_at = Some(Timestamp::now());
            record.write(entry)?;
            return Ok(
                protocol::send(&client, Kind::Reply, &Reply::Failed(Failure::of(&error))).at("reach", "the client")?
            );
        }
    };
    let client = Arc::new(Mutex::new(client));
    send(&client, &protocol::encode(Kind::Reply, &Reply::Started { warning: None }).unwrap_or_default());
    record.tell(entry, "exec_start", &[]);
    if let Some(terminal) = copy(ends.terminal.as_ref()) {
        std::thread::spawn(move || serve_others(listener.ok(), &terminal));
    }
    let (over, runs) = io::pipe().at("make", "a pipe")?;
    let copies: Vec<JoinHandle<()>> = [(ends.output, Kind::Output), (ends.errors, Kind::Errors)]
        .into_iter()
        .filter_map(|(from, kind)| Some((from?, kind)))
        .map(|(from, kind)| {
            let (client, over) = (Arc::clone(&client), over.try_clone());
            std::thread::spawn(move || pass_output(from, kind, &client, over.ok().as_ref()))
        })
        .collect();
    let reader = client.lock().unwrap_or_else(PoisonError::into_inner).try_clone().at("copy", "a stream")?;
    // The thread ends with the process: nothing else can wake it.
    std::thread::spawn(move || pass_input(&reader, ends.input, ends.terminal));
    let outcome = running.wait()?;
    drop(runs);
    for copy in copies {
        // A copying thread doesn't panic; if it did, output is lost, but the outcome is still right.
        let _ = copy.join();
    }
    let code = outcome.status.code();
    record.exit_code = Some(code.into());
    record.finished_at = Some(Timestamp::now());
    record.pid = 0;
    record.write(entry)?;
    let _ = std::fs::remove_file(folder.join(record.socket()));
    record.tell(entry, "exec_die", &[("exitCode", &code.to_string())]);
    let ended = Reply::Ended(Ending { exit_code: code, ..Ending::default() });
    send(&client, &protocol::encode(Kind::Reply, &ended).unwrap_or_default());
    Ok(())
}

/// Resizes the terminal of a running program.
pub fn resize_exec(entry: &Entry, record: &ExecRecord, size: (u16, u16)) -> Result<(), ContainerError> {
    let folder = ExecRecord::folder(entry);
    let handle = socket::open(&folder)?;
    let name = format!("/proc/self/fd/{}/{}", handle.as_raw_fd(), record.socket());
    let stream = UnixStream::connect(name).at("reach the program in", &folder)?;
    let request = Request::Resize { rows: size.0, columns: size.1 };
    Ok(protocol::send(&stream, Kind::Request, &request).at("reach the program in", &folder)?)
}

fn start(entry: &Entry, record: &mut ExecRecord) -> Result<(Running, Ends), ContainerError> {
    let (mut stdio, mut ends) = (Stdio::default(), Ends::default());
    if !record.terminal {
        let pipe = || io::pipe().at("make", "a pipe");
        if record.stdin {
            let (reader, writer) = pipe()?;
            (stdio.stdin, ends.input) = (Stream::Fd(reader.into()), Some(own(writer)));
        }
        if record.stdout {
            let (reader, writer) = pipe()?;
            (stdio.stdout, ends.output) = (Stream::Fd(writer.into()), Some(own(reader)));
        }
        if record.stderr {
            let (reader, writer) = pipe()?;
            (stdio.stderr, ends.errors) = (Stream::Fd(writer.into()), Some(own(reader)));
        }
    }
    let (mut running, id) = exec(entry, &record.options(), stdio)?;
    // The record has the same.
    id.keep();
    if let Some(terminal) = running.take_terminal().map(File::from) {
        if let Some(size) = record.size {
            resize(&terminal, size);
        }
        ends.output = copy(Some(&terminal));
        ends.input = copy(Some(&terminal)).filter(|_| record.stdin);
        ends.terminal = Some(terminal);
    }
    record.pid = running.pid();
    record.started = started(record.pid).unwrap_or_default();
    record.write(entry)?;
    Ok((running, ends))
}

fn own(end: impl Into<std::os::fd::OwnedFd>) -> File {
    File::from(end.into())
}

fn copy(file: Option<&File>) -> Option<File> {
    file.and_then(|file| file.try_clone().ok())
}

fn listen(entry: &Entry, record: &ExecRecord) -> Result<UnixListener, ContainerError> {
    let folder = ExecRecord::folder(entry);
    let handle = socket::open(&folder)?;
    let name = format!("/proc/self/fd/{}/{}", handle.as_raw_fd(), record.socket());
    Ok(UnixListener::bind(name).at("listen in", &folder)?)
}

/// Serves the clients that resize the terminal.
fn serve_others(listener: Option<UnixListener>, terminal: &File) {
    let Some(listener) = listener else { return };
    for stream in listener.incoming().flatten() {
        let mut body = Vec::new();
        while let Ok(Some(kind)) = protocol::receive(&stream, &mut body) {
            if let (Kind::Request, Ok(Request::Resize { rows, columns })) = (kind, protocol::decode(&body)) {
                resize(terminal, (rows, columns));
            }
        }
    }
}

fn resize(terminal: &File, (rows, columns): (u16, u16)) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // Fails only if the container's side is gone.
    let _ = rustix::termios::tcsetwinsize(terminal.as_fd(), size);
}

fn pass_input(client: &UnixStream, mut input: Option<File>, terminal: Option<File>) {
    let mut body = Vec::new();
    while let Ok(Some(kind)) = protocol::receive(client, &mut body) {
        match kind {
            Kind::Input => input = input.take().filter(|mut input| input.write_all(&body).is_ok()),
            Kind::InputEnd if terminal.is_none() => input = None,
            // The input of a terminal is ended by typing.
            _ => {}
        }
    }
}

/// Copies until the pipe is closed, or for a moment after the program's end (when `over` becomes readable). A client
/// that is gone does not block the program.
fn pass_output(mut from: File, kind: Kind, client: &Mutex<UnixStream>, over: Option<&io::PipeReader>) {
    let mut buffer = vec![0; BUFFER];
    let mut deadline: Option<Instant> = None;
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() });
        let mut polled = vec![PollFd::new(&from, PollFlags::IN)];
        if let Some(over) = over.filter(|_| deadline.is_none()) {
            polled.push(PollFd::new(over, PollFlags::IN));
        }
        match poll(&mut polled, timeout.as_ref()) {
            Ok(0) => return,
            Err(_) => continue,
            Ok(_) => {}
        }
        if polled[0].revents().is_empty() {
            deadline = Some(Instant::now() + AFTERWARDS);
            continue;
        }
        match from.read(&mut buffer) {
            // Reading a terminal whose other side is closed fails.
            Ok(0) => return,
            Ok(length) => send(client, &[protocol::header(kind, length).as_slice(), &buffer[..length]].concat()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// A client that is gone needs nothing.
fn send(client: &Mutex<UnixStream>, frame: &[u8]) {
    let _ = client.lock().unwrap_or_else(PoisonError::into_inner).write_all(frame);
}
