//! The registry settings of the chosen builder.

use std::path::Path;

use crate::cli::CliError;
use crate::cli::global::{BuilderChoice, Global};
use crate::engine::builders::{Builder, SETTINGS};
use crate::transport::registry::{BuildkitRegistries, Settings};

/// Applies them to a build.
pub fn configure(settings: &mut Settings, global: &Global) -> Result<(), CliError> {
    match &global.builder {
        BuilderChoice::Found(found) => put_before(settings, found),
        _ => Ok(()),
    }
}

pub fn put_before(settings: &mut Settings, builder: &Builder) -> Result<(), CliError> {
    if let Some(text) = builder.settings() {
        let found = BuildkitRegistries::parse(Path::new(SETTINGS), &text);
        let found = found.map_err(|error| CliError::from(error).context(&format!("builder `{}`", builder.name)))?;
        settings.put_before(&found);
    }
    Ok(())
}
