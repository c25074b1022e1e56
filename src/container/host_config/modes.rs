//! Whose namespaces a container has.

use crate::container::network::{BRIDGE, HOST, NONE};

const CONTAINER: &str = "container:";

/// Which network a container is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NetworkMode {
    /// Nothing was said: the first of its networks, or else the bridge.
    #[default]
    Usual,
    Host,
    None,
    /// That of another container, by its name or ID.
    Container(String),
    /// By name or ID; `bridge` is one of them.
    Network(String),
}

impl NetworkMode {
    /// What a word of `--network`, or of a request, stands for.
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

    /// The network among those of the container that it stands for; nothing where that is another container's.
    pub fn network(&self) -> Option<&str> {
        match self {
            Self::Usual => Some(BRIDGE),
            Self::Host => Some(HOST),
            Self::None => Some(NONE),
            Self::Container(_) => None,
            Self::Network(name) => Some(name),
        }
    }

    /// The container whose network it is.
    pub fn container(&self) -> Option<&str> {
        match self {
            Self::Container(name) => Some(name),
            _ => None,
        }
    }

    /// The network that all containers are in of which nothing else is said.
    pub fn is_bridge(&self) -> bool {
        matches!(self, Self::Network(name) if name == BRIDGE)
    }

    /// Whether the container has places in networks, in a namespace of its own.
    pub fn has_places(&self) -> bool {
        matches!(self, Self::Usual | Self::Network(_))
    }

    pub(super) fn word(&self) -> String {
        match self {
            Self::Usual => String::new(),
            Self::Container(name) => format!("{CONTAINER}{name}"),
            Self::Host | Self::None | Self::Network(_) => self.network().unwrap_or_default().to_owned(),
        }
    }
}

/// Whose processes, names or cgroups a container sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NamespaceMode {
    #[default]
    Own,
    Host,
    /// Those of another container, by its name or ID; only processes can be shared so.
    Container(String),
}

impl NamespaceMode {
    /// What a word of `--pid` stands for, if it is one.
    pub fn of_processes(word: &str) -> Option<Self> {
        Self::of_names(word).or_else(|| container_in(word).map(Self::Container))
    }

    /// What a word of `--uts` stands for, if it is one.
    pub fn of_names(word: &str) -> Option<Self> {
        match word {
            "" => Some(Self::Own),
            HOST => Some(Self::Host),
            _ => None,
        }
    }

    /// What a word of `--cgroupns` stands for, if it is one.
    pub fn of_cgroups(word: &str) -> Option<Self> {
        if word == "private" { Some(Self::Own) } else { Self::of_names(word) }
    }

    /// The container whose namespace it is.
    pub fn container(&self) -> Option<&str> {
        match self {
            Self::Container(name) => Some(name),
            _ => None,
        }
    }

    /// `own` is docker's word for one of the container's own.
    pub(super) fn word(&self, own: &str) -> String {
        match self {
            Self::Own => own.to_owned(),
            Self::Host => HOST.to_owned(),
            Self::Container(name) => format!("{CONTAINER}{name}"),
        }
    }
}

/// Whose shared memory a container has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum IpcMode {
    /// Its own, which no other container may join.
    #[default]
    Private,
    Shareable,
    Host,
    /// Its own, without `/dev/shm`.
    None,
    /// That of another container, by its name or ID.
    Container(String),
}

impl IpcMode {
    /// What a word of `--ipc` stands for, if it is one.
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "" | "private" => Self::Private,
            "shareable" => Self::Shareable,
            HOST => Self::Host,
            NONE => Self::None,
            _ => Self::Container(container_in(word)?),
        })
    }

    /// The container whose shared memory it is.
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
