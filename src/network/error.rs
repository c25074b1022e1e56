//! What can go wrong with a container's network.

use std::io;

use crate::io_error::IoError;

#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error(transparent)]
    Io(#[from] IoError),
    #[error("network `{name}` not found")]
    Unknown { name: String },
    #[error("cannot {action}")]
    Kernel {
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("every private address range that rbuild uses for containers is taken by a route of this machine")]
    NoFreeSubnet,
    #[error("all addresses of the network are in use")]
    NoFreeAddress,
    #[error("pasta, which connects containers of ordinary users, is not installed")]
    NoPasta,
    #[error("`/dev/net/tun`, which pasta needs, can't be opened by this user")]
    NoTunDevice,
    #[error("pasta could not connect the container: {message}")]
    Pasta { message: String },
    #[error("`{text}` is no address to add to the hosts file; it is NAME:IP")]
    AddHost { text: String },
}

impl NetworkError {
    /// What the user can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoPasta => Some("install the package `passt`, or use `--network host` or `--network none`"),
            Self::NoTunDevice => Some(
                "an administrator can allow it with `chmod 666 /dev/net/tun`; or use `--network host` or `--network none`",
            ),
            Self::Kernel { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("rbuild may not change this machine's network; use `--network host` or `--network none`")
            }
            Self::Unknown { .. } => Some("there are `default`, `host` and `none`"),
            _ => None,
        }
    }
}

/// Says what was being done when a call failed.
pub(super) trait Doing<T> {
    fn doing(self, action: &'static str) -> Result<T, NetworkError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, action: &'static str) -> Result<T, NetworkError> {
        self.map_err(|source| NetworkError::Kernel { action, source: source.into() })
    }
}
