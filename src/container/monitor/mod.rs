//! The process that stays with a container: it owns the program's terminal or pipes, writes the log and the state,
//! starts the program again when it should be, and answers those who want something of it.
//!
//! It is a fork of the command that starts the container, made before that command does anything else: it is small then,
//! and has one thread. It waits to be told which container it is for, and ends when its container has ended for good.
//! When it is killed, the kernel kills the container's program too (`PR_SET_PDEATHSIG`): nothing runs that nobody watches.

mod client;
mod ending;
mod program;
mod requests;
mod restart;
mod supervisor;

use std::os::unix::net::UnixStream;
use std::path::Path;

use super::directory::Containers;
use super::error::ContainerError;
use super::protocol::{self, Attach, Failure, Kind, Reply, Request};
use super::session::Session;
use super::wiring::networks_of;
use crate::base::io_error::AtPath;
use crate::base::privacy;
use crate::container::network::{FreshNamespace, Networks};
use crate::container::sandbox;

/// What a monitor does before it is told which container it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// The container will need a network namespace: that takes the kernel as long as everything else that `run` does
    /// before the container is there; and to begin with pasta takes still longer.
    Network,
    Nothing,
}

/// A monitor that waits for its container.
#[derive(Debug)]
pub struct Monitor(UnixStream);

impl Monitor {
    /// Makes the process. To be called before this one does anything else.
    pub fn fork(ahead: Ahead, store_root: &Path) -> Result<Self, ContainerError> {
        let networks = networks_of(store_root);
        let work = |stream| serve(&stream, ahead, &networks);
        Ok(Self(sandbox::fork_detached(work).at("start", "the container's monitor")?))
    }

    /// Starts a container; gives its streams when its program runs.
    pub fn start(self, containers: &Containers, id: &str, attach: Attach) -> Result<Session, ContainerError> {
        super::control::receive(&self.0)?;
        let request = Request::Go { containers: containers.root().to_owned(), id: id.to_owned(), attach };
        // When it has died, reading says so.
        let _ = protocol::send(&self.0, Kind::Request, &request);
        Session::started(self.0)
    }
}

/// The monitor's life.
fn serve(stream: &UnixStream, ahead: Ahead, networks: &Networks) {
    privacy::begin_again();
    // The command, which this is a fork of, waits for the answer before it names a container.
    let answer = match sandbox::belong_as_parent_did().at("join", "the store's processes") {
        Ok(()) => Reply::Done,
        Err(error) => Reply::Failed(Failure::of(&error.into())),
    };
    // When nobody listens any more, there is nobody to tell: here and below.
    let _ = protocol::send(stream, Kind::Reply, &answer);
    // When that fails, it is tried once more when it is needed, and the error is said.
    let fresh = (ahead == Ahead::Network).then(|| {
        let _ = networks.open();
        FreshNamespace::make().ok()
    });
    watch(stream, fresh.flatten());
    // What stays behind then, the next command takes away.
    let _ = networks.leave();
}

/// Over a container that it is told of.
fn watch(stream: &UnixStream, fresh: Option<FreshNamespace>) {
    let mut body = Vec::new();
    // The end of the stream: the command failed before it had a container.
    let Ok(Some(Kind::Request)) = protocol::receive(stream, &mut body) else { return };
    let Ok(Request::Go { containers, id, attach }) = protocol::decode(&body) else { return };
    drop(body);
    let containers = Containers::at(containers);
    match supervisor::Supervisor::start(containers, &id, stream, attach, fresh) {
        Ok(supervisor) => supervisor.run(),
        Err(error) => {
            // The state has it too.
            let _ = protocol::send(stream, Kind::Reply, &Reply::Failed(Failure::of(&error)));
        }
    }
}
