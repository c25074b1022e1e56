//! Definitions at an address: a repository, an archive, or a single file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::definition::not_utf8;
use crate::build::solve::{Secret, SshSource};
use crate::build::{Brought, BuildOptions, ContextSource};
use crate::cli::CliError;
use crate::cli::build;
use crate::cli::global::Global;
use crate::language::bake::{BakeError, BakeFile, DEFAULT_NAMES, Sources, is_remote};

/// buildx's size limit for a definition in a single file.
const LARGEST: usize = 2 << 20;
/// Secrets for git, and the variables that contain them.
const GIT_SECRETS: [(&str, &str); 2] =
    [("GIT_AUTH_TOKEN", "BUILDX_BAKE_GIT_AUTH_TOKEN"), ("GIT_AUTH_HEADER", "BUILDX_BAKE_GIT_AUTH_HEADER")];
/// The variable with the ssh agent for repositories over SSH.
const GIT_SSH: &str = "BUILDX_BAKE_GIT_SSH";

/// The address of the definition and of the context, if given, and the targets.
pub(super) fn addresses(words: &[String]) -> (Option<&str>, Option<&str>, &[String]) {
    match words {
        [url, context, rest @ ..] if is_remote(url) && is_remote(context) => (Some(url), Some(context), rest),
        [url, rest @ ..] if is_remote(url) => (Some(url), None, rest),
        _ => (None, None, words),
    }
}

/// Fetches the definition.
pub(super) fn fetch(url: &str, environment: &BTreeMap<String, String>, global: &Global) -> Result<Brought, CliError> {
    let mut options = build::Args::read(&["--".to_owned(), url.to_owned()])?.options()?;
    tell_git(&mut options, url, environment);
    if let Some(paths) = environment.get(GIT_SSH).filter(|paths| !paths.is_empty()) {
        options.run.ssh.insert("default".to_owned(), SshSource::Socket(PathBuf::from(paths)));
    }
    let fetched = Brought::fetch(&global.open_store()?, &options).map_err(build::build_error)?;
    if fetched.only_file().is_some_and(|text| text.len() > LARGEST) {
        return Err(CliError::new(format!("{url}: non-archive definition URL bigger than maximum allowed size (2MB)")));
    }
    Ok(fetched)
}

/// Passes git the environment's secrets for the definition's host, if the context is on the same host.
pub(super) fn tell_git(options: &mut BuildOptions, definition: &str, environment: &BTreeMap<String, String>) {
    let ContextSource::Remote(context) = &options.context else { return };
    let Some(host) =
        host(definition).filter(|host| self::host(context).is_some_and(|own| own.eq_ignore_ascii_case(host)))
    else {
        return;
    };
    for (name, wanted) in GIT_SECRETS {
        if let Some(variable) = environment.keys().find(|variable| variable.eq_ignore_ascii_case(wanted)) {
            options.run.secrets.insert(format!("{name}.{host}"), Secret::Environment(variable.clone()));
        }
    }
}

/// The host of an address, with its port.
fn host(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    Some(authority.rsplit_once('@').map_or(authority, |(_, host)| host)).filter(|host| !host.is_empty())
}

/// The named files of the definition, or the default ones that exist.
pub(super) fn files(url: &str, fetched: &Brought, names: &[&str]) -> Result<Vec<BakeFile>, CliError> {
    if let Some(text) = fetched.only_file() {
        let text = String::from_utf8(text.to_vec()).map_err(|error| not_utf8(url, error.as_bytes()))?;
        return Ok(vec![BakeFile { name: url.to_owned(), text }]);
    }
    let is_default = names.is_empty();
    let names = if is_default { &DEFAULT_NAMES[..] } else { names };
    let mut files = Vec::new();
    for name in names {
        match fetched.read(name).map_err(build::build_error)? {
            Some(bytes) => {
                let text = String::from_utf8(bytes).map_err(|error| not_utf8(name, error.as_bytes()))?;
                files.extend((!text.is_empty()).then(|| BakeFile { name: (*name).to_owned(), text }));
            }
            None if is_default => {}
            None => return Err(CliError::new(format!("open {name}: no such file or directory in {url}"))),
        }
    }
    Ok(files)
}

/// Files next to the definition, to which it refers.
pub(super) struct Beside<'a>(pub &'a Brought);

impl Sources for Beside<'_> {
    fn read(&self, path: &str) -> Result<Option<String>, BakeError> {
        if self.0.only_file().is_some() {
            return Ok(None);
        }
        let wrong = |what: String| BakeError::Path { path: path.into(), what };
        match self.0.read(path) {
            Ok(None) => Ok(None),
            Ok(Some(bytes)) => String::from_utf8(bytes).map(Some).map_err(|_| wrong("it is not UTF-8".to_owned())),
            Err(error) => Err(wrong(error.to_string())),
        }
    }
}
