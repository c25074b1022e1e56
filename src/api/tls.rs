//! TLS for network addresses: the service's certificate, and which clients may use it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::{RootCertStore, version};

use super::listen_error::ListenError;

/// Docker's API is HTTP/1.1, because it takes connections over.
const PROTOCOL: &[u8] = b"http/1.1";

/// PEM files.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// Clients with a certificate of these authorities may use the service.
    pub authorities: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Which clients are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    All,
    /// Those with a certificate of the authorities.
    Certified,
}

/// The TLS configuration of the service.
#[derive(Debug, Clone)]
pub struct Encryption {
    pub clients: Clients,
    pub(super) config: Arc<ServerConfig>,
}

impl Encryption {
    /// Reads the files. Those that are not needed may be missing.
    pub fn new(files: &Certificates, clients: Clients) -> Result<Self, ListenError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| wrong(&files.certificate, &error))?;
        let builder = match clients {
            Clients::All => builder.with_no_client_auth(),
            Clients::Certified => {
                let refused = |error: &dyn std::error::Error| wrong(&files.authorities, error);
                let mut authorities = RootCertStore::empty();
                for certificate in read(&files.authorities)? {
                    authorities.add(certificate).map_err(|error| refused(&error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| refused(&error))?)
            }
        };
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong(&files.key, &error))?;
        let config = builder.with_single_cert(read(&files.certificate)?, key);
        let mut config = config.map_err(|error| wrong(&files.certificate, &error))?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Self { clients, config: Arc::new(config) })
    }
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, ListenError> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| wrong(path, &error))?;
    if found.is_empty() {
        return Err(ListenError::Certificates { path: path.to_owned(), reason: "there is none in it".to_owned() });
    }
    Ok(found)
}

fn wrong(path: &Path, error: &dyn std::error::Error) -> ListenError {
    ListenError::Certificates { path: path.to_owned(), reason: error.to_string() }
}
