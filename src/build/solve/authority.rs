//! The user's certificate authority (`--ca-cert`), in the forms in which it is needed.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::MemfdFlags;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::base::io_error::AtPath as _;

use super::error::StepError;

/// Where this machine's own list may be.
const SYSTEM_LISTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Trusted by downloads and RUN steps in addition to all others. One or more certificates.
#[derive(Debug, Clone)]
pub struct Authority {
    /// The content of the file.
    pub pem: Vec<u8>,
    /// Each in DER.
    pub certificates: Vec<Vec<u8>>,
    /// With those that this machine trusts.
    pub bundle: Vec<u8>,
    /// The bundle in memory, for programs that take a path; it exists as long as this process.
    file: Arc<File>,
}

impl Authority {
    /// Reads a certificate in PEM.
    pub fn read(path: &Path) -> Result<Self, StepError> {
        let pem = std::fs::read(path).at("read", path)?;
        let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
        let certificates: Vec<Vec<u8>> =
            certificates.unwrap_or_default().into_iter().map(|certificate| certificate.to_vec()).collect();
        if certificates.is_empty() {
            return Err(StepError::NoCertificate { path: path.to_owned() });
        }
        let system = SYSTEM_LISTS.iter().find_map(|list| std::fs::read(list).ok()).unwrap_or_default();
        let bundle = [&system[..], b"\n", &pem].concat();
        let file = rustix::fs::memfd_create("ca-bundle", MemfdFlags::CLOEXEC).at("make", "a file in memory")?;
        let mut file = File::from(file);
        file.write_all(&bundle).at("write", "a file in memory")?;
        Ok(Self { pem, certificates, bundle, file: Arc::new(file) })
    }

    /// The path of the bundle for programs that this process starts.
    pub fn bundle_path(&self) -> PathBuf {
        use std::os::fd::AsRawFd as _;
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()))
    }
}
