//! Why the service can't be listened to.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::base::io_error::IoError;

#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("`{text}` is no address to listen at: there are unix://PATH, fd:// and tcp://HOST:PORT")]
    Address { text: String },
    #[error("somebody listens at `{}` already", path.display())]
    Taken { path: PathBuf },
    #[error("no socket was passed: fd:// is for services that systemd starts with a socket unit")]
    NotPassed,
    #[error("what was passed as descriptor {number} is no socket that somebody can connect to")]
    NoListener { number: i32 },
    #[error("there is no group `{name}`")]
    NoGroup { name: String },
    #[error("--group is for unix://: {reason}")]
    GroupElsewhere { reason: &'static str },
    #[error("options of TLS are for tcp:// and fd://: a socket of this machine needs none")]
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
    /// What to do about it.
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
