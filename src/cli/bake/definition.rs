//! Reads bake files.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Args, Found, bake_error, remote, working_folder};
use crate::base::input;
use crate::cli::CliError;
use crate::cli::global::Global;
use crate::image::host_platform;
use crate::language::bake::{self, BakeError, BakeFile, DEFAULT_NAMES, Remote, Sources, World, parse_bool};

/// The files of the working directory.
struct LocalFiles;

impl Sources for LocalFiles {
    fn read(&self, path: &str) -> Result<Option<String>, BakeError> {
        let path = Path::new(path);
        if !path.exists() || path.is_dir() {
            return Ok(None);
        }
        let text =
            input::named(path).map_err(|error| BakeError::Path { path: path.to_owned(), what: error.to_string() })?;
        let text = String::from_utf8(text);
        text.map(Some).map_err(|_| BakeError::Path { path: path.to_owned(), what: "it is not UTF-8".to_owned() })
    }
}

/// Reads and evaluates all files.
pub(super) fn read(args: &Args, global: &Global) -> Result<Found, CliError> {
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let named = named(args, &environment);
    let (url, context, targets) = remote::addresses(&args.targets);
    let mut brought = None;
    let mut files = Vec::new();
    if let Some(url) = url {
        let fetched = remote::fetch(url, &environment, global)?;
        let others = named.iter().filter(|name| !name.starts_with("cwd://"));
        files.extend(remote::files(url, &fetched, &others.map(String::as_str).collect::<Vec<_>>())?);
        brought = Some(fetched);
    }
    let here: Vec<String> = match url {
        Some(_) => named.iter().filter(|name| name.starts_with("cwd://")).cloned().collect(),
        None => named,
    };
    if url.is_none() || !here.is_empty() {
        files.extend(local_files(here)?);
    }
    if files.is_empty() {
        return Err(bake_error(BakeError::NoDefinition));
    }
    let folder = working_folder()?;
    let truth = |name: &str| match environment.get(name).map(|text| text.trim()).filter(|text| !text.is_empty()) {
        None => Ok(false),
        Some(text) => {
            parse_bool(text).ok_or_else(|| CliError::new(format!("{name}: `{text}` is neither true nor false")))
        }
    };
    let world = World {
        variables: variables(&args.variables)?,
        reads_environment: !truth("BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP").unwrap_or(false),
        built_in: BTreeMap::from([
            ("BAKE_CMD_CONTEXT".to_owned(), context.unwrap_or("cwd://").to_owned()),
            ("BAKE_LOCAL_PLATFORM".to_owned(), host_platform().to_string()),
        ]),
        home: environment.get("HOME").cloned().unwrap_or_default(),
        has_relative_paths: truth("BUILDX_BAKE_FILE_RELATIVE_PATHS")?,
        environment: environment.clone(),
    };
    // Paths in a remote definition are relative to the definition.
    let bakery = match &brought {
        Some(brought) => bake::read(&files, &world, &remote::Beside(brought)),
        None => bake::read(&files, &world, &LocalFiles),
    };
    let bakery = bakery.map_err(bake_error)?;
    let has_tree = brought.is_some_and(|brought| brought.only_file().is_none());
    let remote = url.filter(|_| has_tree).map(|url| Remote { url: url.to_owned() });
    Ok(Found { bakery, environment, folder, remote, url: url.map(str::to_owned), targets: targets.to_vec() })
}

fn variables(texts: &[String]) -> Result<BTreeMap<String, String>, CliError> {
    let mut variables = BTreeMap::new();
    for text in texts.iter().filter(|text| !text.is_empty()) {
        match text.split_once('=') {
            None => return Err(CliError::new(format!("invalid variable {text:?}, expected key=value"))),
            Some(("", _)) => return Err(CliError::new(format!("invalid variable {text:?}, key is empty"))),
            Some((name, value)) => _ = variables.insert(name.to_owned(), value.to_owned()),
        }
    }
    Ok(variables)
}

/// The named files, or those of BUILDX_BAKE_FILE.
fn named(args: &Args, environment: &BTreeMap<String, String>) -> Vec<String> {
    let mut names = args.files.clone();
    if names.is_empty()
        && let Some(listed) = environment.get("BUILDX_BAKE_FILE")
    {
        let separator = environment.get("BUILDX_BAKE_PATH_SEPARATOR").filter(|text| !text.is_empty());
        let listed = listed.split(separator.map_or(":", String::as_str)).map(str::trim);
        names.extend(listed.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    names
}

/// The named local files, or the default ones. An empty file is ignored.
fn local_files(mut names: Vec<String>) -> Result<Vec<BakeFile>, CliError> {
    if names.is_empty() {
        names = DEFAULT_NAMES.iter().filter(|name| Path::new(name).exists()).map(|name| (*name).to_owned()).collect();
    }
    let mut files = Vec::new();
    for name in names {
        let name = name.strip_prefix("cwd://").unwrap_or(&name).to_owned();
        let bytes = if name == "-" { input::from_stdin() } else { input::named(Path::new(&name)) };
        let bytes = bytes.map_err(|error| {
            let what = match (error.is_not_found(), Path::new(&name).is_dir()) {
                (true, _) => ": no such file or directory",
                (false, true) => ": it is a directory",
                (false, false) => "",
            };
            CliError::from(error).context(&format!("open {name}{what}"))
        })?;
        let text = String::from_utf8(bytes).map_err(|error| not_utf8(&name, error.as_bytes()))?;
        if !text.is_empty() {
            files.push(BakeFile { name, text });
        }
    }
    Ok(files)
}

pub(super) fn not_utf8(name: &str, bytes: &[u8]) -> CliError {
    let valid = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let line = valid.matches('\n').count() + 1;
    CliError::new(format!("{name}:{line}: Invalid character encoding; all bake files must be UTF-8 encoded"))
}
