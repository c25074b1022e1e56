//! TLS in front of a test's server, with a certificate that is signed by the test's own authority.
#![allow(dead_code, reason = "not every test binary needs all of it")]

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// An authority, and certificates that it has signed for the addresses of this machine, and for a client.
pub struct Authority {
    pub certificate: PathBuf,
    pub client: PathBuf,
    pub client_key: PathBuf,
    config: Arc<ServerConfig>,
    demanding: Arc<ServerConfig>,
}

impl Authority {
    /// Created by openssl in `folder`; `None` if that fails.
    pub fn new(folder: &Path, addresses: &[IpAddr]) -> Option<Self> {
        let names: Vec<String> = addresses.iter().map(|address| format!("IP:{address}")).collect();
        let script = format!(
            "set -e
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=own -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr
printf 'subjectAltName={}\\nbasicConstraints=CA:FALSE\\n' > extensions
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=client -keyout client.key -out client.csr
openssl x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out client.pem",
            names.join(",")
        );
        let made = Command::new("sh").args(["-c", &script]).current_dir(folder).output().ok()?;
        if !made.status.success() {
            return None;
        }
        let _ = rustls::crypto::ring::default_provider().install_default();
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_file_iter(folder.join("server.pem")).ok()?.collect::<Result<_, _>>().ok()?;
        let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).ok()?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).ok()?).ok()?;
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().ok()?;
        let demanding = ServerConfig::builder().with_client_cert_verifier(verifier);
        let demanding = demanding.with_single_cert(chain.clone(), key.clone_key()).ok()?;
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).ok()?;
        Some(Self {
            certificate: folder.join("ca.pem"),
            client: folder.join("client.pem"),
            client_key: folder.join("client.key"),
            config: Arc::new(config),
            demanding: Arc::new(demanding),
        })
    }

    /// The port, on all addresses, of a server that forwards to `plain`.
    pub fn in_front_of(&self, plain: &str) -> u16 {
        let (config, plain) = (self.config.clone(), plain.to_owned());
        listen(move |client| _ = carry(client, config.clone(), &plain))
    }

    /// The same, only for clients with a certificate of this authority.
    pub fn for_clients_in_front_of(&self, plain: &str) -> u16 {
        let (config, plain) = (self.demanding.clone(), plain.to_owned());
        listen(move |client| _ = carry(client, config.clone(), &plain))
    }
}

/// The port, on all addresses, of a server that forwards to `plain` without TLS.
pub fn without_tls(plain: &str) -> u16 {
    let plain = plain.to_owned();
    listen(move |mut client| {
        let Ok(mut server) = TcpStream::connect(&plain) else { return };
        let (Ok(mut from_server), Ok(mut to_client)) = (server.try_clone(), client.try_clone()) else { return };
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from_server, &mut to_client);
            let _ = to_client.shutdown(Shutdown::Write);
        });
        let _ = std::io::copy(&mut client, &mut server);
        let _ = server.shutdown(Shutdown::Write);
    })
}

/// Serves each client in its own thread.
fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(client));
        }
    });
    port
}

/// An address of this machine that others can see; `None` if there is none.
pub fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: this only queries the route.
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_loopback())
}

/// Forwards bytes in both directions until one side ends.
fn carry(client: TcpStream, config: Arc<ServerConfig>, plain: &str) -> Option<()> {
    let mut server = TcpStream::connect(plain).ok()?;
    let short = Some(Duration::from_millis(5));
    client.set_read_timeout(short).ok()?;
    server.set_read_timeout(short).ok()?;
    let mut client = StreamOwned::new(ServerConnection::new(config).ok()?, client);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return None,
            Ok(count) => server.write_all(&buffer[..count]).ok()?,
            Err(error) if is_waiting(&error) => {}
            Err(_) => return None,
        }
        match server.read(&mut buffer) {
            Ok(0) => {
                client.conn.send_close_notify();
                return client.flush().ok();
            }
            Ok(count) => client.write_all(&buffer[..count]).ok()?,
            Err(error) if is_waiting(&error) => {}
            Err(_) => return None,
        }
    }
}

fn is_waiting(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
