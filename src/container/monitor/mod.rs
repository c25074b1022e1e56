//! The process that stays with a container: it owns the program's terminal or pipes, writes the log and the state,
//! restarts the program if needed, and answers requests.
//!
//! It is a fork of the command that starts the container, made before that command does anything else, while it is
//! small and has one thread. A process with several threads, such as the API's service, executes rbuild instead. The
//! monitor waits to be told which container it is for, and ends when its container has ended for good. If it is killed,
//! the kernel kills the container's program too (`PR_SET_PDEATHSIG`): no program runs without a monitor.

mod client;
mod ending;
mod program;
mod requests;
mod restart;
mod supervisor;

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::directory::Containers;
use super::error::ContainerError;
use super::protocol::{self, Ahead, Attach, Failure, Kind, Reply, Request};
use super::session::Session;
use super::wiring::networks_of;
use crate::base::foreign;
use crate::base::identity::Identity;
use crate::base::io_error::AtPath;
use crate::base::privacy;
use crate::container::network::{FreshNamespace, Networks};
use crate::container::sandbox::user_namespace;
use crate::container::sandbox::{self, SharedNamespaces};
use crate::store;

/// A monitor that waits to be given its container.
#[derive(Debug)]
pub struct Monitor(UnixStream);

impl Monitor {
    /// Starts the process. This is fastest in a process with one thread that calls this first: a fork takes less time
    /// than executing rbuild again.
    pub fn begin(ahead: Ahead, store_root: &Path) -> Result<Self, ContainerError> {
        const NAME: &str = "the container's monitor";
        let networks = networks_of(store_root);
        let work = |stream| {
            privacy::begin_again();
            serve(&stream, sandbox::belong_as_parent_did(), ahead, &networks);
        };
        if let Some(stream) = sandbox::fork_detached(Identity::Monitor, work).at("start", NAME)? {
            return Ok(Self(stream));
        }
        let stream = sandbox::execute_detached(Identity::Monitor).at("start", NAME)?;
        let mapping = user_namespace::entered().cloned();
        let request = Request::Begin { store_root: store_root.to_owned(), ahead, mapping };
        // If it has died, starting a container reports that.
        let _ = protocol::send(&stream, Kind::Request, &request);
        Ok(Self(stream))
    }

    /// Starts a container; returns its streams when its program runs.
    pub fn start(self, containers: &Containers, id: &str, attach: Attach) -> Result<Session, ContainerError> {
        super::control::receive(&self.0)?;
        let request = Request::Go { containers: containers.root().to_owned(), id: id.to_owned(), attach };
        // If it has died, reading reports that.
        let _ = protocol::send(&self.0, Kind::Request, &request);
        Session::started(self.0)
    }
}

/// The main function of a monitor that is executed.
pub fn serve_as_monitor() {
    privacy::begin();
    let Ok(stream) = sandbox::take_stream(Identity::Monitor) else { return };
    let mut body = Vec::new();
    let Ok(Some(Kind::Request)) = protocol::receive(&stream, &mut body) else { return };
    let Ok(Request::Begin { store_root, ahead, mapping }) = protocol::decode(&body) else { return };
    if store::records_owners(&store_root) {
        foreign::record_owners();
    }
    let belongs = mapping.map_or(Ok(()), |mapping| {
        user_namespace::inherit(mapping);
        SharedNamespaces::of(&store_root).belong()
    });
    serve(&stream, belongs, ahead, &networks_of(&store_root));
}

/// The main function of a monitor.
fn serve(stream: &UnixStream, belongs: io::Result<()>, ahead: Ahead, networks: &Networks) {
    // The process that started this one waits for the reply before it names a container.
    let answer = match belongs.at("join", "the store's processes") {
        Ok(()) => Reply::Done,
        Err(error) => Reply::Failed(Failure::of(&error.into())),
    };
    // If the peer is gone, errors can't be reported, here and below.
    let _ = protocol::send(stream, Kind::Reply, &answer);
    // If this fails, it is tried again when it is needed, and the error is reported then.
    let fresh = (ahead == Ahead::Network).then(|| {
        let _ = networks.open();
        FreshNamespace::make().ok()
    });
    watch(stream, fresh.flatten());
    // If this fails, the next command cleans up.
    let _ = networks.leave();
}

/// Runs the container that is requested.
fn watch(stream: &UnixStream, fresh: Option<FreshNamespace>) {
    let mut body = Vec::new();
    // End of the stream: the command failed before it had a container.
    let Ok(Some(Kind::Request)) = protocol::receive(stream, &mut body) else { return };
    let Ok(Request::Go { containers, id, attach }) = protocol::decode(&body) else { return };
    drop(body);
    let containers = Containers::at(containers);
    match supervisor::Supervisor::start(containers, &id, stream, attach, fresh) {
        Ok(supervisor) => supervisor.run(),
        Err(error) => {
            // The error is in the state, too.
            let _ = protocol::send(stream, Kind::Reply, &Reply::Failed(Failure::of(&error)));
        }
    }
}
