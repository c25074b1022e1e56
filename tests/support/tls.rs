//! TLS in front of a server of a test, with a certificate that an authority of the test's own has signed.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// An authority, and what it has signed for the addresses of this machine.
pub struct Authority {
    pub certificate: PathBuf,
    config: Arc<ServerConfig>,
}

impl Authority {
    /// Made by openssl in `folder`; nothing where that can't be.
    pub fn new(folder: &Path, addresses: &[IpAddr]) -> Option<Self> {
        let names: Vec<String> = addresses.iter().map(|address| format!("IP:{address}")).collect();
        let script = format!(
            "set -e
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=own -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr
printf 'subjectAltName={}\\nbasicConstraints=CA:FALSE\\n' > extensions
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.pem",
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
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).ok()?;
        Some(Self { certificate: folder.join("ca.pem"), config: Arc::new(config) })
    }

    /// The port, on all addresses, of a server that answers what `plain` does.
    pub fn in_front_of(&self, plain: &str) -> u16 {
        let listener = TcpListener::bind("0.0.0.0:0").expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let (config, plain) = (self.config.clone(), plain.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (config, plain) = (config.clone(), plain.clone());
                std::thread::spawn(move || carry(client, config, &plain));
            }
        });
        port
    }
}

/// The address of this machine that others see; nothing where there is none.
pub fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: it only asks for the way.
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_loopback())
}

/// Carries bytes both ways until one side ends.
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
