//! Which namespaces a container uses.

use crate::container::network::{BRIDGE, HOST, NONE};

const CONTAINER: &str = "container:";

/// The network of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub enum NetworkMode {
    /// Unset: the first of its networks, or else the bridge.
    #[default]
    Usual,
    Host,
    None,
    /// The network namespace of another container, by its name or ID.
    Container(String),
    /// A network by name or ID; `bridge` is one of them.
    Network(String),
}

impl NetworkMode {
    /// Parses a value of `--network`, or of a request.
    pub fn of(word: &str) -> Self {
        match word {
            "" | "default" => Self::Usual,
            HOST => Self::Host,
            NONE => Self::None,
            _ => match word.strip_prefix(CONTAINER) {
                Some(name) => Self::Container(name.to_owned()),
                None => Self::Network(word.to_owned()),
            },
        }
    }

    /// The network that this refers to among those of the container; `None` for another container's.
    pub fn network(&self) -> Option<&str> {
        match self {
            Self::Usual => Some(BRIDGE),
            Self::Host => Some(HOST),
            Self::None => Some(NONE),
            Self::Container(_) => None,
            Self::Network(name) => Some(name),
        }
    }

    /// The container whose network it joins.
    pub fn container(&self) -> Option<&str> {
        match self {
            Self::Container(name) => Some(name),
            _ => None,
        }
    }

    /// Whether it is the default bridge network.
    pub fn is_bridge(&self) -> bool {
        matches!(self, Self::Network(name) if name == BRIDGE)
    }

    /// Whether the container has endpoints in networks, in a namespace of its own.
    pub fn has_places(&self) -> bool {
        matches!(self, Self::Usual | Self::Network(_))
    }

    /// As a request says it.
    pub fn word(&self) -> String {
        match self {
            Self::Usual => String::new(),
            Self::Container(name) => format!("{CONTAINER}{name}"),
            Self::Host | Self::None | Self::Network(_) => self.network().unwrap_or_default().to_owned(),
        }
    }
}

/// The PID, UTS or cgroup namespace of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub enum NamespaceMode {
    #[default]
    Own,
    Host,
    /// The namespace of another container, by its name or ID; only for PID namespaces.
    Container(String),
}

impl NamespaceMode {
    /// Parses a value of `--pid`.
    pub fn of_processes(word: &str) -> Option<Self> {
        Self::of_names(word).or_else(|| container_in(word).map(Self::Container))
    }

    /// Parses a value of `--uts`.
    pub fn of_names(word: &str) -> Option<Self> {
        match word {
            "" => Some(Self::Own),
            HOST => Some(Self::Host),
            _ => None,
        }
    }

    /// Parses a value of `--cgroupns`.
    pub fn of_cgroups(word: &str) -> Option<Self> {
        if word == "private" { Some(Self::Own) } else { Self::of_names(word) }
    }

    /// The container whose namespace it joins.
    pub fn container(&self) -> Option<&str> {
        match self {
            Self::Container(name) => Some(name),
            _ => None,
        }
    }

    /// `own` is docker's word for a namespace of the container's own.
    pub(super) fn word(&self, own: &str) -> String {
        match self {
            Self::Own => own.to_owned(),
            Self::Host => HOST.to_owned(),
            Self::Container(name) => format!("{CONTAINER}{name}"),
        }
    }
}

/// The IPC namespace of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub enum IpcMode {
    /// Its own; no other container may join it.
    #[default]
    Private,
    Shareable,
    Host,
    /// Its own, without `/dev/shm`.
    None,
    /// The one of another container, by its name or ID.
    Container(String),
}

impl IpcMode {
    /// Parses a value of `--ipc`.
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "" | "private" => Self::Private,
            "shareable" => Self::Shareable,
            HOST => Self::Host,
            NONE => Self::None,
            _ => Self::Container(container_in(word)?),
        })
    }

    /// The container whose IPC namespace it joins.
    pub fn container(&self) -> Option<&str> {
        match self {
            Self::Container(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn word(&self) -> String {
        match self {
            Self::Private => "private".to_owned(),
            Self::Shareable => "shareable".to_owned(),
            Self::Host => HOST.to_owned(),
            Self::None => NONE.to_owned(),
            Self::Container(name) => format!("{CONTAINER}{name}"),
        }
    }
}

fn container_in(word: &str) -> Option<String> {
    word.strip_prefix(CONTAINER).filter(|name| !name.is_empty()).map(str::to_owned)
}
