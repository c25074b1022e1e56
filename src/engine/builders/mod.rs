//! The builders that scripts create, choose and remove.
//!
//! There is one builder: this program, on this machine. Creating a builder only creates a name for it, with the given
//! options, stored where buildx stores its own and in the same form: buildx finds them, and rbuild finds those of
//! buildx. The driver decides what happens to a result that was not requested. Knows no arguments and prints nothing.

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

/// The builder that always exists.
pub const DEFAULT: &str = "default";
/// The driver of a builder that belongs to a docker context.
pub const OF_CONTEXTS: &str = "docker";
/// The driver of a builder that was created.
pub const OF_MADE: &str = "docker-container";

/// The name of a builder's configuration file.
pub const SETTINGS: &str = "buildkitd.toml";

/// A builder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Builder {
    /// Its name.
    pub name: String,
    /// `docker` or `docker-container`; both mean this machine.
    pub driver: String,
    /// Always one.
    pub nodes: Vec<Node>,
    /// Whether it belongs to a docker context instead of having been created.
    pub dynamic: bool,
    /// The time of its last build.
    #[serde(skip)]
    pub last_activity: Option<Timestamp>,
}

/// Where a builder builds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// A docker context, or an engine's address.
    pub endpoint: String,
    /// The platforms that it was created for; `None` for those that this machine can build.
    pub platforms: Option<Vec<Platform>>,
    /// `--driver-opt`, stored for tools that read it.
    pub driver_opts: Option<BTreeMap<String, String>>,
    /// `--buildkitd-flags`, stored for tools that read it.
    pub flags: Option<Vec<String>>,
    /// Configuration files, in base64.
    pub files: Option<BTreeMap<String, String>>,
}

/// A request for a builder.
#[derive(Debug, Clone, Default)]
pub struct NewBuilder {
    /// `None` for a generated name.
    pub name: Option<String>,
    /// `None` for the default.
    pub driver: Option<String>,
    /// Its only node; an empty name is derived from the builder's.
    pub node: Node,
    /// Whether to change the options of an existing builder.
    pub changes: bool,
}

/// What a build was made from, as recorded by buildx.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Origin {
    /// The target of a bake file; otherwise `default`.
    pub target: String,
    /// The context: a path or a URL.
    pub local_path: String,
    /// The Dockerfile's path.
    pub dockerfile_path: String,
}

/// The scope of a choice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope {
    /// For all docker contexts.
    pub global: bool,
    /// Whenever no other builder is chosen for this context.
    pub default: bool,
}

/// Why a builder cannot be created, chosen or used.
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

/// The existing builders.
#[derive(Debug)]
pub struct Builders {
    folder: Option<PathBuf>,
    /// The engine in use, under which a choice is stored.
    key: String,
    /// The context in use.
    context: String,
}

impl Builder {
    /// Whether results that were not requested stay in the build cache.
    pub fn keeps_results(&self) -> bool {
        let default_load = |node: &Node| Some(boolean(node.driver_opts.as_ref()?.get("default-load")?) == Some(true));
        self.driver == OF_MADE && !self.nodes.iter().any(|node| default_load(node) == Some(true))
    }

    /// The configuration file with which it was created.
    pub fn settings(&self) -> Option<String> {
        let files = self.nodes.iter().find_map(|node| node.files.as_ref()?.get(SETTINGS))?;
        String::from_utf8(BASE64.decode(files).ok()?).ok()
    }

    /// Fails if it stands for another machine or driver.
    pub fn check_place(&self) -> Result<(), BuilderError> {
        if matches!(self.driver.as_str(), OF_CONTEXTS | OF_MADE) {
            return Ok(());
        }
        Err(BuilderError::Elsewhere { name: self.name.clone(), driver: self.driver.clone() })
    }

    /// The prefix of its builds' references: `BUILDER/NODE/`.
    pub fn prefix(&self) -> String {
        let node = self.nodes.first().map_or(self.name.as_str(), |node| node.name.as_str());
        format!("{}/{node}/", self.name)
    }

    /// The same for the default builder.
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
    /// The builders for the engine in use.
    pub fn beside(engine: &Address) -> Self {
        let set = std::env::var_os("BUILDX_CONFIG").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let folder = set.or_else(|| Some(settings_folder()?.join("buildx")));
        let context = engine.context.clone().unwrap_or_else(|| DEFAULT.to_owned());
        Self { folder, key: engine.context.clone().unwrap_or_else(|| engine.shown.clone()), context }
    }

    /// The builder of builds that name none.
    pub fn current(&self) -> Result<Builder, BuilderError> {
        if let Some(name) = self.chosen()
            && let Some(found) = self.made(&name)?
        {
            return Ok(found);
        }
        Ok(self.of_context())
    }

    /// The builder of the context in use.
    pub fn of_context(&self) -> Builder {
        Builder::of_context(&self.context)
    }

    /// The builder with that name.
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

    /// All builders: the created ones by name, then the contexts' ones.
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

    /// Creates a builder, or changes the options of an existing one.
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

    /// Makes it the builder of builds that name none.
    pub fn choose(&self, name: &str, scope: Scope) -> Result<(), BuilderError> {
        let builder = self.find(name)?;
        builder.check_place()?;
        if builder.dynamic && builder.name != self.context {
            return Err(BuilderError::IsContext { name: builder.name });
        }
        let _lock = self.lock()?;
        // A context's builder is used when none is chosen.
        self.write_choice(if builder.dynamic { "" } else { &builder.name }, scope)
    }

    /// Removes the builder.
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
