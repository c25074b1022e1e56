//! Certificates for hosts with a folder in `certs.d`.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::transport::registry::RegistryError;
use crate::transport::registry::config::Certificates;

/// The TLS settings of a host with its own certificates, which are trusted besides the system's.
pub fn client_config(certificates: &Certificates) -> Result<ClientConfig, RegistryError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut listed = Vec::new();
    for path in &certificates.authorities {
        listed.extend(read_certificates(path)?);
    }
    let place = certificates.authorities.first().or(certificates.client.as_ref().map(|(path, _)| path));
    let place = place.map_or(Path::new("certs.d"), |path| path.as_path());
    let failed = |error: Error| wrong(place, &error);
    let usual = Verifier::new_with_extra_roots(listed.clone(), provider.clone()).map_err(failed)?;
    let verifier = Arc::new(Listed { listed, usual });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match &certificates.client {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
            builder.with_client_auth_cert(read_certificates(certificate)?, secret).map_err(failed)
        }
    }
}

fn wrong(path: &Path, error: &dyn std::error::Error) -> RegistryError {
    RegistryError::Configuration { path: path.to_owned(), reason: error.to_string() }
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, RegistryError> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| wrong(path, &error))?;
    if found.is_empty() {
        let reason = "there is no certificate in it".to_owned();
        return Err(RegistryError::Configuration { path: path.to_owned(), reason });
    }
    Ok(found)
}

/// Verifies as usual, but accepts a server certificate that is itself listed. Certificates of `openssl req -x509` claim
/// to be authorities, which rustls refuses for servers; docker accepts them.
#[derive(Debug)]
struct Listed {
    listed: Vec<CertificateDer<'static>>,
    usual: Verifier,
}

impl ServerCertVerifier for Listed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let checked = self.usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match checked {
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if self.listed.iter().any(|listed| listed == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            checked => checked,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}
