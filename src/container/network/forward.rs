//! Connections to published ports that the kernel can't translate: from the host's loopback, from containers of the
//! same bridge, and from IPv6 to a container that has IPv4 only; all of them where the bridge is not the host's.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Mutex;

/// A client that is silent for so long has to introduce itself again.
const UDP_PATIENCE: Duration = Duration::from_secs(90);
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// Before trying again when there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(50);
const LARGEST_DATAGRAM: usize = 65_535;

pub(super) async fn tcp(listener: TcpListener, target: SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(carry(client, target));
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn carry(mut client: TcpStream, target: SocketAddr) {
    // When the container does not answer, the client sees its connection closed, as with no listener at all.
    let Ok(Ok(mut server)) = tokio::time::timeout(CONNECT_PATIENCE, TcpStream::connect(target)).await else { return };
    // Small packets are not held back to be sent together.
    let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    // Either side may leave at any time.
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

type Clients = Arc<Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>>;

pub(super) async fn udp(socket: UdpSocket, target: SocketAddr) {
    let socket = Arc::new(socket);
    let clients = Clients::default();
    let mut buffer = vec![0; LARGEST_DATAGRAM];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Ok(upstream) = upstream_of(client, target, &socket, &clients).await else { continue };
        // Datagrams may get lost.
        let _ = upstream.send(&buffer[..length]).await;
    }
}

/// The socket by which the container sees that client.
async fn upstream_of(
    client: SocketAddr,
    target: SocketAddr,
    socket: &Arc<UdpSocket>,
    clients: &Clients,
) -> io::Result<Arc<UdpSocket>> {
    let mut known = clients.lock().await;
    if let Some(upstream) = known.get(&client) {
        return Ok(Arc::clone(upstream));
    }
    let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let upstream = Arc::new(UdpSocket::bind(any).await?);
    upstream.connect(target).await?;
    known.insert(client, Arc::clone(&upstream));
    tokio::spawn(answers(client, Arc::clone(&upstream), Arc::clone(socket), Arc::clone(clients)));
    Ok(upstream)
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
                () = tcp(listener, target) => {}
                () = async { while !client.is_finished() { tokio::time::sleep(PAUSE).await } } => {}
            }
        };
        runtime.block_on(waiting);
        assert_eq!(client.join().unwrap(), "HALF CLOSED");
        echo.join().unwrap();
    }
}
