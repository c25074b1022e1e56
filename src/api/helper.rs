//! Jobs that the service runs in a separate process of the same program: entering a container's files requires a
//! process with a single thread, and what continues after a response must survive the service.
//!
//! The process has one stream, as its standard input: it receives a job, sends a response, and the rest depends on the
//! job.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use crate::base::framed::{receive, send};
use crate::base::identity::{self, Identity};
use crate::base::privacy;
use crate::container::sandbox::user_namespace::{self, IdMapping};
use crate::container::sandbox::{SharedNamespaces, os_bytes};
use crate::container::{
    Containers, ExecRecord, Owners, PathStat, Unpacking, copy_from, copy_stream_into, look_at, run_exec, user_of,
};

#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    root: PathBuf,
    /// The service's user namespace, for an ordinary user.
    mapping: Option<IdMapping>,
    task: Task,
}

/// Containers are given by ID.
#[derive(Debug, Serialize, Deserialize)]
pub enum Task {
    /// The stream is then that of an attachment.
    Exec { exec: String },
    Look {
        container: String,
        #[serde(with = "os_bytes")]
        path: PathBuf,
    },
    /// A tar stream follows the response.
    Pack {
        container: String,
        #[serde(with = "os_bytes")]
        path: PathBuf,
    },
    /// A tar stream precedes the response.
    Unpack {
        container: String,
        #[serde(with = "os_bytes")]
        path: PathBuf,
        /// All is to be the container's user's.
        is_users: bool,
        replaces_folders: bool,
    },
}

/// The service's side of a job.
pub struct Worker {
    pub stream: UnixStream,
    child: Child,
}

impl Worker {
    pub fn start(root: &Path, task: Task) -> Result<Self, ApiError> {
        let (stream, theirs) = UnixStream::pair()?;
        let mut command = Command::new(identity::program()?);
        // Its own process group: signals to the service's do not end it.
        command.arg0(Identity::Job.name()).process_group(0).env("RBUILD_ROOT", root);
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn()?;
        let mapping = user_namespace::entered().cloned();
        send(&stream, &Job { root: root.to_owned(), mapping, task })?;
        Ok(Self { stream, child })
    }

    pub fn answer<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let answer: Result<T, ApiError> = receive(&self.stream)
            .map_err(|error| ApiError::internal(format!("the service's helper has died: {error}")))?;
        answer
    }

    /// Waits for its end; returns whether it succeeded.
    pub fn finish(mut self) -> bool {
        self.child.wait().is_ok_and(|status| status.success())
    }

    /// Detaches it; a thread reaps the process.
    pub fn go_on(mut self) -> UnixStream {
        std::thread::spawn(move || self.child.wait());
        self.stream
    }
}

/// Runs the job of this process.
pub fn work() -> ExitCode {
    privacy::begin();
    let work = || -> io::Result<bool> {
        let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        let job: Job = receive(&stream)?;
        if let Some(mapping) = &job.mapping {
            user_namespace::inherit(mapping.clone());
            SharedNamespaces::of(&job.root).belong()?;
        }
        job.work(stream)
    };
    if matches!(work(), Ok(true)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Job {
    fn work(self, stream: UnixStream) -> io::Result<bool> {
        let containers = Containers::of(&self.root);
        match self.task {
            Task::Exec { exec } => match ExecRecord::find(&containers, &exec) {
                Ok((entry, record)) => Ok(run_exec(&entry, record, stream).is_ok()),
                Err(_) => Ok(false),
            },
            Task::Look { container, path } => {
                let found = containers.find(&container).and_then(|entry| look_at(&entry, &path));
                say(&stream, found.map_err(ApiError::from))
            }
            Task::Pack { container, path } => {
                let found = containers.find(&container).and_then(|entry| Ok((look_at(&entry, &path)?, entry)));
                let (stat, entry): (PathStat, _) = match found {
                    Ok(found) => found,
                    Err(error) => return say(&stream, Err::<PathStat, _>(ApiError::from(error))),
                };
                say(&stream, Ok(stat))?;
                let mut out = io::BufWriter::with_capacity(1 << 17, &stream);
                let copied = copy_from(&entry, &path, (false, Owners::Kept), Err(&mut out));
                out.flush()?;
                containers.tell(&entry, "archive-path", &[]);
                Ok(copied.is_ok())
            }
            Task::Unpack { container, path, is_users, replaces_folders } => {
                let done = containers.find(&container).and_then(|entry| {
                    let owners = match entry.record.config.run.user.as_str() {
                        "" => Owners::Kept,
                        _ if !is_users => Owners::Kept,
                        user => user_of(&entry, user).map(|user| Owners::Given(user.uid, user.gid))?,
                    };
                    copy_stream_into(&entry, &stream, &path, Unpacking { owners, replaces_folders })?;
                    containers.tell(&entry, "extract-to-dir", &[]);
                    Ok(())
                });
                // Drains the rest of a stream that continues after its archive.
                let _ = io::copy(&mut &stream, &mut io::sink());
                say(&stream, done.map_err(ApiError::from))
            }
        }
    }
}

/// Sends the result; returns whether it was a success.
fn say<T: Serialize>(stream: &UnixStream, answer: Result<T, ApiError>) -> io::Result<bool> {
    send(stream, &answer)?;
    Ok(answer.is_ok())
}

/// Sends all of a client's stream to a job. A job that stops reading gives the reason in its response.
pub fn pass_on(worker: &Worker, from: &mut impl Read) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 || (&worker.stream).write_all(&buffer[..length]).is_err() {
            return worker.stream.shutdown(Shutdown::Write);
        }
    }
}
