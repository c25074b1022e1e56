//! Connections, and when the service ends.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use signal_hook::consts::signal::{SIGINT, SIGTERM};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc};

use super::exchange;
use super::hijack::Takeover;
use super::listener::{Address, ListenError, Listener};
use super::service::Service;

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

impl Drop for Present {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.left.notify_one();
    }
}

/// Listens and answers until nobody has been there for long enough, or a signal says that it is over. `ready` is called
/// when clients can connect.
pub fn serve(
    service: &Service,
    (address, group): (&Address, Option<&str>),
    lifetime: Lifetime,
    ready: impl FnOnce(),
) -> Result<(), ListenError> {
    let listener = Listener::open(address, group)?;
    listener.socket.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(THREADS).build()?;
    let over = Arc::new(Notify::new());
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
    let told = Arc::clone(&over);
    std::thread::spawn(move || signals.forever().for_each(|_| told.notify_one()));
    ready();
    let socket = listener.socket.try_clone()?;
    let served = runtime.block_on(async {
        let socket = UnixListener::from_std(socket)?;
        match select(pin!(accept(&socket, service, lifetime)), pin!(over.notified())).await {
            Either::Left((ended, _)) => ended,
            Either::Right(_) => Ok(()),
        }
    });
    drop(listener);
    // Whoever still waits for something does so in vain; containers are no threads of this process.
    runtime.shutdown_background();
    Ok(served?)
}

/// Takes connections until nobody has been there for long enough.
async fn accept(socket: &UnixListener, service: &Service, lifetime: Lifetime) -> std::io::Result<()> {
    let presence = Arc::new(Presence::default());
    let mut since = Instant::now();
    loop {
        let is_alone = presence.count.load(Ordering::SeqCst) == 0;
        let left = lifetime.0.filter(|_| is_alone).map(|limit| limit.saturating_sub(since.elapsed()));
        let wait = async {
            match left {
                Some(left) => {
                    tokio::time::sleep(left).await;
                    true
                }
                None => {
                    presence.left.notified().await;
                    false
                }
            }
        };
        match select(pin!(socket.accept()), pin!(wait)).await {
            Either::Left((Ok((stream, _)), _)) => {
                presence.count.fetch_add(1, Ordering::SeqCst);
                let present = Present(Arc::clone(&presence));
                tokio::spawn(converse(stream, service.clone(), present));
            }
            Either::Left((Err(_), _)) => tokio::time::sleep(PAUSE).await,
            Either::Right((true, _)) => return Ok(()),
            Either::Right((false, _)) => since = Instant::now(),
        }
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
