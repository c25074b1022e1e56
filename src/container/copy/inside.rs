//! The process in the container's files.

use std::io::{self, BufReader, BufWriter, Read as _, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{CopyError, Place, Target, pack, place, unpack};
use crate::sandbox;

/// More than any message.
const MOST_BYTES: u32 = 1 << 20;

/// What it is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Find a source and tell of it; then, told its name, pack it.
    Read { path: PathBuf, follow: bool },
    /// Find a place for a source and tell of it; then unpack what comes.
    Write { path: PathBuf, source: Place, keep_owner: bool },
    /// Unpack what comes into a folder.
    Unpack { path: PathBuf, keep_owner: bool },
}

pub(super) fn send<T: Serialize>(mut stream: impl Write, message: &T) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    stream.write_all(&[(body.len() as u32).to_le_bytes().as_slice(), &body].concat())
}

pub(super) fn receive<T: DeserializeOwned>(mut stream: impl io::Read) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MOST_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

/// Does what it is told in the files of the container that this process is in. When the other side is gone, there is
/// nobody to tell of an error.
pub(super) fn serve(pid: i32, stream: &UnixStream) {
    let Ok(order) = receive::<Order>(stream) else { return };
    if let Err(error) = sandbox::enter_files(pid) {
        let error = CopyError(format!("cannot reach the container's files: {error}"));
        let _ = send(stream, &Err::<(), _>(error));
        return;
    }
    match order {
        Order::Read { path, follow } => {
            let found = Place::find(&absolute(&path), follow);
            let _ = send(stream, &found);
            let (Ok(source), Ok(name)) = (found, receive::<PathBuf>(stream)) else { return };
            // An error in the middle ends the stream early, and the other side sees that it is not whole.
            let _ = pack(&source, &name, BufWriter::with_capacity(1 << 16, stream));
        }
        Order::Write { path, source, keep_owner } => {
            let target = place(&absolute(&path), &source);
            let _ = send(stream, &target);
            if let Ok(target) = target {
                take(stream, &target, keep_owner);
            }
        }
        Order::Unpack { path, keep_owner } => {
            let folder = absolute(&path);
            let target = match std::fs::metadata(&folder) {
                Ok(metadata) if metadata.is_dir() => Ok(Target { folder, name: PathBuf::from(".") }),
                Ok(_) => Err(CopyError(format!("{} is not a directory", path.display()))),
                Err(error) => Err(CopyError::new("find", &path, &error)),
            };
            let _ = send(stream, &target);
            if let Ok(target) = target {
                take(stream, &target, keep_owner);
            }
        }
    }
}

fn take(stream: &UnixStream, target: &Target, keep_owner: bool) {
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    let done = unpack(&mut reader, &target.folder, keep_owner);
    // What comes after the archive's end.
    let _ = io::copy(&mut reader.by_ref().take(u64::MAX), &mut io::sink());
    let _ = send(stream, &done);
}

/// Paths in a container begin at its root. What ends in a slash or a dot keeps it.
fn absolute(path: &Path) -> PathBuf {
    let text = path.as_os_str().to_string_lossy();
    if path.is_absolute() { path.to_owned() } else { PathBuf::from(format!("/{text}")) }
}
