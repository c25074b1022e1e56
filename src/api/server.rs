//! Accepts connections, and ends the service.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use signal_hook::consts::signal::{SIGINT, SIGTERM};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc};

use super::address::Address;
use super::exchange;
use super::hijack::Takeover;
use super::listen_error::ListenError;
use super::listener::{Access, Listener, Socket};
use super::remote;
use super::service::Service;
use super::tls::Encryption;
use crate::store::snapshot::forget_layers;

/// How long a client may take for the head of a request, and how long a connection may be idle.
const PATIENCE: Duration = Duration::from_secs(300);
/// The size limit of a head in bytes.
const HEAD_LIMIT: usize = 64 << 10;
/// The number of threads that handle requests: each waiting request has one.
const THREADS: usize = 4096;
/// The pause between two attempts if the process has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// How long the service lives without any connection.
#[derive(Debug, Clone, Copy)]
pub struct Lifetime(pub Option<Duration>);

/// The number of connections.
#[derive(Default)]
struct Presence {
    count: AtomicUsize,
    left: Notify,
}

struct Present(Arc<Presence>);

impl Present {
    fn new(presence: &Arc<Presence>) -> Self {
        presence.count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(presence))
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            forget_layers();
        }
        self.0.left.notify_one();
    }
}

/// Serves requests until there was no connection for long enough, or a signal arrives. `ready` is called with the
/// addresses once clients can connect.
pub fn serve(
    service: &Service,
    (address, access): (&Address, &Access),
    lifetime: Lifetime,
    ready: impl FnOnce(&[String]),
) -> Result<(), ListenError> {
    let mut listener = Listener::open(address, access)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(THREADS).build()?;
    let over = Arc::new(Notify::new());
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
    let told = Arc::clone(&over);
    std::thread::spawn(move || signals.forever().for_each(|_| told.notify_one()));
    ready(&listener.addresses());
    let sockets = std::mem::take(&mut listener.sockets);
    let served: std::io::Result<()> = runtime.block_on(async {
        let presence = Arc::<Presence>::default();
        for socket in sockets {
            let (service, presence) = (service.clone(), Arc::clone(&presence));
            match socket {
                Socket::Local(socket) => {
                    socket.set_nonblocking(true)?;
                    tokio::spawn(accept(UnixListener::from_std(socket)?, service, presence));
                }
                Socket::Network(socket) => {
                    socket.set_nonblocking(true)?;
                    let socket = TcpListener::from_std(socket)?;
                    tokio::spawn(accept_remote(socket, access.encryption.clone(), service, presence));
                }
            }
        }
        select(pin!(until_left_alone(&presence, lifetime)), pin!(over.notified())).await;
        Ok(())
    });
    drop(listener);
    // Waiting requests are abandoned; containers do not run in this process.
    runtime.shutdown_background();
    Ok(served?)
}

/// Waits until there was no connection for that long.
async fn until_left_alone(presence: &Presence, Lifetime(limit): Lifetime) {
    let Some(limit) = limit else { return std::future::pending().await };
    loop {
        if presence.count.load(Ordering::SeqCst) > 0 {
            presence.left.notified().await;
            continue;
        }
        // A client that leaves meanwhile restarts the time.
        let is_over = tokio::time::timeout(limit, presence.left.notified()).await.is_err();
        if is_over && presence.count.load(Ordering::SeqCst) == 0 {
            return;
        }
    }
}

async fn accept(socket: UnixListener, service: Service, presence: Arc<Presence>) {
    loop {
        match socket.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(converse(stream, service.clone(), Present::new(&presence)))),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn accept_remote(socket: TcpListener, encryption: Option<Encryption>, service: Service, presence: Arc<Presence>) {
    loop {
        let (Ok((client, _)), Ok((ours, theirs))) = (socket.accept().await, UnixStream::pair()) else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        tokio::spawn(remote::carry(client, encryption.clone(), ours));
        tokio::spawn(converse(theirs, service.clone(), Present::new(&presence)));
    }
}

/// One connection, with all its requests.
async fn converse(stream: UnixStream, service: Service, present: Present) {
    let (taker, mut takeovers) = mpsc::channel::<Takeover>(1);
    let answer = service_fn(move |request| Box::pin(exchange::answer(service.clone(), taker.clone(), request)));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD_LIMIT)
        // Like docker's: some clients compare headers with case.
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), answer);
    let takeover = match select(pin!(takeovers.recv()), Pin::new(&mut connection)).await {
        Either::Left((Some(takeover), _)) => takeover,
        // The client has closed it, or got an error for something that is not HTTP.
        _ => return,
    };
    let parts = connection.into_parts();
    let Ok(stream) = parts.io.into_inner().into_std() else { return };
    if stream.set_nonblocking(false).is_err() {
        return;
    }
    let early = parts.read_buf.to_vec();
    // It counts as connected until the conversation ends.
    tokio::task::spawn_blocking(move || {
        takeover.run(stream, early);
        drop(present);
    });
}
