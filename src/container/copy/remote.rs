//! The host's side of a copy.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::inside::{self, Order, receive, send};
use super::{CopyError, Place, Target, pack, place, unpack};
use crate::container::directory::Entry;
use crate::container::error::ContainerError;
use crate::container::{launch, wiring};
use crate::io_error::AtPath;
use crate::sandbox::{self, Held};

/// How many bytes of tar went over.
#[derive(Debug, Clone, Copy)]
pub struct Copied(pub u64);

/// A process in the container's files, and what keeps them there.
struct Files {
    stream: UnixStream,
    _held: Option<(Held, super::super::directory::Running)>,
}

impl Files {
    /// To be called while this process has one thread.
    fn open(entry: &Entry) -> Result<Self, ContainerError> {
        let (pid, held) = if entry.state.pid != 0 {
            (entry.state.pid, None)
        } else {
            let lock = entry.take()?;
            let wiring = wiring::nothing(entry.folder());
            let container = launch::prepare(&entry.record, entry.folder(), &wiring)?;
            let held = sandbox::hold(&container)?;
            (held.pid(), Some((held, lock)))
        };
        let stream = sandbox::fork_detached(move |stream| inside::serve(pid, &stream)).at("start", "a helper")?;
        Ok(Self { stream, _held: held })
    }

    fn order<T: serde::de::DeserializeOwned>(&self, order: &Order) -> Result<T, ContainerError> {
        send(&self.stream, order).at("reach", "the container's files")?;
        let answer: Result<T, CopyError> = receive(&self.stream).at("reach", "the container's files")?;
        Ok(answer?)
    }
}

/// Copies a file or folder of a container to a place on the host; or, without one, as a tar stream to `out`.
pub fn copy_from(
    entry: &Entry,
    path: &Path,
    (follow, keep_owner): (bool, bool),
    destination: Result<&Path, &mut dyn Write>,
) -> Result<Copied, ContainerError> {
    let files = Files::open(entry)?;
    let source: Place = files.order(&Order::Read { path: path.to_owned(), follow })?;
    let mut counting = Counting { inner: BufReader::with_capacity(1 << 16, &files.stream), bytes: 0 };
    let ask = |name: &PathBuf| send(&files.stream, name).at("reach", "the container's files");
    match destination {
        Ok(destination) => {
            let target = place(destination, &source)?;
            ask(&target.name)?;
            unpack(&mut counting, &target.folder, keep_owner)?;
        }
        Err(out) => {
            ask(&if source.contents { PathBuf::from(".") } else { source.name.clone() })?;
            io::copy(&mut counting, out).at("write", "the archive")?;
        }
    }
    Ok(Copied(counting.bytes))
}

/// Copies a file or folder of the host into a container.
pub fn copy_into(entry: &Entry, source: &Place, path: &Path, keep_owner: bool) -> Result<Copied, ContainerError> {
    let files = Files::open(entry)?;
    let order = Order::Write { path: path.to_owned(), source: source.clone(), keep_owner };
    let target: Target = files.order(&order)?;
    let mut counting = Counting { inner: &files.stream, bytes: 0 };
    let packed = pack(source, &target.name, BufWriter::with_capacity(1 << 16, &mut counting));
    finish(&files, packed)?;
    Ok(Copied(counting.bytes))
}

/// Unpacks a tar stream into a folder of a container.
pub fn copy_stream_into(
    entry: &Entry,
    mut stream: impl Read,
    path: &Path,
    keep_owner: bool,
) -> Result<Copied, ContainerError> {
    let files = Files::open(entry)?;
    let _: Target = files.order(&Order::Unpack { path: path.to_owned(), keep_owner })?;
    let copied = io::copy(&mut stream, &mut &files.stream);
    let failed = |error: io::Error| CopyError(format!("cannot copy the archive: {error}"));
    let bytes = copied.as_ref().copied().unwrap_or(0);
    finish(&files, copied.map(drop).map_err(failed))?;
    Ok(Copied(bytes))
}

/// The other side's error says more than that it has stopped listening.
fn finish(files: &Files, sent: Result<(), CopyError>) -> Result<(), ContainerError> {
    // It fails only when the other side is gone.
    let _ = files.stream.shutdown(Shutdown::Write);
    let done: Result<(), CopyError> = receive(&files.stream).at("hear of", "the copy's end")?;
    done?;
    Ok(sent?)
}

struct Counting<T> {
    inner: T,
    bytes: u64,
}

impl<T: Read> Read for Counting<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.bytes += length as u64;
        Ok(length)
    }
}

impl<T: Write> Write for Counting<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.bytes += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
