//! Makes an image of a container.

use serde_json::Value;

use super::ImageError;
use super::tag::check_target;
use crate::container::{self, Commit, Committed, Containers};
use crate::image::{ImageConfig, Reference, RunConfig};
use crate::language::plan::apply_changes;
use crate::store::Store;

/// The request.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CommitRequest {
    /// A name, an ID or a prefix of one.
    pub container: String,
    /// The image's name, if any.
    pub name: Option<Reference>,
    /// The author, the message, and whether to pause the container.
    pub commit: Commit,
    /// Instructions to apply to the image's config.
    pub changes: Vec<String>,
    /// A config in docker's JSON, whose fields override the container's; null for none.
    pub config: Value,
}

/// Makes and names the image, and waits until it is synced to the disk.
pub fn commit(store: &Store, request: &CommitRequest) -> Result<Committed, ImageError> {
    request.name.iter().try_for_each(check_target)?;
    let all = Containers::of(store.root());
    let entry = all.find(&request.container)?;
    let commit = &request.commit;
    let committed = container::commit(store, &entry, commit, |config| -> Result<_, ImageError> {
        let base = ImageConfig { config: merged(&request.config, &config.config)?, ..config.clone() };
        let run = apply_changes(&base, &request.changes)?;
        Ok(ImageConfig { config: run, ..base })
    })?;
    let id = committed.image;
    store.tell("create", &id, &id.to_string());
    if let Some(name) = &request.name {
        store.set_tag(&name.to_string(), &id)?;
    }
    store.sync()?;
    let name = request.name.as_ref().map(Reference::familiar).unwrap_or_default();
    all.tell(&entry, "commit", &[("comment", &commit.message), ("imageID", &id.to_string()), ("imageRef", &name)]);
    Ok(committed)
}

/// Merges as docker does: given fields win; lists of objects and variables are combined with the container's.
fn merged(given: &Value, own: &RunConfig) -> Result<RunConfig, ImageError> {
    if given.as_object().is_none_or(serde_json::Map::is_empty) {
        return Ok(own.clone());
    }
    let given: RunConfig = serde_json::from_value(given.clone()).map_err(ImageError::Config)?;
    let mut config = own.clone();
    let text = |given: &str, own: &mut String| {
        if !given.is_empty() {
            given.clone_into(own);
        }
    };
    text(&given.user, &mut config.user);
    text(&given.working_dir, &mut config.working_dir);
    text(&given.stop_signal, &mut config.stop_signal);
    if !given.entrypoint.is_empty() || !given.cmd.is_empty() {
        // The container's command does not belong to another entrypoint.
        if !given.entrypoint.is_empty() {
            config.entrypoint = given.entrypoint;
        }
        config.cmd = given.cmd;
    }
    if !given.on_build.is_empty() {
        config.on_build = given.on_build;
    }
    if !given.shell.is_empty() {
        config.shell = given.shell;
    }
    config.healthcheck = given.healthcheck.or(config.healthcheck);
    config.exposed_ports.extend(given.exposed_ports);
    config.volumes.extend(given.volumes);
    config.labels.extend(given.labels);
    let name = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
    let known: Vec<String> = given.env.iter().map(|variable| name(variable)).collect();
    config.env.retain(|variable| !known.contains(&name(variable)));
    config.env.splice(0..0, given.env);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_given_counts_before_the_containers() {
        let own: RunConfig =
            serde_json::from_value(json!({"Env": ["A=1", "B=2"], "Cmd": ["x"], "Labels": {"l": "1"}, "User": "u"}))
                .unwrap();
        let given = json!({"Env": ["B=3"], "Cmd": ["y"], "Labels": {"m": "2"}, "container": "c", "repo": "r"});
        let config = merged(&given, &own).unwrap();
        assert_eq!((config.env, config.cmd), (vec!["B=3".to_owned(), "A=1".to_owned()], vec!["y".to_owned()]));
        assert_eq!((config.labels.len(), config.user.as_str()), (2, "u"));
        assert_eq!(config.extra, own.extra, "what is not a config is not kept");
        assert_eq!(merged(&Value::Null, &own).unwrap(), own);
    }
}
