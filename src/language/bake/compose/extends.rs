//! `extends` and `include`.

use std::collections::BTreeMap;

use super::yaml::Node;
use super::{Loader, MAX_INCLUDES, Project, canonicalize, clean, dotenv, interpolate, merge, yaml};
use crate::language::bake::error::BakeError;
use crate::language::bake::files::BakeFile;

type Entries = BTreeMap<String, Node>;

/// A service being extended.
struct Extension<'a> {
    project: &'a Project,
    file: String,
    /// The files and services on the way.
    chain: Vec<(String, String)>,
}

fn model<T>(reason: String) -> Result<T, BakeError> {
    Err(BakeError::ComposeModel(reason))
}

impl Loader<'_> {
    /// Merges all services with those that they extend.
    pub(super) fn extend_all(
        &self,
        entries: &mut Entries,
        file: &BakeFile,
        project: &Project,
    ) -> Result<(), BakeError> {
        let mut services = match entries.remove("services") {
            None => return Ok(()),
            Some(Node::Map(services)) => services,
            Some(Node::Null) => {
                entries.insert("services".to_owned(), Node::Map(Entries::new()));
                return Ok(());
            }
            Some(_) => return model("services must be a mapping".to_owned()),
        };
        let names: Vec<String> = services.keys().cloned().collect();
        for name in names {
            let mut extension = Extension { project, file: file.name.clone(), chain: Vec::new() };
            let merged = self.extended(&name, &services, &mut extension)?;
            services.insert(name, merged);
        }
        entries.insert("services".to_owned(), Node::Map(services));
        Ok(())
    }

    fn extended(&self, name: &str, services: &Entries, extension: &mut Extension<'_>) -> Result<Node, BakeError> {
        let service = services.get(name).cloned().unwrap_or(Node::Null);
        let Node::Map(mut fields) = service else {
            return match service {
                Node::Null => Ok(Node::Null),
                _ => model(format!("services.{name} must be a mapping")),
            };
        };
        let Some(extends) = fields.remove("extends") else { return Ok(Node::Map(fields)) };
        let step = (extension.file.clone(), name.to_owned());
        if extension.chain.contains(&step) || extension.chain.len() > MAX_INCLUDES {
            return model(format!("circular reference with extends: {name:?} in {:?}", extension.file));
        }
        extension.chain.push(step);
        let (reference, other_file) = match &extends {
            Node::Text(reference) => (reference.clone(), None),
            Node::Map(parts) => match (parts.get("service"), parts.get("file")) {
                (Some(Node::Text(service)), None) => (service.clone(), None),
                (Some(Node::Text(service)), Some(Node::Text(file))) => (service.clone(), Some(file.clone())),
                _ => return model(format!("extends.{name}.service is required")),
            },
            _ => return model(format!("extends.{name} must be a mapping or a string")),
        };
        let base = match other_file {
            None => {
                if !services.contains_key(&reference) {
                    let file = &extension.file;
                    return model(format!("cannot extend service {name:?} in {file}: service {reference:?} not found"));
                }
                self.extended(&reference, services, extension)?
            }
            Some(path) => {
                let services = self.services_of(&path, name, &reference, extension)?;
                let mut inner = Extension { project: extension.project, file: path, chain: extension.chain.clone() };
                self.extended(&reference, &services, &mut inner)?
            }
        };
        if base == Node::Null {
            return Ok(Node::Map(fields));
        }
        let path = ["services".to_owned(), name.to_owned()];
        merge::merge(base, Node::Map(fields), &path).map_err(BakeError::ComposeModel)
    }

    /// The services of another file, with their paths relative to this one's project.
    fn services_of(
        &self,
        path: &str,
        name: &str,
        reference: &str,
        extension: &Extension<'_>,
    ) -> Result<Entries, BakeError> {
        let whole = self.path(path, &extension.project.folder);
        let Some(text) = self.sources.read(&whole)? else {
            return model(format!("open {whole}: no such file or directory"));
        };
        let documents = yaml::documents(&text).map_err(|reason| BakeError::Yaml { file: path.to_owned(), reason })?;
        let mut all = Node::Map(Entries::new());
        for mut document in documents {
            interpolate::interpolate(&mut document, "", &extension.project.names).map_err(BakeError::ComposeModel)?;
            all = merge::merge(all, document, &[]).map_err(BakeError::ComposeModel)?;
        }
        merge::settle(&mut all);
        let Node::Map(mut entries) = all else { return Ok(Entries::new()) };
        canonicalize(&mut entries).map_err(BakeError::ComposeModel)?;
        // The file's folder, relative to the folder of the resulting paths.
        let below = super::super::files::folder(path).filter(|folder| folder != ".").unwrap_or_default();
        self.resolve_paths(&mut entries, &below);
        match entries.remove("services") {
            Some(Node::Map(services)) if services.contains_key(reference) => Ok(services),
            Some(Node::Map(_)) => model(format!(
                "cannot extend service {name:?} in {}: service {reference:?} not found in {path}",
                extension.file
            )),
            _ => model(format!("cannot extend service {name:?} in {path}: no services section")),
        }
    }

    /// Adds the content of included files.
    pub(super) fn include(&self, entries: &mut Entries, file: &BakeFile, project: &Project) -> Result<(), BakeError> {
        let included = match entries.remove("include") {
            None | Some(Node::Null) => return Ok(()),
            Some(Node::List(included)) => included,
            Some(_) => return model("`include` must be a list".to_owned()),
        };
        let mut including = project.including.clone();
        including.push(file.name.clone());
        for entry in included {
            let other = self.included(&entry, project, &including)?;
            for (key, value) in other {
                if !matches!(key.as_str(), "services" | "secrets") {
                    continue;
                }
                // The including file overrides the included one.
                let merged = match entries.remove(&key) {
                    Some(own) => {
                        merge::merge(value, own, std::slice::from_ref(&key)).map_err(BakeError::ComposeModel)?
                    }
                    None => value,
                };
                entries.insert(key, merged);
            }
        }
        Ok(())
    }

    fn included(&self, entry: &Node, project: &Project, including: &[String]) -> Result<Entries, BakeError> {
        let texts = |node: Option<&Node>| -> Vec<String> {
            match node {
                Some(Node::Text(text)) => vec![text.clone()],
                Some(Node::List(all)) => all.iter().filter_map(super::text_of).collect(),
                _ => Vec::new(),
            }
        };
        let (paths, folder, env_files) = match entry {
            Node::Text(path) => (vec![path.clone()], None, Vec::new()),
            Node::Map(fields) => (
                texts(fields.get("path")),
                texts(fields.get("project_directory")).into_iter().next(),
                texts(fields.get("env_file")),
            ),
            _ => return model("`include` must be a list of paths".to_owned()),
        };
        let Some(first) = paths.first() else { return Ok(Entries::new()) };
        let first = self.path(first, &project.folder);
        if including.contains(&first) || including.len() > MAX_INCLUDES {
            return model(format!("include cycle detected:\n{}\n include {first}", including.join("\n include ")));
        }
        let folder = match folder {
            Some(folder) => self.path(&folder, &project.folder),
            None => clean(first.rsplit_once('/').map_or("", |(folder, _)| folder)),
        };
        let folder = if folder == "." { String::new() } else { folder };
        let mut names = project.names.clone();
        let defaults = if env_files.is_empty() { vec![self.path(".env", &folder)] } else { Vec::new() };
        let explicit =
            env_files.iter().filter(|file| *file != "/dev/null").map(|file| self.path(file, &project.folder));
        for path in explicit.chain(defaults) {
            match self.sources.read(&path)? {
                Some(text) => {
                    let found = dotenv::parse(&text, &names)
                        .map_err(|reason| BakeError::ComposeModel(format!("{path}: {reason}")))?;
                    for (name, value) in found {
                        names.entry(name).or_insert(value);
                    }
                }
                None if env_files.is_empty() => {}
                None => return model(format!("stat {path}: no such file or directory")),
            }
        }
        let mut files = Vec::new();
        for path in &paths {
            let name = self.path(path, &project.folder);
            let Some(text) = self.sources.read(&name)? else {
                return model(format!("open {name}: no such file or directory"));
            };
            files.push(BakeFile { name, text });
        }
        self.merged(&files, &Project { folder, names, including: including.to_vec() })
    }
}
