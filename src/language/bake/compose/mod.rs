//! Compose files → targets: each service that has a `build` section is one.

mod dotenv;
mod extends;
mod interpolate;
mod merge;
mod schema;
mod service;
mod yaml;

use std::collections::BTreeMap;

use super::error::BakeError;
use super::files::{BakeFile, is_remote};
use super::functions::clean_path as clean;
use super::target::{Config, Group};
use super::{Sources, World};
use yaml::Node;

type Names = BTreeMap<String, String>;
type Entries = BTreeMap<String, Node>;

/// The variables for compose files: the environment, then `.env`, both overridden by the command line.
///
/// # Errors
/// If `.env` is malformed.
pub(super) fn environment(world: &World, sources: &dyn Sources) -> Result<Names, BakeError> {
    let mut names = if world.reads_environment { world.environment.clone() } else { Names::new() };
    if let Some(text) = sources.read(".env")? {
        let found = dotenv::parse(&text, &names).map_err(|reason| BakeError::invalid(format!(".env: {reason}")))?;
        for (name, value) in found {
            names.entry(name).or_insert(value);
        }
    }
    names.extend(world.variables.clone());
    Ok(names)
}

/// Loads compose files.
pub(super) struct Loader<'a> {
    pub(super) environment: &'a Names,
    pub(super) sources: &'a dyn Sources,
    pub(super) world: &'a World,
}

/// The context for loading one set of files.
#[derive(Clone)]
struct Project {
    /// The folder of relative paths.
    folder: String,
    names: Names,
    /// The files being included.
    including: Vec<String>,
}

/// Files that include each other deeper than this are refused.
const MAX_INCLUDES: usize = 20;

impl Loader<'_> {
    /// Whether a file on its own is a compose file.
    ///
    /// # Errors
    /// If it is not.
    pub(super) fn validate(&self, file: &BakeFile) -> Result<(), BakeError> {
        // On its own it has no path that others could refer to.
        let alone = BakeFile { name: String::new(), text: file.text.clone() };
        self.model(std::slice::from_ref(&alone)).map(|_| ()).map_err(|error| match error {
            BakeError::Yaml { file: name, reason } if name.is_empty() => {
                BakeError::Yaml { file: file.name.clone(), reason }
            }
            other => other,
        })
    }

    /// The targets of all files.
    ///
    /// # Errors
    /// If the files are inconsistent.
    pub(super) fn load(&self, files: &[BakeFile]) -> Result<Config, BakeError> {
        let wrap = |reason: String| BakeError::Compose { reason };
        let (services, secrets) = self.model(files).map_err(|error| wrap(error.to_string()))?;
        let mut config = Config::default();
        if services.is_empty() {
            return Ok(config);
        }
        let mut names = Vec::new();
        let builder = service::Builder { loader: self, services: &services, secrets: &secrets };
        builder.check().map_err(wrap)?;
        for (name, fields) in &services {
            if let Some(target) = builder.target(name, fields).map_err(wrap)? {
                names.push(target.name.clone());
                config.targets.push(target);
            }
        }
        let targets = if names.is_empty() { None } else { Some(names) };
        config.groups.push(Group { name: "default".to_owned(), targets, ..Group::default() });
        Ok(config)
    }

    /// Services and secrets, checked.
    fn model(&self, files: &[BakeFile]) -> Result<(Entries, Entries), BakeError> {
        let project = Project { folder: String::new(), names: self.environment.clone(), including: Vec::new() };
        let model = self.merged(files, &project)?;
        if model.is_empty() {
            return Err(BakeError::ComposeModel("empty compose file".to_owned()));
        }
        let mut services = model.get("services").cloned();
        if let Some(Node::Map(services)) = &mut services {
            for service in services.values_mut() {
                match service {
                    Node::Null => *service = Node::Map(BTreeMap::new()),
                    Node::Map(fields) => {
                        fields
                            .retain(|name, _| matches!(name.as_str(), "image" | "build" | "environment" | "env_file"));
                    }
                    _ => {}
                }
            }
        }
        let secrets = model.get("secrets").cloned();
        if services.is_none() && secrets.is_none() {
            return Err(BakeError::ComposeModel("empty compose file".to_owned()));
        }
        schema::check(services.as_ref(), secrets.as_ref()).map_err(BakeError::ComposeModel)?;
        let map = |node: Option<Node>| match node {
            Some(Node::Map(entries)) => entries,
            _ => BTreeMap::new(),
        };
        Ok((map(services), map(secrets)))
    }

    /// All documents of all files, merged.
    fn merged(&self, files: &[BakeFile], project: &Project) -> Result<BTreeMap<String, Node>, BakeError> {
        let model = |reason: String| BakeError::ComposeModel(reason);
        let mut all = Node::Map(BTreeMap::new());
        for file in files {
            let documents =
                yaml::documents(&file.text).map_err(|reason| BakeError::Yaml { file: file.name.clone(), reason })?;
            for document in documents {
                let mut document = match document {
                    Node::Map(entries) => Node::Map(entries),
                    _ => return Err(model("top-level object must be a mapping".to_owned())),
                };
                interpolate::interpolate(&mut document, "", &project.names).map_err(model)?;
                let Node::Map(mut entries) = document else { continue };
                self.include(&mut entries, file, project)?;
                self.extend_all(&mut entries, file, project)?;
                all = merge::merge(all, Node::Map(entries), &[]).map_err(model)?;
                if let Node::Map(entries) = &mut all {
                    canonicalize(entries).map_err(model)?;
                }
            }
        }
        merge::settle(&mut all);
        let Node::Map(mut entries) = all else { return Ok(BTreeMap::new()) };
        entries.remove("version");
        self.resolve_paths(&mut entries, &project.folder);
        resolve_environment(&mut entries, &project.names);
        Ok(entries)
    }

    /// Local paths, relative to the working folder.
    fn resolve_paths(&self, entries: &mut BTreeMap<String, Node>, folder: &str) {
        if let Some(Node::Map(services)) = entries.get_mut("services") {
            for service in services.values_mut() {
                if let Node::Map(fields) = service {
                    self.resolve_service_paths(fields, folder);
                }
            }
        }
        if let Some(Node::Map(secrets)) = entries.get_mut("secrets") {
            for secret in secrets.values_mut() {
                if let Node::Map(fields) = secret
                    && let Some(Node::Text(path)) = fields.get_mut("file")
                {
                    *path = self.path(path, folder);
                }
            }
        }
    }

    fn resolve_service_paths(&self, fields: &mut BTreeMap<String, Node>, folder: &str) {
        if let Some(Node::Map(build)) = fields.get_mut("build") {
            if let Some(Node::Text(context)) = build.get_mut("context") {
                *context = self.context(context, folder);
            }
            if let Some(Node::Map(agents)) = build.get_mut("ssh") {
                for path in agents.values_mut() {
                    if let Node::Text(path) = path {
                        *path = self.path(path, folder);
                    }
                }
            }
            match build.get_mut("additional_contexts") {
                Some(Node::Map(contexts)) => {
                    for context in contexts.values_mut() {
                        if let Node::Text(context) = context {
                            *context = self.context(context, folder);
                        }
                    }
                }
                Some(Node::List(contexts)) => {
                    for entry in contexts {
                        if let Node::Text(entry) = entry
                            && let Some((name, context)) = entry.split_once('=')
                        {
                            *entry = format!("{name}={}", self.context(context, folder));
                        }
                    }
                }
                _ => {}
            }
        }
        match fields.get_mut("env_file") {
            Some(Node::Text(path)) => *path = self.path(path, folder),
            Some(Node::List(files)) => {
                for file in files {
                    match file {
                        Node::Text(path) => *path = self.path(path, folder),
                        Node::Map(fields) => {
                            if let Some(Node::Text(path)) = fields.get_mut("path") {
                                *path = self.path(path, folder);
                            }
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn context(&self, context: &str, folder: &str) -> String {
        let is_elsewhere = context.contains("://")
            || context.starts_with("service:")
            || context.starts_with("target:")
            || context.starts_with("docker-image:")
            || context.starts_with("github.com/")
            || is_remote(context);
        if is_elsewhere { context.to_owned() } else { self.path(context, folder) }
    }

    fn path(&self, path: &str, folder: &str) -> String {
        let path = match path.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{}{rest}", self.world.home),
            _ => path.to_owned(),
        };
        if path.is_empty() || path.starts_with('/') {
            return path;
        }
        clean(&if folder.is_empty() { path } else { format!("{folder}/{path}") })
    }
}

/// Normalises what can be written in several ways.
fn canonicalize(entries: &mut BTreeMap<String, Node>) -> Result<(), String> {
    let Some(Node::Map(services)) = entries.get_mut("services") else { return Ok(()) };
    for (name, service) in services {
        let Node::Map(fields) = service else { continue };
        match fields.get_mut("build") {
            Some(Node::Null) => return Err(format!("services.{name}.build: invalid type <nil> for build")),
            Some(Node::Text(context)) => {
                let context = std::mem::take(context);
                let build = BTreeMap::from([("context".to_owned(), Node::Text(context))]);
                fields.insert("build".to_owned(), Node::Map(build));
            }
            Some(Node::Map(build)) => {
                let ssh = build.get("ssh").cloned();
                if let Some(Node::List(agents)) = ssh {
                    build.insert("ssh".to_owned(), Node::Map(service::agents(&agents)?));
                }
            }
            _ => {}
        }
        merge::make_unique(fields);
    }
    Ok(())
}

/// Names without a value in a service's environment take it from the environment.
fn resolve_environment(entries: &mut BTreeMap<String, Node>, names: &Names) {
    let Some(Node::Map(services)) = entries.get_mut("services") else { return };
    for service in services.values_mut() {
        let Node::Map(fields) = service else { continue };
        if let Some(Node::List(environment)) = fields.get_mut("environment") {
            for entry in environment {
                if let Node::Text(name) = entry
                    && let Some(value) = names.get(name.as_str())
                {
                    *name = format!("{name}={value}");
                }
            }
        }
    }
}

/// A scalar as Go prints it.
fn text_of(node: &Node) -> Option<String> {
    match node {
        Node::Text(text) => Some(text.clone()),
        Node::Bool(value) => Some(value.to_string()),
        Node::Integer(number) => Some(number.to_string()),
        Node::Float(number) => Some(float_text(*number)),
        _ => None,
    }
}

fn float_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-4..1e21).contains(&magnitude) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{number}")
}
