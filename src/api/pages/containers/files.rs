//! Files of containers: archives of a path, and of everything.

use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use base64::Engine as _;
use serde_json::json;

use super::named;
use crate::api::ApiError;
use crate::api::helper::{Task, Worker, pass_on};
use crate::api::request::Request;
use crate::api::response::{Response, TAR};
use crate::api::service::Service;
use crate::container::PathStat;
use crate::engine::container::export as whole;

const STAT: &str = "X-Docker-Container-Path-Stat";

/// Go's bits for the type of a file.
const FOLDER: u32 = 1 << 31;
const SYMLINK: u32 = 1 << 27;
const DEVICE: u32 = 1 << 26;
const NAMED_PIPE: u32 = 1 << 25;
const SOCKET: u32 = 1 << 24;
const SETUID: u32 = 1 << 23;
const SETGID: u32 = 1 << 22;
const CHARACTER_DEVICE: u32 = 1 << 21;
const STICKY: u32 = 1 << 20;

fn path_of(request: &Request) -> Result<PathBuf, ApiError> {
    match request.query.text("path") {
        None => Err(ApiError::bad_request("bad parameter: pathcannot be empty")),
        Some(path) if path.contains('\0') => Err(ApiError::bad_request("bad parameter: 'path' has a byte that is 0")),
        Some(path) => Ok(PathBuf::from(path)),
    }
}

/// docker's message for a missing path.
fn of_path(error: ApiError, request: &Request) -> ApiError {
    if error.status != 404 || error.message.starts_with("No such container") {
        return error;
    }
    let (path, id) = (request.query.text("path").unwrap_or_default(), request.part("id"));
    ApiError::not_found(format!("Could not find the file {path} in container {id}"))
}

pub fn look(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let entry = named(service, request)?;
    let task = Task::Look { container: entry.record.id, path: path_of(request)? };
    let worker = Worker::start(service.root(), task)?;
    let stat: Result<PathStat, ApiError> = worker.answer();
    worker.finish();
    let stat = stat.map_err(|error| of_path(error, request))?;
    Ok(Response::empty(200).header(STAT, encoded(&stat)))
}

pub fn pack(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let path = path_of(request)?;
    let entry = named(service, request)?;
    let worker = Worker::start(service.root(), Task::Pack { container: entry.record.id, path })?;
    let stat: PathStat = worker.answer().map_err(|error| of_path(error, request))?;
    let response = Response::stream(TAR, move |output| {
        let copied = io::copy(&mut &worker.stream, output);
        // A client that is gone needs no error: the helper notices when it writes.
        let _ = worker.stream.shutdown(std::net::Shutdown::Both);
        let is_whole = worker.finish();
        copied?;
        if is_whole { Ok(()) } else { Err(io::Error::other("the archive was broken off")) }
    });
    Ok(response.header(STAT, encoded(&stat)))
}

pub fn unpack(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let path = path_of(request)?;
    let entry = named(service, request)?;
    if entry.record.host_config.readonly_rootfs {
        return Err(ApiError::bad_request("container rootfs is marked read-only"));
    }
    let container = entry.record.id;
    let look = Worker::start(service.root(), Task::Look { container: container.clone(), path: path.join(".") })?;
    let found: Result<PathStat, ApiError> = look.answer();
    look.finish();
    found.map_err(|error| match error.message.contains("is not a directory") {
        true => ApiError::bad_request("extraction point is not a directory"),
        false => of_path(error, request),
    })?;
    let query = &request.query;
    let (is_users, keeps) = (query.flag("copyUIDGID"), query.flag("noOverwriteDirNonDir"));
    let task = Task::Unpack { container, path, is_users, replaces_folders: !keeps };
    let worker = Worker::start(service.root(), task)?;
    pass_on(&worker, &mut request.body)?;
    let done: Result<(), ApiError> = worker.answer();
    worker.finish();
    done.map_err(|error| match error.message.contains("Read-only file system") {
        true => ApiError::bad_request("mounted volume is marked read-only"),
        false => of_path(error, request),
    })?;
    Ok(Response::empty(200))
}

pub fn export(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let entry = named(service, request)?;
    let store = service.store()?;
    let (view, made) = crate::engine::container::files(&store, &entry)?;
    service.containers().tell(&entry, "export", &[]);
    Ok(Response::stream("application/octet-stream", move |output| {
        let mut out = BufWriter::with_capacity(1 << 16, output);
        whole(&entry, &view, &mut out).map_err(io::Error::other)?;
        drop(made);
        out.flush()
    }))
}

/// JSON in base64, for the header.
fn encoded(stat: &PathStat) -> String {
    let (seconds, nanoseconds) = stat.modified;
    let time = jiff::Timestamp::new(seconds, nanoseconds as i32).unwrap_or_default();
    let stat = json!({
        "name": stat.name.to_string_lossy(),
        "size": stat.size,
        "mode": go_mode(stat.mode),
        "mtime": time.to_string(),
        "linkTarget": stat.target.to_string_lossy(),
    });
    base64::engine::general_purpose::STANDARD.encode(stat.to_string())
}

/// Converts the kernel's mode (inode(7)) to Go's `os.FileMode`.
fn go_mode(mode: u32) -> u32 {
    let kind = match mode & 0o170_000 {
        0o040_000 => FOLDER,
        0o120_000 => SYMLINK,
        0o060_000 => DEVICE,
        0o020_000 => DEVICE | CHARACTER_DEVICE,
        0o010_000 => NAMED_PIPE,
        0o140_000 => SOCKET,
        _ => 0,
    };
    let bit = |bit: u32, go: u32| if mode & bit != 0 { go } else { 0 };
    mode & 0o777 | kind | bit(0o4000, SETUID) | bit(0o2000, SETGID) | bit(0o1000, STICKY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_gos() {
        assert_eq!(go_mode(0o100_644), 0o644);
        assert_eq!(go_mode(0o041_777), FOLDER | STICKY | 0o777);
        assert_eq!(go_mode(0o120_777), SYMLINK | 0o777);
        assert_eq!(go_mode(0o104_755), SETUID | 0o755);
    }
}
