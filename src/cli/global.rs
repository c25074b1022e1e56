//! Options of all commands, and opening the store.

use std::path::PathBuf;
use std::sync::Arc;

use super::{CliError, output};
use crate::base::rights;
use crate::engine;
use crate::engine::builders::Builder;
use crate::engine::check::{self, Severity};
use crate::store::{Store, StoreError};
use crate::transport::docker_engine;

/// Options that every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// The store [default: $XDG_DATA_HOME/rbuild, or /var/lib/rbuild for root]
    #[arg(long, global = true, env = "RBUILD_ROOT", value_name = "DIR", hide_env_values = true)]
    pub root: Option<PathBuf>,
    /// Size limit of the store: after a build, rbuild removes the least recently used build cache
    #[arg(long, global = true, env = "RBUILD_MAX_STORE", value_name = "BYTES", hide_env_values = true,
          value_parser = crate::base::bytes)]
    pub max_store: Option<u64>,
    /// The Docker Engine that docker's build plugin works for.
    #[arg(skip)]
    pub engine: Option<docker_engine::Address>,
    #[arg(skip)]
    pub builder: BuilderChoice,
}

/// The builder to use if none is named.
#[derive(Debug, Clone, Default)]
pub enum BuilderChoice {
    /// The builder of docker's context, as in `docker build`.
    #[default]
    Context,
    /// The selected builder, as in `docker buildx build`.
    Current,
    Named(String),
    /// The resolved builder.
    Found(Arc<Builder>),
}

impl Global {
    /// The folder of the store.
    pub fn store_root(&self) -> Result<PathBuf, CliError> {
        if let Some(root) = &self.root {
            return Ok(root.clone());
        }
        if rustix::process::geteuid().is_root() {
            return Ok(PathBuf::from("/var/lib/rbuild"));
        }
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let data = folder("XDG_DATA_HOME").or_else(|| Some(folder("HOME")?.join(".local/share")));
        let data = data.ok_or_else(|| {
            CliError::new("there is nowhere to keep the store: neither XDG_DATA_HOME nor HOME is set")
                .hint("name a folder with --root or RBUILD_ROOT")
        })?;
        Ok(data.join("rbuild"))
    }

    /// The engine that docker's CLI would use, even if this command works for none.
    pub fn engine_in_use(&self) -> Result<docker_engine::Address, CliError> {
        match &self.engine {
            Some(engine) => Ok(engine.clone()),
            None => Ok(docker_engine::Address::meant(None, None)?),
        }
    }

    pub fn open_store(&self) -> Result<Store, CliError> {
        let store = engine::store::open(&self.store_root()?).map_err(store_error)?;
        if store.is_new_to_boot() {
            look_after_power_loss(&store)?;
        }
        Ok(store)
    }
}

/// Reports what was lost in a power failure; intact data is not mentioned.
fn look_after_power_loss(store: &Store) -> Result<(), CliError> {
    rights::not_deferred()?;
    for finding in check::after_boot(store.root())? {
        if finding.severity == Severity::Damage {
            let mended = finding.repair.as_deref().unwrap_or("`rbuild system check` says more");
            output::say(format_args!(
                "warning: lost when the machine went down: {}: {}; {mended}",
                finding.subject, finding.fault
            ));
        }
    }
    Ok(())
}

pub fn store_error(error: StoreError) -> CliError {
    let hint = error.hint();
    CliError::from(error).hint_if(hint)
}
