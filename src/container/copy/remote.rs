//! The host's side of a copy.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::chunks::{ChunkReader, ChunkWriter};
use super::ground::{Ground, cleaned};
use super::inside::{self, Entered, FilesOf, Order};
use super::pack::pack;
use super::place::place;
use super::unpack::{Receiver, unpack};
use super::{BUFFER, CopyError, Owners, PathStat, Place, Unpacking};
use crate::base::foreign;
use crate::base::framed::{receive, send};
use crate::base::identity::Identity;
use crate::base::io_error::AtPath;
use crate::base::privacy;
use crate::container::chroot::lacks_namespaces;
use crate::container::directory::{Entry, Running};
use crate::container::error::ContainerError;
use crate::container::sandbox::user_namespace::{self, IdMapping};
use crate::container::sandbox::{self, Held};
use crate::container::working::{self, Working};
use crate::container::{launch, wiring};
use crate::image::layer::Decoder;

/// How long a container whose program has ended may take to report that.
const PATIENCE: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(2);

/// The number of bytes of the tar stream.
#[derive(Debug, Clone, Copy)]
pub struct Copied(pub u64);

/// A process in the container's files, and what keeps the files available.
struct Files {
    stream: UnixStream,
    held: Option<Kept>,
}

/// What is held while the files are used. A container without namespaces has a root folder for that.
enum Kept {
    Mounted(#[expect(dead_code, reason = "held")] (Held, Running)),
    Made(Box<Working>, Running),
    InUse(#[expect(dead_code, reason = "held")] File),
}

impl Files {
    /// To be called while this process has one thread.
    fn open(entry: &Entry) -> Result<Self, ContainerError> {
        let begun = Instant::now();
        let mut now = None;
        loop {
            let entry = now.as_ref().unwrap_or(entry);
            match Self::enter(entry) {
                Ok(Some(files)) => return Ok(files),
                // Its program has just ended and its files will be free soon, or it is being restarted.
                Ok(None) if begun.elapsed() < PATIENCE => {}
                Err(ContainerError::IsRunning { .. }) if begun.elapsed() < PATIENCE => {}
                Ok(None) => return Err(ContainerError::MonitorDied),
                Err(error) => return Err(error),
            }
            std::thread::sleep(STEP);
            now = Some(Entry::open(entry.folder().to_owned())?.ok_or(ContainerError::MonitorDied)?);
        }
    }

    /// `None` if the program ended before its files could be entered.
    fn enter(entry: &Entry) -> Result<Option<Self>, ContainerError> {
        if lacks_namespaces(&entry.record) {
            return Self::enter_folder(entry);
        }
        let (pid, held) = if entry.is_running && entry.state.pid != 0 {
            (entry.state.pid, None)
        } else {
            let lock = entry.take()?;
            let wiring = wiring::nothing(&entry.record, entry.folder());
            let container = launch::prepare(&entry.record, entry.folder(), &wiring)?;
            let held = sandbox::hold(&container)?;
            (held.pid(), Some(Kept::Mounted((held, lock))))
        };
        let stream = begin(FilesOf::Process(pid)).at("start", "a helper")?;
        match receive(&stream).at("reach", "the container's files")? {
            Entered::Yes => Ok(Some(Self { stream, held })),
            Entered::Ended => Ok(None),
            Entered::Failed(error) => Err(error.into()),
        }
    }

    /// The same for a container whose root is a folder.
    fn enter_folder(entry: &Entry) -> Result<Option<Self>, ContainerError> {
        let (root, held) = if entry.is_running && entry.state.pid != 0 {
            let Some((root, lock)) = working::of_running(entry.folder())? else { return Ok(None) };
            (root, Kept::InUse(lock))
        } else {
            let lock = entry.take()?;
            // This creates the upper folder of a container that never ran.
            launch::prepare(&entry.record, entry.folder(), &wiring::nothing(&entry.record, entry.folder()))?;
            let working = Working::make(&entry.record, entry.folder(), None)?;
            (working.path(), Kept::Made(Box::new(working), lock))
        };
        let stream = begin(FilesOf::Folder(root)).at("start", "a helper")?;
        match receive(&stream).at("reach", "the container's files")? {
            Entered::Yes => Ok(Some(Self { stream, held: Some(held) })),
            _ => Ok(None),
        }
    }

    /// Merges the changes into the container's.
    fn keep(self) -> Result<(), ContainerError> {
        match self.held {
            Some(Kept::Made(working, _lock)) => working.keep(),
            _ => Ok(()),
        }
    }

    fn order<T: serde::de::DeserializeOwned>(&self, order: &Order) -> Result<T, ContainerError> {
        send(&self.stream, order).at("reach", "the container's files")?;
        let answer: Result<T, CopyError> = receive(&self.stream).at("reach", "the container's files")?;
        Ok(answer?)
    }

    /// Sends what `write` writes. The other side's error says more than the broken connection.
    fn send_stream(
        &self,
        write: impl FnOnce(&mut BufWriter<ChunkWriter<&UnixStream>>) -> Result<(), CopyError>,
    ) -> Result<Copied, ContainerError> {
        let mut out = BufWriter::with_capacity(BUFFER, ChunkWriter::new(&self.stream));
        let written = write(&mut out);
        let (chunks, unsent) = out.into_parts();
        let bytes = chunks.bytes;
        let finished = match unsent {
            Ok(rest) if rest.is_empty() => chunks.finish(&written),
            // The peer is gone, or there was an earlier error.
            _ => Ok(()),
        };
        let taken: Result<(), CopyError> = receive(&self.stream).at("hear of", "the copy's end")?;
        taken?;
        written?;
        finished.at("reach", "the container's files")?;
        Ok(Copied(bytes))
    }
}

/// Copies a file or folder of a container to the host; without a destination, as a tar stream to `out`.
pub fn copy_from(
    entry: &Entry,
    path: &Path,
    (follow, owners): (bool, Owners),
    destination: Result<&Path, &mut dyn Write>,
) -> Result<Copied, ContainerError> {
    let files = Files::open(entry)?;
    let source: Place = files.order(&Order::Read { path: path.to_owned(), follow })?;
    let mut chunks = ChunkReader::new(BufReader::with_capacity(BUFFER, &files.stream));
    let ask = |name: &Path| send(&files.stream, &name.as_os_str()).at("reach", "the container's files");
    let taken = match destination {
        Ok(destination) => {
            let target = place(&Ground::Host, &on_host(destination)?, &source)?;
            ask(&target.name)?;
            unpack(&mut chunks, &Receiver::of(target, owners)).map(drop).map_err(ContainerError::from)
        }
        Err(out) => {
            ask(if source.contents { Path::new(".") } else { &source.name })?;
            io::copy(&mut chunks, out).map(drop).at("write", "the archive").map_err(ContainerError::from)
        }
    };
    match taken {
        // The sender knows why a stream ended too early.
        Err(error) if chunks.has_ended() => Err(chunks.finish().err().map_or(error, ContainerError::from)),
        Err(error) => Err(error),
        Ok(()) => Ok(Copied(chunks.finish()?)),
    }
}

/// Describes what is at a path in a container, without following a link.
pub fn look_at(entry: &Entry, path: &Path) -> Result<PathStat, ContainerError> {
    Files::open(entry)?.order(&Order::Look { path: path.to_owned() })
}

/// Copies a file or folder of the host into a container. With `follow`, copies the target of a link.
pub fn copy_into(
    entry: &Entry,
    (source, follow): (&Path, bool),
    path: &Path,
    owners: Owners,
) -> Result<Copied, ContainerError> {
    let (source, handle) = Place::find(&Ground::Host, &on_host(source)?, follow)?;
    let files = Files::open(entry)?;
    let name: OsString = files.order(&Order::Write { path: path.to_owned(), source, owners })?;
    let copied = files.send_stream(|out| pack(&handle, Path::new(&name), out));
    // What was copied before an error is kept.
    files.keep().and(copied)
}

/// Unpacks a tar stream, compressed or not, into a folder of a container.
pub fn copy_stream_into(
    entry: &Entry,
    stream: impl Read,
    path: &Path,
    how: Unpacking,
) -> Result<Copied, ContainerError> {
    let files = Files::open(entry)?;
    let _: OsString = files.order(&Order::Unpack { path: path.to_owned(), how })?;
    let copied = files.send_stream(|out| {
        let failed = |error: io::Error| CopyError(format!("cannot copy the archive: {error}"));
        io::copy(&mut Decoder::new(stream).map_err(failed)?, out).map_err(failed)?;
        out.flush().map_err(failed)
    });
    files.keep().and(copied)
}

fn on_host(path: &Path) -> Result<PathBuf, ContainerError> {
    let here = std::env::current_dir().at("find", ".")?;
    Ok(cleaned(path, &here))
}

/// Starts a process in those files: a fork, unless this process has several threads.
fn begin(files: FilesOf) -> io::Result<UnixStream> {
    let forked = sandbox::fork_detached(Identity::Copier, |stream| inside::serve(&files, &stream))?;
    if let Some(stream) = forked {
        return Ok(stream);
    }
    let stream = sandbox::execute_detached(Identity::Copier)?;
    send(&stream, &(user_namespace::entered(), foreign::are_owners_recorded(), &files))?;
    Ok(stream)
}

/// The main function of such a process if it is executed.
pub fn serve_as_copier() {
    privacy::begin();
    let Ok(stream) = sandbox::take_stream(Identity::Copier) else { return };
    let Ok((mapping, is_recording, files)) = receive::<(Option<IdMapping>, bool, FilesOf)>(&stream) else { return };
    if is_recording {
        foreign::record_owners();
    }
    mapping.into_iter().for_each(user_namespace::inherit);
    inside::serve(&files, &stream);
}
