//! The facts of each kind of step: what goes into its key, with names.

use crate::build::explain::{Fact, FactKind};
use crate::language::dockerfile::mount::Mount;
use crate::language::plan::{Chmod, CopyStep, DirectoryStep, NetworkMode, RunStep, StepId};

use super::super::settings::RunSettings;
use super::Explainer;

impl Explainer<'_> {
    fn instruction(&self, step: StepId) -> Fact {
        let name = self.concealer().conceal(&self.about.plan.steps[step.0].name);
        Fact::text(FactKind::Instruction, "", crate::build::explain::text_of(&name))
    }

    pub(in crate::build::solve) fn directory_facts(&self, id: StepId, step: &DirectoryStep) -> Vec<Fact> {
        let mut facts = vec![self.instruction(id), setting("user", &step.user)];
        epoch(&mut facts, step.epoch);
        facts
    }

    /// Without the copied files.
    pub(in crate::build::solve) fn copy_facts(&self, id: StepId, step: &CopyStep) -> Vec<Fact> {
        let mut facts = vec![self.instruction(id)];
        let optional = [("--chown", step.chown.clone()), ("--chmod", step.chmod.as_ref().map(Chmod::encoded))];
        for (name, value) in optional {
            facts.extend(value.map(|value| setting(name, &value)));
        }
        for (name, is_set) in [("--parents", step.parents), ("--link", step.link)] {
            facts.push(setting(name, if is_set { "true" } else { "false" }));
        }
        if !step.excludes.is_empty() {
            facts.push(setting("--exclude", &step.excludes.join(" ")));
        }
        facts.push(setting("destination", &step.destination));
        epoch(&mut facts, step.epoch);
        facts
    }

    /// Without the mounted files.
    pub(in crate::build::solve) fn run_facts(&self, id: StepId, step: &RunStep, settings: &RunSettings) -> Vec<Fact> {
        let concealer = self.concealer();
        let mut facts = vec![self.instruction(id)];
        if let Some((command, shell)) = step.arguments.split_last() {
            facts.push(Fact::text(FactKind::Shell, "", &shell.join(" ")));
            let digest = blake3::hash(command.as_bytes());
            facts.push(Fact::digest(FactKind::Command, "", *digest.as_bytes()));
        }
        if let Some((name, text)) = &step.script {
            facts.push(Fact::digest(FactKind::Text, name, *blake3::hash(text.as_bytes()).as_bytes()));
        }
        for (name, value) in &step.environment {
            let is_argument = step.argument_names.iter().any(|argument| argument == name);
            let kind = if is_argument { FactKind::Argument } else { FactKind::Environment };
            facts.push(concealer.variable(kind, name, value));
        }
        facts.push(setting("working directory", &step.working_directory));
        facts.push(setting("user", &step.user));
        let network = match step.network {
            NetworkMode::Default => "default",
            NetworkMode::None => "none",
            NetworkMode::Host => "host",
        };
        facts.push(setting("network", network));
        facts.push(setting("security", if step.insecure { "insecure" } else { "sandbox" }));
        facts.extend(
            step.devices
                .iter()
                .map(|device| Fact::text(FactKind::Setting, format!("device {}", device.name), &device.name)),
        );
        facts.extend(settings_facts(settings));
        facts
    }
}

fn settings_facts(settings: &RunSettings) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (name, address) in &settings.extra_hosts {
        facts.push(setting(&format!("--add-host {name}"), address));
    }
    if let Some(size) = settings.shm_size {
        facts.push(setting("--shm-size", &size.to_string()));
    }
    if let Some(hostname) = &settings.hostname {
        facts.push(setting("BUILDKIT_SANDBOX_HOSTNAME", hostname));
    }
    for limit in &settings.ulimits {
        facts.push(setting(&format!("--ulimit {}", limit.name), &format!("{}:{}", limit.soft, limit.hard)));
    }
    facts
}

fn setting(name: &str, value: &str) -> Fact {
    Fact::text(FactKind::Setting, name, value)
}

fn epoch(facts: &mut Vec<Fact>, epoch: Option<i64>) {
    facts.extend(epoch.map(|seconds| setting("SOURCE_DATE_EPOCH", &seconds.to_string())));
}

/// A `RUN --mount` as written, without defaults of its type.
pub(in crate::build::solve) fn mount_fact(mount: &Mount, target: &str) -> Fact {
    let mut words = vec![format!("type={}", mount.kind)];
    let texts = [("id", &mount.id), ("from", &mount.from), ("source", &mount.source), ("env", &mount.env)];
    words.extend(texts.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_deref()?))));
    words.extend(mount.size.map(|size| format!("size={size}")));
    words.extend(mount.mode.map(|mode| format!("mode={mode:04o}")));
    words.extend(mount.uid.map(|uid| format!("uid={uid}")));
    words.extend(mount.gid.map(|gid| format!("gid={gid}")));
    if mount.read_only {
        words.push("ro".to_owned());
    }
    // Secrets and agents without a target are identified by their IDs.
    let name = if target.is_empty() { mount.id.as_deref().unwrap_or_default() } else { target };
    Fact::text(FactKind::Mount, name, &words.join(","))
}
