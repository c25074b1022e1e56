//! `RUN`.

use crate::language::dockerfile::mount::{self, Mount, MountKind};
use crate::language::dockerfile::{CommandLine, Heredoc, Instruction, Lines, Run, Word};

use super::error::{PlanError, PlanErrorKind};
use super::history;
use super::instructions::{StageBuilder, absolute};
use super::part::{Part, Parts};
use super::step::{MountSource, NetworkMode, Operation, RunMount, RunStep, TreeSource};
use super::windows;

impl StageBuilder<'_, '_> {
    pub(super) fn run(&mut self, run: &Run, instruction: &Instruction) -> Result<(), PlanError> {
        let lines = instruction.lines;
        let (command, script) = command_and_script(run, windows::is_meant(&self.built.config.platform));
        let arguments = match &script {
            // The stage's shell starts it, as in BuildKit.
            Some((name, _)) => self.with_shell(&CommandLine::Shell(format!("/dev/pipes/{name}"))),
            None => self.with_shell(&command),
        };
        if arguments.is_empty() {
            return Err(PlanErrorKind::EmptyRun.at(lines));
        }
        let mut mounts = Vec::new();
        for word in &run.mounts {
            mounts.push(self.mount(word, lines)?);
        }
        let created_by = history::run(&arguments, &self.visible_build_args());
        let step = RunStep {
            parent: self.step,
            arguments,
            environment: self.built.environment.to_vec(),
            argument_names: self.argument_names(),
            proxies: self.undeclared_proxies(),
            working_directory: self.built.config.config.working_dir.clone(),
            user: self.built.config.config.user.clone(),
            network: self.network(run, lines)?,
            insecure: self.insecure(run, lines)?,
            mounts,
            devices: run.devices.clone(),
            script,
            epoch: self.planner.epoch,
        };
        let shown = format!("RUN {}", shown_command(run));
        self.push(instruction, &shown, (Operation::Run(Box::new(step)), parts(run)));
        self.record(created_by, true);
        Ok(())
    }

    /// The declared ARGs with the values that the process sees.
    fn visible_build_args(&self) -> Vec<(String, String)> {
        let mut args = super::Environment::default();
        for (name, value) in &self.built.build_args {
            let value = self.built.environment.get(name).or(value.as_deref()).unwrap_or("");
            args.set(name, value);
        }
        args.to_vec()
    }

    /// Names that ARG declared and no ENV sets.
    fn argument_names(&self) -> Vec<String> {
        let declared = self.built.build_args.iter().map(|(name, _)| name);
        declared.filter(|name| self.built.config.config.env_value(name).is_none()).cloned().collect()
    }

    /// Proxies that no ENV or ARG of the stage sets.
    fn undeclared_proxies(&self) -> Vec<(String, String)> {
        let proxies = self.planner.proxies.iter();
        proxies.filter(|(name, _)| self.built.environment.get(name).is_none()).cloned().collect()
    }

    fn network(&self, run: &Run, lines: Lines) -> Result<NetworkMode, PlanError> {
        let Some(word) = &run.network else { return Ok(self.planner.request.network) };
        let place = word.place(lines);
        match &*word.text {
            "default" => Ok(self.planner.request.network),
            "none" => Ok(NetworkMode::None),
            "host" if self.planner.request.allow_host_network => Ok(NetworkMode::Host),
            "host" => Err(PlanErrorKind::NotAllowed { what: "--network=host", entitlement: "network.host" }.at(place)),
            value => Err(PlanErrorKind::FlagValue {
                flag: "--network",
                value: value.to_owned(),
                wanted: "there are default, none and host",
            }
            .at(place)),
        }
    }

    fn insecure(&self, run: &Run, lines: Lines) -> Result<bool, PlanError> {
        let Some(word) = &run.security else { return Ok(false) };
        let place = word.place(lines);
        match &*word.text {
            "sandbox" => Ok(false),
            "insecure" if self.planner.request.allow_insecure => Ok(true),
            "insecure" => {
                Err(PlanErrorKind::NotAllowed { what: "--security=insecure", entitlement: "security.insecure" }
                    .at(place))
            }
            value => Err(PlanErrorKind::FlagValue {
                flag: "--security",
                value: value.to_owned(),
                wanted: "there are sandbox and insecure",
            }
            .at(place)),
        }
    }

    fn mount(&mut self, word: &Word, lines: Lines) -> Result<RunMount, PlanError> {
        let mount = self.parse_mount(word, lines)?;
        let place = word.place(lines);
        let target = match (&mount.target, mount.kind) {
            (Some(target), _) => absolute(&self.built.config.config.working_dir, target),
            (None, MountKind::Secret | MountKind::Ssh) => String::new(),
            (None, _) => "/".to_owned(),
        };
        if target == "/" {
            return Err(PlanErrorKind::MountOverRoot(target).at(place));
        }
        let source = match (mount.kind, &mount.from) {
            (MountKind::Tmpfs | MountKind::Secret | MountKind::Ssh, _) | (MountKind::Cache, None) => MountSource::None,
            (MountKind::Bind, None) => MountSource::Tree(TreeSource::Context(None)),
            (_, Some(from)) => {
                let from = Word { text: from.clone(), span: word.span };
                let node = self.planner.named_node(&from, lines);
                MountSource::Tree(self.planner.source_tree(node, self.index, place)?)
            }
        };
        let from_root = mount.source.as_deref().map(|source| absolute("/", source));
        let inner = from_root.map(|path| path.trim_start_matches('/').to_owned()).filter(|path| !path.is_empty());
        let mount = match mount.kind {
            MountKind::Bind | MountKind::Cache => Mount { source: inner, ..mount },
            MountKind::Tmpfs | MountKind::Secret | MountKind::Ssh => mount,
        };
        Ok(RunMount { mount, target, source })
    }

    fn parse_mount(&self, word: &Word, lines: Lines) -> Result<Mount, PlanError> {
        let expander = super::expand::Expander { lexer: &self.planner.lexer, lines };
        let mut expand = |value: &str| Ok(self.planner.lexer.expand(value, &self.built.environment)?.text);
        mount::parse_with(word, &mut expand)
            .map_err(|error| {
                let hint = error.hint();
                PlanErrorKind::Mount { text: word.text.clone(), error }.at(word.place(lines)).hint(hint)
            })
            .and_then(|mount| expander.check(word, &self.built.environment).map(|()| mount))
    }
}

/// The places of the words that an error of the step may be about.
fn parts(run: &Run) -> Parts {
    let of = |word: &Option<Word>| word.as_ref().and_then(|word| word.span);
    Parts::default()
        .with(Part::Program, run.program)
        .with(Part::Network, of(&run.network))
        .with(Part::Security, of(&run.security))
        .with_all(Part::Mount, run.mounts.iter().map(|word| word.span))
        .with_all(Part::Device, run.device_spans.iter().copied())
}

/// The command: the line itself, or what its heredocs make of it. A single heredoc that starts with `#!` is a script.
fn command_and_script(run: &Run, is_for_windows: bool) -> (CommandLine, Option<(String, String)>) {
    let CommandLine::Shell(text) = &run.command else { return (run.command.clone(), None) };
    match run.heredocs.as_slice() {
        [] => (run.command.clone(), None),
        [only] if is_nothing_but_a_heredoc(text) => {
            if only.content.starts_with("#!") && !is_for_windows {
                (run.command.clone(), Some((only.name.clone(), only.content.clone())))
            } else {
                (CommandLine::Shell(only.content.clone()), None)
            }
        }
        several => (CommandLine::Shell(with_bodies(text, several)), None),
    }
}

/// Whether the line is only a heredoc's mark, such as `<<EOF` or `3<<-"EOF"`.
fn is_nothing_but_a_heredoc(text: &str) -> bool {
    let after_number = text.trim().trim_start_matches(|character: char| character.is_ascii_digit());
    let Some(mark) = after_number.strip_prefix("<<") else { return false };
    let name = mark.strip_prefix('-').unwrap_or(mark).trim_start();
    let mut quote = None;
    for character in name.chars() {
        match quote {
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if character == '"' || character == '\'' => quote = Some(character),
            None if character.is_whitespace() || character == '<' => return false,
            None => {}
        }
    }
    true
}

/// The line followed by its heredocs, for the shell to parse.
fn with_bodies(text: &str, heredocs: &[Heredoc]) -> String {
    let mut out = text.to_owned();
    for heredoc in heredocs {
        out.push('\n');
        out.push_str(&heredoc.content);
        out.push_str(&heredoc.name);
    }
    out
}

/// The command on one line, as the progress display shows it.
fn shown_command(run: &Run) -> String {
    let text = match &run.command {
        CommandLine::Shell(text) => text.clone(),
        CommandLine::Exec(words) => history::quoted_list(words),
    };
    let first = run.heredocs.first().map(|heredoc| heredoc.content.trim());
    match first {
        Some(body) => {
            let mut lines = body.lines();
            let first = lines.next().unwrap_or_default();
            format!("{text} ({first}{})", if lines.next().is_some() { "..." } else { "" })
        }
        None => text,
    }
}
