//! A client behind a network. Its bytes are carried to one end of a pair of sockets, and the service speaks to the other
//! one: pages and those who take a connection over know sockets of this machine only.

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

/// How long a client may take to prove who it is.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take to read what was said last.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often a silent client is asked whether its machine is still there: Go's, and so docker's.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// What a client of HTTP is told where TLS is spoken: docker's words, which its CLI shows.
const NO_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// Carries between the client and `ours` until one of them has left. A client that does not prove who it is is not
/// carried at all.
pub async fn carry(client: TcpStream, encryption: Option<Encryption>, ours: UnixStream) {
    // What fails here makes it slower, or its end noticed later.
    let _ = client.set_nodelay(true);
    let _ = set_socket_keepalive(&client, true);
    let _ = set_tcp_keepidle(&client, SIGN_OF_LIFE);
    let _ = set_tcp_keepintvl(&client, SIGN_OF_LIFE);
    // What goes wrong on the way is the end of the connection, which both sides see.
    let _ = match encryption {
        None => pass_on(client, ours).await,
        Some(encryption) => match timeout(HANDSHAKE, accept(client, encryption)).await {
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
        // With bytes unread the client would see a reset instead.
        let _ = timeout(FAREWELL, copy(&mut client, &mut sink())).await;
        return Err(io::ErrorKind::InvalidData.into());
    }
    TlsAcceptor::from(encryption.config).accept(client).await
}

async fn pass_on(client: impl AsyncRead + AsyncWrite, ours: UnixStream) -> io::Result<()> {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_service, mut to_service) = ours.into_split();
    let up = async {
        copy(&mut from_client, &mut to_service).await?;
        // The client says no more, and still listens: a program's input ends so.
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
            // What it still sends is taken, for the same reason.
            timeout(FAREWELL, up).await.unwrap_or(Ok(()))
        }
    }
}
