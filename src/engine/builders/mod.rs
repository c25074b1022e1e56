//! The builders that scripts make, choose and remove.
//!
//! There is one builder: this program, on this machine. What is made is a name for it, with the options that were given,
//! kept where buildx keeps its own and in the same form: who goes back to buildx finds them, and who comes from there, too.
//! The driver says what becomes of a result that nobody asked for. Knows no arguments and prints nothing.

mod folder;
mod name;

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::boolean;
use crate::base::input::InputError;
use crate::base::io_error::IoError;
use crate::image::Platform;
use crate::transport::docker_engine::{Address, context_names, settings_folder};

pub use name::{PATTERN, new_reference};

/// The builder that is always there.
pub const DEFAULT: &str = "default";
/// The driver of a builder that is a context of docker's, and of one that was made.
pub const OF_CONTEXTS: &str = "docker";
/// The driver of a builder that was made.
pub const OF_MADE: &str = "docker-container";

/// The name under which a builder's file of settings is kept.
pub const SETTINGS: &str = "buildkitd.toml";

/// A name under which builds are made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Builder {
    /// What it is called.
    pub name: String,
    /// `docker` or `docker-container`, which are both this machine.
    pub driver: String,
    /// There is one.
    pub nodes: Vec<Node>,
    /// It comes with a context of docker's, and was not made.
    pub dynamic: bool,
    /// When it last built something.
    #[serde(skip)]
    pub last_activity: Option<Timestamp>,
}

/// Where a builder builds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Node {
    /// What it is called.
    pub name: String,
    /// A context of docker's, or an engine's address.
    pub endpoint: String,
    /// Those that it was made for; nothing for those that this machine can build.
    pub platforms: Option<Vec<Platform>>,
    /// `--driver-opt`, kept for those who ask.
    pub driver_opts: Option<BTreeMap<String, String>>,
    /// `--buildkitd-flags`, kept for those who ask.
    pub flags: Option<Vec<String>>,
    /// Files of settings, in base64.
    pub files: Option<BTreeMap<String, String>>,
}

/// A builder that is to be made.
#[derive(Debug, Clone, Default)]
pub struct NewBuilder {
    /// Nothing for a name that is made up.
    pub name: Option<String>,
    /// Nothing for the usual one.
    pub driver: Option<String>,
    /// What is said of its only node; a name that is empty is made of the builder's.
    pub node: Node,
    /// The options of an existing builder change.
    pub changes: bool,
}

/// What a build was made from, as buildx writes it down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Origin {
    /// Of a bake file; `default` elsewhere.
    pub target: String,
    /// The context: a path or an address.
    pub local_path: String,
    /// The Dockerfile's path.
    pub dockerfile_path: String,
}

/// How long a choice holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope {
    /// Whatever context of docker's is in use.
    pub global: bool,
    /// Whenever nothing else is chosen for this context.
    pub default: bool,
}

/// Why a builder cannot be made, chosen or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum BuilderError {
    #[error("no builder `{name}` found")]
    Unknown { name: String },
    #[error("invalid name `{name}`: a name begins with a letter and has letters, digits, `.`, `_` and `-`")]
    InvalidName { name: String },
    #[error("`default` is the built-in builder: choose another name")]
    Reserved,
    #[error("`{name}` is a docker context, and so a builder already")]
    IsContext { name: String },
    #[error("there is a builder `{name}` already")]
    Exists { name: String },
    #[error("the builder `{name}` already has its one node, `{node}`")]
    OneNode { name: String, node: String },
    #[error("the builder `{name}` has the driver `{driver}`: it is on another machine, and rbuild builds on this one")]
    Elsewhere { name: String, driver: String },
    #[error("no driver `{driver}` found: rbuild builds on this machine only, as `docker-container`")]
    NoDriver { driver: String },
    #[error("`{file}` describes no builder")]
    File { file: String, source: serde_json::Error },
    #[error("there is nowhere to keep builders: neither BUILDX_CONFIG, DOCKER_CONFIG nor HOME is set")]
    NoPlace,
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(transparent)]
    Input(#[from] InputError),
}

/// The builders that there are.
#[derive(Debug)]
pub struct Builders {
    folder: Option<PathBuf>,
    /// What a choice is kept by: the engine that is in use.
    key: String,
    /// The context that is in use.
    context: String,
}

impl Builder {
    /// A result that is not asked for stays in the build cache.
    pub fn keeps_results(&self) -> bool {
        let default_load = |node: &Node| Some(boolean(node.driver_opts.as_ref()?.get("default-load")?) == Some(true));
        self.driver == OF_MADE && !self.nodes.iter().any(|node| default_load(node) == Some(true))
    }

    /// The file of settings that it was made with.
    pub fn settings(&self) -> Option<String> {
        let files = self.nodes.iter().find_map(|node| node.files.as_ref()?.get(SETTINGS))?;
        String::from_utf8(BASE64.decode(files).ok()?).ok()
    }

    /// An error when it stands for something that this program is not.
    pub fn check_place(&self) -> Result<(), BuilderError> {
        if matches!(self.driver.as_str(), OF_CONTEXTS | OF_MADE) {
            return Ok(());
        }
        Err(BuilderError::Elsewhere { name: self.name.clone(), driver: self.driver.clone() })
    }

    /// What a build is known by in it: `BUILDER/NODE/`.
    pub fn prefix(&self) -> String {
        let node = self.nodes.first().map_or(self.name.as_str(), |node| node.name.as_str());
        format!("{}/{node}/", self.name)
    }

    /// The same in the builder that is always there.
    pub fn default_prefix() -> String {
        format!("{DEFAULT}/{DEFAULT}/")
    }

    fn of_context(name: &str) -> Self {
        let node = Node { name: name.to_owned(), endpoint: name.to_owned(), ..Node::default() };
        Self {
            name: name.to_owned(),
            driver: OF_CONTEXTS.to_owned(),
            nodes: vec![node],
            dynamic: true,
            last_activity: None,
        }
    }
}

impl Builders {
    /// Those that go with the engine that is in use.
    pub fn beside(engine: &Address) -> Self {
        let set = std::env::var_os("BUILDX_CONFIG").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let folder = set.or_else(|| Some(settings_folder()?.join("buildx")));
        let context = engine.context.clone().unwrap_or_else(|| DEFAULT.to_owned());
        Self { folder, key: engine.context.clone().unwrap_or_else(|| engine.shown.clone()), context }
    }

    /// The builder that builds use when none is named.
    pub fn current(&self) -> Result<Builder, BuilderError> {
        if let Some(name) = self.chosen()
            && let Some(found) = self.made(&name)?
        {
            return Ok(found);
        }
        Ok(self.of_context())
    }

    /// The builder of the context that is in use.
    pub fn of_context(&self) -> Builder {
        Builder::of_context(&self.context)
    }

    /// The builder of that name.
    pub fn find(&self, name: &str) -> Result<Builder, BuilderError> {
        if name == DEFAULT || name == self.context {
            return Ok(Builder::of_context(name));
        }
        if let Some(found) = self.made(&name::checked(name)?)? {
            return Ok(found);
        }
        if context_names().iter().any(|context| context == name) {
            return Ok(Builder::of_context(name));
        }
        Err(BuilderError::Unknown { name: name.to_owned() })
    }

    /// All of them: those that were made by their names, then the contexts.
    pub fn all(&self) -> Result<Vec<Builder>, BuilderError> {
        let mut all = Vec::new();
        for name in self.names()? {
            all.extend(self.made(&name)?);
        }
        let mut contexts = context_names();
        contexts.extend([DEFAULT.to_owned(), self.context.clone()]);
        contexts.sort();
        contexts.dedup();
        all.extend(contexts.iter().map(|name| Builder::of_context(name)));
        Ok(all)
    }

    /// Makes a builder, or changes the options of one.
    pub fn create(&self, wanted: NewBuilder) -> Result<Builder, BuilderError> {
        let driver = wanted.driver.unwrap_or_else(|| OF_MADE.to_owned());
        if driver != OF_MADE {
            return Err(BuilderError::NoDriver { driver });
        }
        let _lock = self.lock()?;
        let name = match wanted.name {
            Some(name) if name == DEFAULT => return Err(BuilderError::Reserved),
            Some(name) => name::checked(&name)?,
            None => name::made_up(|name| self.made(name).is_ok_and(|found| found.is_none())),
        };
        if name == self.context || context_names().contains(&name) {
            return Err(BuilderError::IsContext { name });
        }
        let mut node = wanted.node;
        if let Some(there) = self.made(&name)? {
            let its = there.nodes.first().map(|node| node.name.clone()).unwrap_or_default();
            match (wanted.changes, node.name.is_empty() || node.name == its) {
                (true, true) => node.name = its,
                (true, false) => return Err(BuilderError::OneNode { name, node: its }),
                (false, _) => return Err(BuilderError::Exists { name }),
            }
        }
        if node.name.is_empty() {
            node.name = format!("{name}0");
        }
        if node.endpoint.is_empty() {
            node.endpoint.clone_from(&self.key);
        }
        let builder = Builder { name, driver, nodes: vec![node], dynamic: false, last_activity: None };
        self.write(&builder)?;
        self.note_use(&builder)?;
        Ok(builder)
    }

    /// Builds use this one from now on.
    pub fn choose(&self, name: &str, scope: Scope) -> Result<(), BuilderError> {
        let builder = self.find(name)?;
        builder.check_place()?;
        if builder.dynamic && builder.name != self.context {
            return Err(BuilderError::IsContext { name: builder.name });
        }
        let _lock = self.lock()?;
        // A context is what is used when nothing else is.
        self.write_choice(if builder.dynamic { "" } else { &builder.name }, scope)
    }

    /// Forgets the name.
    pub fn remove(&self, name: &str) -> Result<String, BuilderError> {
        let builder = if name.is_empty() { self.current()? } else { self.find(name)? };
        if builder.dynamic {
            return Err(BuilderError::IsContext { name: builder.name });
        }
        let _lock = self.lock()?;
        self.forget(&builder.name)?;
        Ok(builder.name)
    }
}
