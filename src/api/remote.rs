//! A client on the network. Its bytes are forwarded to one end of a socket pair, and the service uses the other end:
//! pages and hijacked connections can only handle Unix sockets.

use std::io;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepidle, set_tcp_keepintvl};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy, sink, split};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::tls::Encryption;

/// How long the TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to read the last data.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// The interval of TCP keepalive, as in Go and therefore docker.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// The response to plain HTTP on a TLS port: docker's words, which its CLI shows.
const NO_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// Forwards between the client and `ours` until one of them has closed. A client that fails the TLS handshake is not
/// forwarded at all.
pub async fn carry(client: TcpStream, encryption: Option<Encryption>, ours: UnixStream) {
    // Failures only make the connection slower, or its end noticed later.
    let _ = client.set_nodelay(true);
    let _ = set_socket_keepalive(&client, true);
    let _ = set_tcp_keepidle(&client, KEEPALIVE_INTERVAL);
    let _ = set_tcp_keepintvl(&client, KEEPALIVE_INTERVAL);
    // An error ends the connection, which both sides see.
    let _ = match encryption {
        None => pass_on(client, ours).await,
        Some(encryption) => match timeout(HANDSHAKE_TIMEOUT, accept(client, encryption)).await {
            Ok(Ok(client)) => pass_on(client, ours).await,
            Ok(Err(error)) => Err(error),
            Err(_) => Ok(()),
        },
    };
}

async fn accept(
    mut client: TcpStream,
    encryption: Encryption,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    let mut first = [0];
    if client.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
        client.write_all(NO_TLS).await?;
        client.shutdown().await?;
        // With unread bytes the client would see a reset instead.
        let _ = timeout(CLOSE_TIMEOUT, copy(&mut client, &mut sink())).await;
        return Err(io::ErrorKind::InvalidData.into());
    }
    TlsAcceptor::from(encryption.config).accept(client).await
}

async fn pass_on(client: impl AsyncRead + AsyncWrite, ours: UnixStream) -> io::Result<()> {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_service, mut to_service) = ours.into_split();
    let up = async {
        copy(&mut from_client, &mut to_service).await?;
        // The client sends no more, but still reads: this ends a program's input.
        to_service.shutdown().await
    };
    let down = async {
        copy(&mut from_service, &mut to_client).await?;
        to_client.shutdown().await
    };
    let (up, down) = (pin!(up), pin!(down));
    match select(up, down).await {
        Either::Left((said, down)) => {
            said?;
            down.await
        }
        Either::Right((heard, up)) => {
            heard?;
            // Reads what the client still sends, for the same reason.
            timeout(CLOSE_TIMEOUT, up).await.unwrap_or(Ok(()))
        }
    }
}
