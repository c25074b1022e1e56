//! Threads that serve a container's network: its name server, and the forwarders.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::dns::{self, Names, Sockets, Upstream};
use super::forward::{self, Room};
use super::publish::Listener;
use crate::container::sandbox;

/// How long an idle thread that asks other name servers is kept.
const IDLE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Service {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
pub(super) struct Forward {
    pub(super) listener: Listener,
    pub(super) target: SocketAddr,
}

impl Service {
    /// Answers DNS queries.
    pub(super) fn resolve(sockets: Sockets, names: Names, upstream: Upstream) -> io::Result<Self> {
        Self::start(move || drop(tokio::spawn(dns::serve(sockets, names, upstream))))
    }

    /// Connects from that namespace, or from this process's own if `None`; the listeners stay where they are.
    pub(super) fn forward(forwards: Vec<Forward>, from: Option<Arc<OwnedFd>>) -> io::Result<Self> {
        Self::start(move || {
            // Fails only where the container could not have been connected either.
            if from.is_none_or(|namespace| sandbox::move_into_network_namespace(&namespace).is_ok()) {
                let room = Room::of_process();
                forwards.into_iter().for_each(|forward| forward.start(room.clone()));
            }
        })
    }

    /// `begin` starts the work that goes on until the service is dropped.
    fn start(begin: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().thread_keep_alive(IDLE).build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("network".to_owned()).spawn(move || {
            runtime.block_on(async {
                begin();
                // A message or a closed channel: both mean the end.
                let _ = stopped.await;
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Forward {
    fn start(self, room: Room) {
        // Both fail only for descriptors that are not sockets.
        match self.listener {
            Listener::Tcp(listener) => {
                if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                    tokio::spawn(forward::tcp(listener, self.target, room));
                }
            }
            Listener::Udp(socket) => {
                if let Ok(socket) = tokio::net::UdpSocket::from_std(socket) {
                    tokio::spawn(forward::udp(socket, self.target, room));
                }
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Fails if the thread has ended.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
