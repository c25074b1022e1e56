//! `--change` of `import` and `commit`: instructions that only change an image's config.

use std::collections::BTreeMap;

use super::{BaseError, BaseImage, Bases, Epoch, NamedContext, NetworkMode, NoCache, PlanError, PlanRequest};
use crate::image::{ImageConfig, Platform, Reference, RunConfig};
use crate::language::dockerfile::{self, Command, Dockerfile, ParseError};

/// The instructions that `--change` accepts, as in docker.
const ALLOWED: &str = "CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR";

/// Why a change can't be applied.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("invalid change `{change}`: {source}")]
    Parse {
        change: String,
        #[source]
        source: Box<ParseError>,
    },
    #[error("invalid change `{change}`: there are only {ALLOWED}")]
    NotAllowed { change: String },
    #[error("invalid change: {0}")]
    Plan(Box<PlanError>),
}

/// The config with the instructions of `changes` applied, each as it would be in a Dockerfile on top of the image.
pub fn apply_changes(config: &ImageConfig, changes: &[String]) -> Result<RunConfig, ChangeError> {
    if changes.is_empty() {
        return Ok(config.config.clone());
    }
    for change in changes {
        check(change)?;
    }
    let mut base = config.clone();
    // Its triggers are for images based on it; this is the image itself.
    let triggers = std::mem::take(&mut base.config.on_build);
    let text = format!("FROM image\n{}\n", changes.join("\n"));
    let parsed = dockerfile::parse(text.as_bytes()).result;
    let parsed =
        parsed.map_err(|source| ChangeError::Parse { change: changes.join("\n"), source: Box::new(source) })?;
    let request = PlanRequest {
        target: None,
        build_args: BTreeMap::new(),
        labels: Vec::new(),
        platform: config.platform.clone(),
        platform_is_explicit: false,
        epoch: Epoch::AsWritten,
        ignores_triggers: false,
        reproducible: false,
        several_platforms: false,
        build_platform: config.platform.clone(),
        no_cache: NoCache::Never,
        network: NetworkMode::None,
        allow_host_network: false,
        allow_insecure: false,
    };
    let plan = super::plan(&parsed, &request, &OneImage(base)).map_err(|error| ChangeError::Plan(Box::new(error)))?;
    let mut changed = plan.images[0].config.config.clone();
    changed.on_build.splice(0..0, triggers);
    // BuildKit's mark of a command that a build wrote.
    changed.args_escaped = config.config.args_escaped;
    if config.config.env_value("PATH").is_none() && !sets_path(&parsed) {
        // A build gives every stage a PATH; a change to an image without one does not.
        changed.env.retain(|entry| !entry.starts_with("PATH="));
    }
    Ok(changed)
}

fn sets_path(parsed: &Dockerfile) -> bool {
    let instructions = parsed.stages.iter().flat_map(|stage| &stage.instructions);
    instructions.into_iter().any(|instruction| match &instruction.command {
        Command::Env(pairs) => pairs.iter().any(|pair| pair.key.text == "PATH"),
        _ => false,
    })
}

/// One change is one instruction of an allowed kind.
fn check(change: &str) -> Result<(), ChangeError> {
    let parsed = dockerfile::parse(format!("FROM image\n{change}\n").as_bytes()).result;
    let parsed = parsed.map_err(|source| ChangeError::Parse { change: change.to_owned(), source: Box::new(source) })?;
    let instructions: Vec<_> = parsed.stages.iter().flat_map(|stage| &stage.instructions).collect();
    let is_allowed = |command: &Command| {
        matches!(
            command,
            Command::Cmd(_)
                | Command::Entrypoint(_)
                | Command::Env(_)
                | Command::Expose(_)
                | Command::Healthcheck(_)
                | Command::Label(_)
                | Command::Onbuild(_)
                | Command::StopSignal(_)
                | Command::User(_)
                | Command::Volume(_)
                | Command::Workdir(_)
        )
    };
    let is_one_stage = parsed.stages.len() == 1 && !instructions.is_empty();
    if is_one_stage && instructions.iter().all(|instruction| is_allowed(&instruction.command)) {
        return Ok(());
    }
    Err(ChangeError::NotAllowed { change: change.to_owned() })
}

/// The image being changed is the only one.
struct OneImage(ImageConfig);

impl Bases for OneImage {
    fn image(&self, reference: &Reference, _: &Platform) -> Result<BaseImage, BaseError> {
        Ok(BaseImage { name: reference.to_string(), config: self.0.clone(), layers: Vec::new(), digest: String::new() })
    }

    fn named_context(&self, _: &str, _: &Platform) -> Result<Option<NamedContext>, BaseError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(changes: &[&str]) -> Result<RunConfig, ChangeError> {
        let mut config = ImageConfig { platform: Platform::new("linux", "amd64", ""), ..ImageConfig::default() };
        config.config.set_env("A", "1");
        config.config.on_build.push("RUN old".to_owned());
        apply_changes(&config, &changes.iter().map(|change| (*change).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn instructions_change_the_config() {
        let config = apply(&[
            "ENV A=2 B=$A",
            "CMD [\"sh\", \"-c\"]",
            "EXPOSE 80",
            "LABEL x=y",
            "ONBUILD RUN new",
            "WORKDIR /srv",
            "WORKDIR sub",
            "USER app",
            "VOLUME /data",
            "STOPSIGNAL SIGQUIT",
        ])
        .unwrap();
        assert_eq!(config.env, ["A=2", "B=1"]);
        assert_eq!(config.cmd, ["sh", "-c"]);
        assert!(config.exposed_ports.contains("80/tcp"));
        assert_eq!(config.labels["x"], "y");
        assert_eq!(config.on_build, ["RUN old", "RUN new"]);
        assert_eq!((config.working_dir.as_str(), config.user.as_str()), ("/srv/sub", "app"));
        assert!(config.volumes.contains("/data"));
        assert_eq!(config.stop_signal, "SIGQUIT");
    }

    #[test]
    fn what_changes_files_is_refused() {
        for change in ["RUN true", "COPY a b", "FROM x", "nonsense x", "", "ENV A=1\nRUN x"] {
            assert!(apply(&[change]).is_err(), "{change}");
        }
    }
}
