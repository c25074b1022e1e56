//! Converts a target to a command line of `rbuild build`, so that both mean the same.

use std::path::Path;

use crate::language::bake::{CacheEntry, Output, Target, is_remote};

/// The words after `build`.
pub(super) struct Command {
    pub words: Vec<String>,
}

impl Command {
    pub(super) fn new(target: &Target) -> Self {
        let mut command = Self { words: Vec::new() };
        command.add_context(target);
        command.all("tag", &target.tags);
        for (name, value) in &target.args {
            command.option("build-arg", &format!("{name}={value}"));
        }
        for (name, value) in &target.labels {
            command.option("label", &format!("{name}={value}"));
        }
        command.all("annotation", &target.annotations);
        command.all("platform", &target.platforms);
        command.all("no-cache-filter", &target.no_cache_filter);
        command.all("ulimit", &target.ulimits);
        for (name, value) in &target.resources {
            command.option("resource", &format!("{name}={value}"));
        }
        command.all("allow", &target.entitlements);
        for entry in target.cache_from.iter().flatten() {
            command.option("cache-from", &cache(entry));
        }
        for entry in target.cache_to.iter().flatten() {
            command.option("cache-to", &cache(entry));
        }
        for secret in target.secrets.iter().flatten() {
            let fields = [("id", &secret.id), ("src", &secret.source), ("env", &secret.variable)];
            // If there are both, the file wins.
            let fields = fields
                .into_iter()
                .filter(|(name, value)| !value.is_empty() && (*name != "env" || secret.source.is_empty()));
            let fields: Vec<String> = fields.map(|(name, value)| field(name, value)).collect();
            command.option("secret", &fields.join(","));
        }
        for agent in target.ssh.iter().flatten() {
            let id = if agent.id.is_empty() { "default" } else { &agent.id };
            let paths = agent.paths.join(",");
            command.option("ssh", &if paths.is_empty() { id.to_owned() } else { format!("{id}={paths}") });
        }
        for (name, address) in &target.extra_hosts {
            for address in address.split(',') {
                command.option("add-host", &format!("{name}={address}"));
            }
        }
        for attestation in target.attest.iter().flatten() {
            let mut fields = vec![field("type", &attestation.kind)];
            fields.extend(attestation.is_disabled.then(|| "disabled=true".to_owned()));
            fields.extend(attestation.attributes.iter().map(|(name, value)| field(name, value)));
            command.option("attest", &fields.join(","));
        }
        command.one("target", &target.target);
        command.one("network", &target.network);
        command.one("shm-size", &target.shm_size);
        command.flag("no-cache", target.no_cache == Some(true));
        command.flag("pull", target.pull == Some(true));
        command.words.push("--".to_owned());
        command.words.push(target.local_context().to_owned());
        command
    }

    fn add_context(&mut self, target: &Target) {
        let context = target.local_context();
        let named = target.dockerfile.as_deref().unwrap_or("Dockerfile");
        match (&target.dockerfile_inline, named.strip_prefix("cwd://")) {
            // There is no file.
            (Some(_), _) => {}
            (None, Some(path)) => self.option("file", path),
            (None, None) if is_remote(context) => self.option("file", named),
            (None, None) => self.option("file", &Path::new(context).join(named).display().to_string()),
        }
        for (name, context) in &target.contexts {
            if !context.starts_with("target:") {
                let context = context.strip_prefix("cwd://").unwrap_or(context);
                self.option("build-context", &format!("{name}={context}"));
            }
        }
    }

    /// Inserts options before the context.
    pub(super) fn insert(&mut self, name: &str, value: &str) {
        self.words.insert(0, format!("--{name}={value}"));
    }

    fn option(&mut self, name: &str, value: &str) {
        self.words.push(format!("--{name}={value}"));
    }

    fn flag(&mut self, name: &str, is_set: bool) {
        if is_set {
            self.words.push(format!("--{name}"));
        }
    }

    fn one(&mut self, name: &str, value: &Option<String>) {
        if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
            self.option(name, value);
        }
    }

    fn all(&mut self, name: &str, values: &Option<Vec<String>>) {
        for value in values.iter().flatten() {
            self.option(name, value);
        }
    }
}

/// A field of comma-separated values, in quotes if necessary.
fn field(name: &str, value: &str) -> String {
    if value.contains(',') { format!("\"{name}={value}\"") } else { format!("{name}={value}") }
}

fn cache(entry: &CacheEntry) -> String {
    let attributes = entry.attributes.iter().map(|(name, value)| field(name, value));
    std::iter::once(field("type", &entry.kind)).chain(attributes).collect::<Vec<_>>().join(",")
}

/// An output in the syntax of `--output`.
pub(super) fn output(output: &Output) -> String {
    let destination = (!output.destination.is_empty()).then(|| field("dest", &output.destination));
    let attributes = output.attributes.iter().map(|(name, value)| field(name, value));
    std::iter::once(field("type", &output.kind)).chain(destination).chain(attributes).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_command_line() {
        let target = Target {
            context: Some("app".to_owned()),
            dockerfile: Some("Dockerfile".to_owned()),
            tags: Some(vec!["a:1".to_owned()]),
            no_cache: Some(true),
            network: Some(String::new()),
            contexts: [("base", "target:base"), ("src", "cwd://x")]
                .map(|(name, context)| (name.to_owned(), context.to_owned()))
                .into(),
            ..Target::default()
        };
        let words = Command::new(&target).words;
        let wanted = ["--file=app/Dockerfile", "--build-context=src=x", "--tag=a:1", "--no-cache", "--", "app"];
        assert_eq!(words, wanted);
    }

    #[test]
    fn commas_are_quoted() {
        let mut entry = Output::of_kind("image");
        entry.attributes.insert("name".to_owned(), "a,b".to_owned());
        assert_eq!(output(&entry), "type=image,\"name=a,b\"");
    }
}
