//! Why the service can't listen.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::base::io_error::IoError;

#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("`{text}` is not an address to listen on: use unix://PATH, fd:// or tcp://HOST:PORT")]
    Address { text: String },
    #[error("another process already listens at `{}`", path.display())]
    Taken { path: PathBuf },
    #[error("no socket was passed: fd:// is for services that systemd starts with a socket unit")]
    NotPassed,
    #[error("descriptor {number} is not a listening socket")]
    NoListener { number: i32 },
    #[error("there is no group `{name}`")]
    NoGroup { name: String },
    #[error("--group is for unix://: {reason}")]
    GroupElsewhere { reason: &'static str },
    #[error("TLS options are for tcp:// and fd://: a local socket needs none")]
    TlsElsewhere,
    #[error("there is no address `{host}` on this machine")]
    NoAddress { host: String },
    #[error(
        "whoever reaches `{address}` could do everything that this user may: no client has to prove who it is there"
    )]
    Open { address: SocketAddr },
    #[error("cannot listen at `{address}`")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("cannot use the certificates in `{}`: {reason}", path.display())]
    Certificates { path: PathBuf, reason: String },
    #[error(transparent)]
    Io(#[from] IoError),
    #[error("cannot set up the service")]
    Runtime(#[from] io::Error),
}

impl ListenError {
    /// How to fix it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Taken { .. } => Some("end that service first, or name another address"),
            Self::Open { .. } => Some(
                "use --tlsverify with certificates (docs/service.md), or say --tls=false, or --tlsverify=false with TLS, to \
                 leave it open",
            ),
            Self::Certificates { .. } => Some("name the files with --tlscacert, --tlscert and --tlskey"),
            _ => None,
        }
    }
}
