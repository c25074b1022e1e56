//! Forwards connections to published ports that the kernel can't translate: from the host's loopback, from containers
//! of the same bridge, and from IPv6 to a container with IPv4 only; or all, if the bridge is not on the host.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

/// A UDP client that is silent for this long is forgotten.
const UDP_PATIENCE: Duration = Duration::from_secs(90);
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// The delay before trying again when no descriptors are left.
const PAUSE: Duration = Duration::from_millis(50);
const LARGEST_DATAGRAM: usize = 65_535;

/// Limits the descriptors that connections may take. Clients of a published port can open any number of connections,
/// and the process needs descriptors for other work too, such as ending the container.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Room {
    /// The share of this process's limit.
    pub(super) fn of_process() -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        Self::of(limit)
    }

    /// Of a process's limit, the part that it does not need for itself.
    fn of(limit: usize) -> Self {
        Self(Arc::new(Semaphore::new((limit / 4 * 3).min(Semaphore::MAX_PERMITS))))
    }

    /// Waits until that many are available.
    async fn take(&self, descriptors: u32) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).acquire_many_owned(descriptors).await.ok()
    }

    fn take_at_once(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }
}

pub(super) async fn tcp(listener: TcpListener, target: SocketAddr, room: Room) {
    /// One for the client's side and one for the container's.
    const EACH: u32 = 2;
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                // Until then, further connections wait in the kernel's backlog.
                let taken = room.take(EACH).await;
                tokio::spawn(async move {
                    carry(client, target).await;
                    drop(taken);
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn carry(mut client: TcpStream, target: SocketAddr) {
    // If the container does not answer, the client sees its connection closed, as if nothing listened.
    let Ok(Ok(mut server)) = tokio::time::timeout(CONNECT_PATIENCE, TcpStream::connect(target)).await else { return };
    // Small packets are not delayed to be merged.
    let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    // Either side may close at any time.
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

/// The clients, and the socket by which the container sees each of them.
type Clients = Arc<Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>>;

pub(super) async fn udp(socket: UdpSocket, target: SocketAddr, room: Room) {
    let socket = Arc::new(socket);
    let clients = Clients::default();
    let mut buffer = vec![0; LARGEST_DATAGRAM];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // Datagrams may get lost.
        if let Ok(Some(upstream)) = upstream_of(client, target, (&socket, &clients), &room).await {
            let _ = upstream.send(&buffer[..length]).await;
        }
    }
}

/// The socket by which the container sees that client; `None` if there is no room for another one.
async fn upstream_of(
    client: SocketAddr,
    target: SocketAddr,
    (socket, clients): (&Arc<UdpSocket>, &Clients),
    room: &Room,
) -> io::Result<Option<Arc<UdpSocket>>> {
    let mut known = clients.lock().await;
    if let Some(upstream) = known.get(&client) {
        return Ok(Some(Arc::clone(upstream)));
    }
    let Some(taken) = room.take_at_once() else { return Ok(None) };
    let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let upstream = Arc::new(UdpSocket::bind(any).await?);
    upstream.connect(target).await?;
    known.insert(client, Arc::clone(&upstream));
    let answered = answers(client, Arc::clone(&upstream), Arc::clone(socket), Arc::clone(clients));
    tokio::spawn(async move {
        answered.await;
        drop(taken);
    });
    Ok(Some(upstream))
}

async fn answers(client: SocketAddr, upstream: Arc<UdpSocket>, socket: Arc<UdpSocket>, clients: Clients) {
    let mut buffer = vec![0; LARGEST_DATAGRAM];
    while let Ok(Ok(length)) = tokio::time::timeout(UDP_PATIENCE, upstream.recv(&mut buffer)).await {
        let _ = socket.send_to(&buffer[..length], client).await;
    }
    clients.lock().await.remove(&client);
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn carries_both_ways_until_both_sides_are_done() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = server.local_addr().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let echo = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            stream.write_all(text.to_uppercase().as_bytes()).unwrap();
        });
        let client = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(b"half closed").unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        let waiting = async {
            tokio::select! {
                () = tcp(listener, target, Room::of_process()) => {}
                () = async { while !client.is_finished() { tokio::time::sleep(PAUSE).await } } => {}
            }
        };
        runtime.block_on(waiting);
        assert_eq!(client.join().unwrap(), "HALF CLOSED");
        echo.join().unwrap();
    }

    #[test]
    fn connections_leave_the_process_what_it_needs_itself() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            // Room for one connection and one UDP client.
            let room = Room::of(4);
            let (server, local) = (std::net::TcpListener::bind("127.0.0.1:0").unwrap(), "127.0.0.1:0");
            server.set_nonblocking(true).unwrap();
            let (listener, socket) = (TcpListener::bind(local).await.unwrap(), UdpSocket::bind(local).await.unwrap());
            let (streams, datagrams) = (listener.local_addr().unwrap(), socket.local_addr().unwrap());
            let (target, inner) = (server.local_addr().unwrap(), UdpSocket::bind(local).await.unwrap());
            tokio::spawn(tcp(listener, target, room.clone()));
            tokio::spawn(udp(socket, inner.local_addr().unwrap(), room));
            let arrived = async || {
                loop {
                    match server.accept() {
                        Ok((stream, _)) => return stream,
                        Err(_) => tokio::time::sleep(PAUSE).await,
                    }
                }
            };
            let first = TcpStream::connect(streams).await.unwrap();
            let first_inside = arrived().await;
            let mut buffer = [0; 1];
            let clients = [UdpSocket::bind(local).await.unwrap(), UdpSocket::bind(local).await.unwrap()];
            for (client, text) in clients.iter().zip([b"1", b"2"]) {
                client.send_to(text, datagrams).await.unwrap();
            }
            clients[0].send_to(b"3", datagrams).await.unwrap();
            // Those of the second client are lost, those of the first are not.
            for expected in [b"1", b"3"] {
                inner.recv_from(&mut buffer).await.unwrap();
                assert_eq!(&buffer, expected);
            }
            let _second = TcpStream::connect(streams).await.unwrap();
            tokio::time::sleep(PAUSE).await;
            assert!(server.accept().is_err(), "the second one waits");
            drop((first, first_inside));
            arrived().await;
        });
    }
}
