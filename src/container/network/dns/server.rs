//! Answers queries over UDP and TCP; asks other servers about unknown names.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

use super::message::{Question, belongs_to};
use super::names::{Found, Names};
use crate::container::network::resolver;
use crate::container::sandbox;

/// Where containers expect the server, as in docker.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
const PORT: u16 = 53;
const PATIENCE: Duration = Duration::from_secs(4);
const IDLE: Duration = Duration::from_secs(30);
/// How many queries are forwarded at a time; more have to wait.
const MOST_AT_ONCE: usize = 64;
const LARGEST: usize = 65_535;

/// The server's sockets, in the container's namespace.
#[derive(Debug)]
pub(crate) struct Sockets {
    udp: UdpSocket,
    tcp: std::net::TcpListener,
}

impl Sockets {
    /// Called in the namespace, with its loopback interface up.
    pub(crate) fn open() -> io::Result<Self> {
        let udp = UdpSocket::bind((ADDRESS, 0))?;
        let tcp = std::net::TcpListener::bind((ADDRESS, 0))?;
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        Ok(Self { udp, tcp })
    }

    pub(crate) fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.udp.local_addr()?, self.tcp.local_addr()?))
    }
}

/// The upstream servers.
#[derive(Debug)]
pub(crate) enum Upstream {
    /// The host's servers, from the host's network.
    Host,
    /// The user's servers, from the container's network.
    Own { servers: Vec<String>, namespace: Arc<OwnedFd> },
}

struct Server {
    names: Names,
    upstream: Upstream,
    permits: Semaphore,
}

/// Answers queries until the runtime ends.
pub(crate) async fn serve(sockets: Sockets, names: Names, upstream: Upstream) -> io::Result<()> {
    let server = Arc::new(Server { names, upstream, permits: Semaphore::new(MOST_AT_ONCE) });
    let tcp = tokio::net::TcpListener::from_std(sockets.tcp)?;
    let udp = Arc::new(tokio::net::UdpSocket::from_std(sockets.udp)?);
    tokio::spawn(serve_tcp(Arc::clone(&server), tcp));
    let mut buffer = vec![0; LARGEST];
    loop {
        let Ok((length, client)) = udp.recv_from(&mut buffer).await else { continue };
        let (server, udp, query) = (Arc::clone(&server), Arc::clone(&udp), buffer[..length].to_vec());
        tokio::spawn(async move {
            if let Some(answer) = server.answer(query, true).await {
                // Datagrams may get lost.
                let _ = udp.send_to(&answer, client).await;
            }
        });
    }
}

async fn serve_tcp(server: Arc<Server>, listener: tokio::net::TcpListener) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            // Stops when the client leaves or has been idle for long.
            while let Ok(Ok(length)) = tokio::time::timeout(IDLE, stream.read_u16()).await {
                let mut query = vec![0; length.into()];
                let Ok(Ok(_)) = tokio::time::timeout(IDLE, stream.read_exact(&mut query)).await else { break };
                let Some(answer) = server.answer(query, false).await else { break };
                let framed = [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
                if stream.write_all(&framed).await.is_err() {
                    break;
                }
            }
        });
    }
}

impl Server {
    /// `None` if it is not a question.
    async fn answer(&self, query: Vec<u8>, over_udp: bool) -> Option<Vec<u8>> {
        let question = Question::parse(&query)?;
        match self.names.find(&question) {
            Found::Known(data) => Some(question.answer(&query, &data, over_udp)),
            Found::Forbidden => Some(question.failure(&query)),
            Found::Unknown => {
                let _permit = self.permits.acquire().await.ok()?;
                let answer = self.ask(query.clone(), over_udp).await;
                Some(answer.unwrap_or_else(|| question.failure(&query)))
            }
        }
    }

    /// Asks one server after the other.
    async fn ask(&self, query: Vec<u8>, over_udp: bool) -> Option<Vec<u8>> {
        let (servers, namespace) = match &self.upstream {
            Upstream::Host => (resolver::host_servers(), None),
            Upstream::Own { servers, namespace } => (servers.clone(), Some(Arc::clone(namespace))),
        };
        let ask_all = move || {
            let addresses = servers.iter().filter_map(|text| address(text));
            addresses.into_iter().find_map(|server| match &namespace {
                None => exchange(server, &query, over_udp).ok(),
                Some(namespace) => {
                    sandbox::in_network_namespace(namespace, || exchange(server, &query, over_udp)).ok()?.ok()
                }
            })
        };
        tokio::task::spawn_blocking(ask_all).await.ok().flatten()
    }
}

/// A server as written in `resolv.conf`.
fn address(text: &str) -> Option<SocketAddr> {
    let plain = text.split('%').next().unwrap_or(text);
    Some(SocketAddr::new(plain.parse::<IpAddr>().ok()?, PORT))
}

fn exchange(server: SocketAddr, query: &[u8], over_udp: bool) -> io::Result<Vec<u8>> {
    if !over_udp {
        let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&[&(query.len() as u16).to_be_bytes()[..], query].concat())?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut answer = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut answer)?;
        return Ok(answer);
    }
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(query)?;
    let mut buffer = vec![0; LARGEST];
    loop {
        let length = socket.recv(&mut buffer)?;
        if belongs_to(&buffer[..length], query) {
            return Ok(buffer[..length].to_vec());
        }
    }
}
