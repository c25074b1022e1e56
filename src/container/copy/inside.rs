//! The process that works in the container's files.

use std::ffi::OsString;
use std::io::{self, BufReader, BufWriter};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::chunks::{ChunkReader, ChunkWriter};
use super::ground::{Ground, cleaned};
use super::pack::pack;
use super::place::place;
use super::unpack::{Receiver, unpack};
use super::{BUFFER, CopyError, Owners, PathStat, Place, Unpacking};
use crate::base::foreign;
use crate::base::framed::{receive, send};
use crate::container::sandbox;
use crate::container::sandbox::os_bytes;

/// Whether it could enter the container's files.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Entered {
    Yes,
    /// The program has ended meanwhile.
    Ended,
    Failed(CopyError),
}

/// A request to the process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Find a source and report it; then, with the name that is sent back, pack it.
    Read {
        #[serde(with = "os_bytes")]
        path: PathBuf,
        follow: bool,
    },
    /// Report what is at a path, without following a link.
    Look {
        #[serde(with = "os_bytes")]
        path: PathBuf,
    },
    /// Find the destination for a source and report it; then unpack the stream there.
    Write {
        #[serde(with = "os_bytes")]
        path: PathBuf,
        source: Place,
        owners: Owners,
    },
    /// Unpack the stream into a folder.
    Unpack {
        #[serde(with = "os_bytes")]
        path: PathBuf,
        how: Unpacking,
    },
}

/// The files to work in.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FilesOf {
    /// The files that a process of the container sees.
    Process(i32),
    /// The files in a folder: the root of a container without namespaces.
    Folder(#[serde(with = "os_bytes")] PathBuf),
}

/// Enters the files, reports that, and handles a request there. If the peer is gone, errors can't be reported.
pub(super) fn serve(files: &FilesOf, stream: &UnixStream) {
    let (entered, root) = match files {
        FilesOf::Process(pid) => (enter(*pid), Path::new("/")),
        FilesOf::Folder(root) => (Entered::Yes, root.as_path()),
    };
    let _ = send(stream, &entered);
    if let (Entered::Yes, Ok(order)) = (entered, receive::<Order>(stream)) {
        let _ = follow(order, root, stream);
    }
}

fn enter(pid: i32) -> Entered {
    // The container's `/proc` can't be trusted.
    let entered = foreign::keep_own_handles().map_err(io::Error::from).and_then(|()| sandbox::enter_files(pid));
    match entered {
        Ok(()) => Entered::Yes,
        // The process is gone, or its mounts are.
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::SRCH | Errno::NOENT)) => Entered::Ended,
        Err(error) => Entered::Failed(CopyError(format!("cannot reach the container's files: {error}"))),
    }
}

fn follow(order: Order, container: &Path, stream: &UnixStream) -> io::Result<()> {
    let ground = match Ground::container(container) {
        Ok(ground) => ground,
        Err(error) => return send(stream, &Err::<(), _>(CopyError::new("open", &error.path, &error.source))),
    };
    let root = Path::new("/");
    match order {
        Order::Read { path, follow } => match Place::find(&ground, &cleaned(&path, root), follow) {
            Err(error) => send(stream, &Err::<Place, _>(error)),
            Ok((found, handle)) => {
                send(stream, &Ok::<_, CopyError>(found))?;
                let name = PathBuf::from(receive::<OsString>(stream)?);
                let mut out = BufWriter::with_capacity(BUFFER, ChunkWriter::new(stream));
                let packed = pack(&handle, &name, &mut out);
                out.into_inner()?.finish(&packed)
            }
        },
        Order::Look { path } => send(stream, &look(&ground, &cleaned(&path, root))),
        Order::Write { path, source, owners } => match place(&ground, &cleaned(&path, root), &source) {
            Err(error) => send(stream, &Err::<OsString, _>(error)),
            Ok(target) => {
                send(stream, &Ok::<_, CopyError>(target.name.as_os_str()))?;
                take(stream, &Receiver::of(target, owners))
            }
        },
        Order::Unpack { path, how } => {
            let below: PathBuf = cleaned(&path, root).components().collect();
            let folder = match ground.handle(&below, true) {
                Ok(found) => found.folder().map_err(|_| CopyError(format!("{} is not a directory", path.display()))),
                Err(error) => Err(CopyError::new("find", &path, &error.source)),
            };
            let Ground::Container(tree) = ground else { return Ok(()) };
            send(stream, &folder.as_ref().map(|_| OsString::new()))?;
            // The container's links may be part of the archive's names: they can't lead outside.
            let receiver = Receiver { tree, below, name: None, how };
            if folder.is_ok() { take(stream, &receiver) } else { Ok(()) }
        }
    }
}

fn look(ground: &Ground, path: &Path) -> Result<PathStat, CopyError> {
    let (place, handle) = Place::find(ground, path, false)?;
    let failed = |error: crate::base::io_error::IoError| CopyError::new("look at", path, &error.source);
    let stat = handle.stat().map_err(failed)?;
    let is_link = handle.kind().map_err(failed)? == rustix::fs::FileType::Symlink;
    // Of a link docker says where in the container it leads.
    let around = path.parent().unwrap_or(Path::new("/"));
    let target = if is_link { cleaned(&handle.read_link().map_err(failed)?, around) } else { PathBuf::new() };
    let is_root = place.name == Path::new(".") && path == Path::new("/");
    Ok(PathStat {
        // What is in a folder, and the root, docker calls so.
        name: if is_root {
            "/".into()
        } else if place.contents {
            ".".into()
        } else {
            place.name
        },
        size: u64::try_from(stat.st_size).unwrap_or_default(),
        mode: stat.st_mode,
        modified: (stat.st_mtime, stat.st_mtime_nsec as u32),
        target,
    })
}

/// Unpacks the stream, and reports the outcome.
fn take(stream: &UnixStream, receiver: &Receiver) -> io::Result<()> {
    let mut chunks = ChunkReader::new(BufReader::with_capacity(BUFFER, stream));
    let unpacked = unpack(&mut chunks, receiver).map(drop);
    if unpacked.is_ok() {
        // The sender's own error is known on its side.
        let _ = chunks.finish();
    }
    send(stream, &unpacked)
}
