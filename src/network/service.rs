//! The one thread that serves a container's network: its name server, and what the kernel can't forward.

use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::dns::{self, Names, Upstream};
use super::forward;
use super::live::Opened;
use super::netlink::Socket;
use super::publish::Listener;

/// How long an idle thread that asks other name servers is kept.
const IDLE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Service {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Keeps the rules in the container's namespace.
    _filter: Socket,
}

#[derive(Debug)]
pub(super) struct Forward {
    pub(super) listener: Listener,
    pub(super) target: SocketAddr,
}

impl Service {
    pub(super) fn start(opened: Opened, names: Names, upstream: Upstream, forwards: Vec<Forward>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().thread_keep_alive(IDLE).build()?;
        let (stop, stopped) = oneshot::channel();
        let sockets = opened.resolver;
        let work = async move {
            tokio::spawn(dns::serve(sockets, names, upstream));
            for forward in forwards {
                // Both fail only for descriptors that are no sockets.
                match forward.listener {
                    Listener::Tcp(listener) => {
                        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { continue };
                        tokio::spawn(forward::tcp(listener, forward.target));
                    }
                    Listener::Udp(socket) => {
                        let Ok(socket) = tokio::net::UdpSocket::from_std(socket) else { continue };
                        tokio::spawn(forward::udp(socket, forward.target));
                    }
                }
            }
            // Told, or abandoned: both mean the end.
            let _ = stopped.await;
        };
        let thread = std::thread::Builder::new().name("network".to_owned()).spawn(move || {
            runtime.block_on(work);
            runtime.shutdown_background();
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread), _filter: opened.filter })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It fails when the thread has ended.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
