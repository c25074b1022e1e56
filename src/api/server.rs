//! Connections, and when the service ends.

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

/// How long a client may take for the head of a request, and may keep a connection without asking anything.
const PATIENCE: Duration = Duration::from_secs(300);
/// The most bytes of a head.
const HEAD: usize = 64 << 10;
/// Threads that answer requests: each that waits for something has one.
const THREADS: usize = 4096;
/// Between two attempts when the process has no descriptor left.
const PAUSE: Duration = Duration::from_millis(50);

/// How long the service lives without anybody being connected.
#[derive(Debug, Clone, Copy)]
pub struct Lifetime(pub Option<Duration>);

/// Who is connected.
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

/// Listens and answers until nobody has been there for long enough, or a signal says that it is over. `ready` is called
/// when clients can connect, with the addresses that they may use.
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
    // Whoever still waits for something does so in vain; containers are no threads of this process.
    runtime.shutdown_background();
    Ok(served?)
}

/// Until nobody has been there for so long.
async fn until_left_alone(presence: &Presence, Lifetime(limit): Lifetime) {
    let Some(limit) = limit else { return std::future::pending().await };
    loop {
        if presence.count.load(Ordering::SeqCst) > 0 {
            presence.left.notified().await;
            continue;
        }
        // Whoever leaves meanwhile begins it anew.
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
        .max_buf_size(HEAD)
        // As docker writes them: there are clients that look for those words.
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), answer);
    let takeover = match select(pin!(takeovers.recv()), Pin::new(&mut connection)).await {
        Either::Left((Some(takeover), _)) => takeover,
        // The client has ended it, or has said what is no HTTP: it was told so.
        _ => return,
    };
    let parts = connection.into_parts();
    let Ok(stream) = parts.io.into_inner().into_std() else { return };
    if stream.set_nonblocking(false).is_err() {
        return;
    }
    let early = parts.read_buf.to_vec();
    // It counts as connected for as long as the conversation lasts.
    tokio::task::spawn_blocking(move || {
        takeover.run(stream, early);
        drop(present);
    });
}
