//! One stage: each instruction changes the image's config or adds a step.

use std::time::Duration;

use crate::base::signal;
use crate::image::{self, History, Platform, RunConfig};
use crate::language::dockerfile::{
    ArgDeclaration, Command, CommandLine, Healthcheck, Instruction, KeyValue, Lines, Place, Word,
};

use super::error::{PlanError, PlanErrorKind};
use super::expand::Expander;
use super::part::{Part, Parts};
use super::stages::{Built, Planner};
use super::step::{DirectoryStep, Operation, Step, StepId, TreeSource};
use super::{history, ports, title, windows};

/// A stage that is being planned.
pub(super) struct StageBuilder<'p, 'a> {
    pub planner: &'p mut Planner<'a>,
    /// The stage's number.
    pub index: usize,
    pub built: Built,
    /// The current root filesystem.
    pub step: StepId,
    /// The stage itself had a CMD, so ENTRYPOINT keeps it.
    has_cmd: bool,
    in_trigger: bool,
    position: usize,
    total: usize,
    ignore_cache: bool,
}

impl<'p, 'a> StageBuilder<'p, 'a> {
    pub fn new(planner: &'p mut Planner<'a>, index: usize, built: Built, triggers: usize) -> Result<Self, PlanError> {
        let step = match &built.tree {
            TreeSource::Step(step) => *step,
            TreeSource::Context(_) => planner.context_as_base(index, &built.lines),
        };
        let makes_step = |instruction: &&Instruction| {
            matches!(instruction.command, Command::Add(_) | Command::Copy(_) | Command::Run(_) | Command::Workdir(_))
        };
        let own = planner.stage_instructions(index).iter().filter(makes_step).count();
        let from = usize::from(planner.stands_on_image(index));
        let ignore_cache = planner.request.no_cache.covers(planner.stage_name(index));
        let mut builder = Self {
            planner,
            index,
            built,
            step,
            has_cmd: false,
            in_trigger: false,
            position: from,
            total: own + from + triggers,
            ignore_cache,
        };
        if from == 1 {
            builder.name_base_step();
        }
        Ok(builder)
    }

    /// The step of the base is the first step of its stage.
    fn name_base_step(&mut self) {
        let label = self.label(1);
        let step = &mut self.planner.steps[self.step.0];
        if step.name.starts_with("FROM ") {
            step.name = format!("{label}{}", step.name);
            step.title.clone_from(&step.name);
        }
    }

    pub fn finish(mut self) -> Built {
        self.built.tree = TreeSource::Step(self.step);
        self.built
    }

    /// An ONBUILD trigger of the base.
    pub fn trigger(&mut self, instruction: &Instruction) -> Result<(), PlanError> {
        self.in_trigger = true;
        let done = self.instruction(instruction);
        self.in_trigger = false;
        done
    }

    pub fn instruction(&mut self, instruction: &Instruction) -> Result<(), PlanError> {
        let lines = instruction.lines;
        match &instruction.command {
            Command::Add(transfer) => self.copy(transfer, true, instruction),
            Command::Copy(transfer) => self.copy(transfer, false, instruction),
            Command::Run(run) => self.run(run, instruction),
            Command::Arg(declarations) => self.arg(declarations, lines),
            Command::Cmd(command) => {
                let arguments = self.with_shell(command);
                self.record(format!("CMD {}", history::quoted_list(&arguments)), false);
                self.config().cmd = arguments;
                self.config().args_escaped = true;
                self.has_cmd = true;
                Ok(())
            }
            Command::Entrypoint(command) => {
                let arguments = self.with_shell(command);
                self.record(format!("ENTRYPOINT {}", history::quoted_list(&arguments)), false);
                self.config().entrypoint = arguments;
                if !self.has_cmd {
                    self.config().cmd.clear();
                }
                Ok(())
            }
            Command::Env(pairs) => self.env(pairs, lines),
            Command::Expose(words) => self.expose(words, lines),
            Command::Healthcheck(check) => self.healthcheck(check),
            Command::Label(pairs) => self.label_instruction(pairs, lines),
            Command::Maintainer(author) => {
                self.record(format!("MAINTAINER {author}"), false);
                self.built.config.author.clone_from(author);
                Ok(())
            }
            Command::Onbuild(onbuild) => {
                self.config().on_build.push(onbuild.trigger.clone());
                Ok(())
            }
            Command::Shell(words) => {
                self.record(format!("SHELL [{}]", words.join(" ")), false);
                self.config().shell.clone_from(words);
                Ok(())
            }
            Command::StopSignal(signal) => self.stop_signal(signal, lines),
            Command::User(user) => {
                let user = self.expand(user, lines)?;
                self.record(format!("USER {user}"), false);
                self.config().user = user;
                Ok(())
            }
            Command::Volume(paths) => self.volume(paths, lines),
            Command::Workdir(path) => self.workdir(path, instruction),
        }
    }

    pub fn config(&mut self) -> &mut RunConfig {
        &mut self.built.config.config
    }

    pub fn expand(&self, word: &Word, lines: Lines) -> Result<String, PlanError> {
        Expander { lexer: &self.planner.lexer, lines }.word(word, &self.built.environment)
    }

    /// Nothing is below the next step, not even a layer of a base image.
    pub fn stands_on_nothing(&self) -> bool {
        match &self.planner.steps[self.step.0].operation {
            // The content of an image without a digest is unknown.
            Operation::Base { layers, image } => {
                layers.is_empty() && image.as_ref().is_none_or(|image| !image.digest.is_empty())
            }
            _ => false,
        }
    }

    /// Adds a step on top of the stage's root filesystem.
    pub fn push(&mut self, instruction: &Instruction, shown: &str, (operation, parts): (Operation, Parts)) {
        self.position += 1;
        let label = self.label(self.position);
        let onbuild = if self.in_trigger { "ONBUILD " } else { "" };
        let name = format!("{label}{onbuild}{shown}");
        let title = format!("{label}{onbuild}{}", title::with_flags(shown, &instruction.original));
        let platform = self.planner.shown_platform(self.index);
        let (lines, ignore_cache) = (instruction.lines, self.ignore_cache);
        self.step = self.planner.add_step(Step { name, title, platform, lines, parts, ignore_cache, operation });
    }

    /// `[build 2/5] `, or `[linux/arm64 build 2/5] ` if there are several platforms.
    fn label(&self, position: usize) -> String {
        let mut words = Vec::new();
        if let Some(platform) = self.planner.shown_platform(self.index) {
            words.push(format!("{platform}{}", self.cross_target(&platform)));
        }
        words.push(self.planner.step_prefix(self.index));
        let width = self.total.max(1).to_string().len();
        words.push(format!("{position:width$}/{}", self.total));
        words.retain(|word| !word.is_empty());
        format!("[{}] ", words.join(" "))
    }

    /// `->arm64` in a stage that reads the target platform, and compiles for another platform than its own.
    fn cross_target(&self, own: &Platform) -> String {
        let argument = |name: &str| self.built.environment.get(name).filter(|value| !value.is_empty());
        let target = match argument("TARGETPLATFORM").and_then(|text| text.parse::<Platform>().ok()) {
            Some(platform) => platform,
            None => Platform {
                os: argument("TARGETOS").unwrap_or(&own.os).to_owned(),
                architecture: argument("TARGETARCH").unwrap_or(&own.architecture).to_owned(),
                ..own.clone()
            },
        };
        if target.os != own.os {
            format!("->{target}")
        } else if target.architecture != own.architecture {
            format!("->{}", target.architecture)
        } else {
            String::new()
        }
    }

    /// Adds a line to the image's history.
    pub fn record(&mut self, created_by: String, has_layer: bool) {
        self.built.config.history.push(History {
            created_by,
            comment: "buildkit.dockerfile.v0".to_owned(),
            empty_layer: !has_layer,
            ..History::default()
        });
    }

    /// The shell and the text for it, or the words themselves.
    pub fn with_shell(&self, command: &CommandLine) -> Vec<String> {
        match command {
            CommandLine::Exec(words) => words.clone(),
            CommandLine::Shell(text) => {
                let shell = &self.built.config.config.shell;
                let default = || windows::shell(&self.built.config.platform);
                let mut words = if shell.is_empty() { default() } else { shell.clone() };
                words.push(text.clone());
                words
            }
        }
    }

    fn arg(&mut self, declarations: &[ArgDeclaration], lines: Lines) -> Result<(), PlanError> {
        let mut shown = Vec::new();
        for ArgDeclaration { name, default } in declarations {
            let given = self.planner.request.build_args.get(name).cloned();
            let value = match (given, default) {
                (Some(given), _) => Some(given),
                (None, Some(default)) => Some(self.expand(default, lines)?),
                (None, None) => self.planner.globals.get(name).map(str::to_owned),
            };
            if let Some(value) = &value {
                self.built.environment.set(name, value);
            }
            shown.push(value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}={value}")));
            self.built.build_args.push((name.clone(), value));
        }
        self.record(format!("ARG {}", shown.join(" ")), false);
        Ok(())
    }

    /// Pairs with keys and values expanded, all with the variables from before the instruction.
    fn expand_pairs(&self, pairs: &[KeyValue], lines: Lines) -> Result<Vec<KeyValue>, PlanError> {
        let expand = |pair: &KeyValue| {
            Ok(KeyValue {
                key: Word { text: self.expand(&pair.key, lines)?, ..pair.key },
                value: Word { text: self.expand(&pair.value, lines)?, ..pair.value },
                legacy: pair.legacy,
            })
        };
        pairs.iter().map(expand).collect()
    }

    fn env(&mut self, pairs: &[KeyValue], lines: Lines) -> Result<(), PlanError> {
        let pairs = self.expand_pairs(pairs, lines)?;
        for pair in &pairs {
            self.built.environment.set(&pair.key, &pair.value);
            self.config().set_env(&pair.key, &pair.value);
        }
        self.record_pairs("ENV", &pairs);
        Ok(())
    }

    fn label_instruction(&mut self, pairs: &[KeyValue], lines: Lines) -> Result<(), PlanError> {
        let pairs = self.expand_pairs(pairs, lines)?;
        for pair in &pairs {
            self.config().labels.insert(pair.key.text.clone(), pair.value.text.clone());
        }
        self.record_pairs("LABEL", &pairs);
        Ok(())
    }

    fn record_pairs(&mut self, keyword: &str, pairs: &[KeyValue]) {
        let shown: Vec<String> = pairs.iter().map(history::key_value).collect();
        self.record(format!("{keyword} {}", shown.join(" ")), false);
    }

    fn expose(&mut self, words: &[Word], lines: Lines) -> Result<(), PlanError> {
        let mut exposed = Vec::new();
        // The history has the ports sorted, in the order of the words as written.
        let mut words: Vec<&Word> = words.iter().collect();
        words.sort_by(|one, other| one.text.cmp(&other.text));
        for word in words {
            let expander = Expander { lexer: &self.planner.lexer, lines };
            for spec in expander.words(word, &self.built.environment)? {
                let parsed = ports::parse(&spec);
                exposed
                    .extend(parsed.map_err(|reason| PlanErrorKind::Port { text: spec, reason }.at(word.place(lines)))?);
            }
        }
        self.record(format!("EXPOSE [{}]", exposed.join(" ")), false);
        self.config().exposed_ports.extend(exposed);
        Ok(())
    }

    fn healthcheck(&mut self, check: &Healthcheck) -> Result<(), PlanError> {
        let test = match check {
            Healthcheck::None => vec!["NONE".to_owned()],
            Healthcheck::Check { command: CommandLine::Shell(text), .. } => vec!["CMD-SHELL".to_owned(), text.clone()],
            Healthcheck::Check { command: CommandLine::Exec(words), .. } => {
                ["CMD".to_owned()].into_iter().chain(words.iter().cloned()).collect()
            }
        };
        self.record(history::healthcheck(&test, check), false);
        let mut config = image::Healthcheck { test, ..image::Healthcheck::default() };
        let nanoseconds = |duration: &Option<Duration>| duration.map_or(0, |duration| duration.as_nanos() as i64);
        if let Healthcheck::Check { interval, timeout, start_period, start_interval, retries, .. } = check {
            config.interval = nanoseconds(interval);
            config.timeout = nanoseconds(timeout);
            config.start_period = nanoseconds(start_period);
            config.start_interval = nanoseconds(start_interval);
            config.retries = retries.map_or(0, i64::from);
        }
        self.config().healthcheck = Some(config);
        Ok(())
    }

    fn stop_signal(&mut self, word: &Word, lines: Lines) -> Result<(), PlanError> {
        let signal = self.expand(word, lines)?;
        if !signal::is_accepted(&signal) {
            return Err(PlanErrorKind::Signal(signal).at(word.place(lines)));
        }
        self.record(format!("STOPSIGNAL {signal}"), false);
        self.config().stop_signal = signal;
        Ok(())
    }

    fn volume(&mut self, paths: &[Word], lines: Lines) -> Result<(), PlanError> {
        let mut volumes = Vec::new();
        for word in paths {
            let path = self.expand(word, lines)?;
            if path.is_empty() {
                return Err(PlanErrorKind::EmptyVolume.at(word.place(lines)));
            }
            volumes.push(path);
        }
        self.record(format!("VOLUME [{}]", volumes.join(" ")), false);
        self.config().volumes.extend(volumes);
        Ok(())
    }

    fn workdir(&mut self, word: &Word, instruction: &Instruction) -> Result<(), PlanError> {
        let path = self.expand(word, instruction.lines)?;
        let current = self.config().working_dir.clone();
        let is_windows = windows::is_meant(&self.built.config.platform);
        let path = if is_windows {
            windows::joined(&current, &path)
                .map_err(|reason| PlanErrorKind::WindowsPath { path, reason }.at(word.place(instruction.lines)))?
        } else if path.starts_with('/') {
            path
        } else {
            absolute(&current, &path)
        };
        self.config().working_dir = if is_windows { path.replace('/', "\\") } else { path.clone() };
        let has_layer = path != "/";
        if has_layer {
            let user = self.config().user.clone();
            if self.stands_on_nothing() {
                check_owner_on_nothing(&user, instruction.lines.into())?;
            }
            let operation = Operation::Directory(DirectoryStep {
                parent: self.step,
                path: path.clone().into(),
                user,
                epoch: self.planner.epoch,
            });
            let parts = Parts::default().with(Part::Destination, word.span);
            self.push(instruction, &format!("WORKDIR {path}"), (operation, parts));
        }
        self.record(format!("WORKDIR {path}"), has_layer);
        Ok(())
    }
}

/// Names are looked up in the files below a step. If there are none, BuildKit refuses them.
pub(super) fn check_owner_on_nothing(owner: &str, place: Place) -> Result<(), PlanError> {
    let is_name = |text: &str| !text.is_empty() && text != "root" && text.parse::<i32>().is_err();
    let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
    if is_name(user) || is_name(group) {
        return Err(PlanErrorKind::OwnerOnNothing(owner.to_owned()).at(place));
    }
    Ok(())
}

/// `path` relative to the folder `current`, made absolute and without `.`, `..` and doubled slashes.
pub(super) fn absolute(current: &str, path: &str) -> String {
    let current = if path.starts_with('/') { "/" } else { current };
    let mut names: Vec<&str> = Vec::new();
    for name in current.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

/// `path` as a copy's destination: absolute, and with a trailing slash if it names a folder.
pub(super) fn destination(current: &str, path: &str) -> String {
    let absolute = absolute(current, path);
    let names_folder = path.is_empty() || path.ends_with('/') || path == "." || path.ends_with("/.");
    if names_folder && !absolute.ends_with('/') { format!("{absolute}/") } else { absolute }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_keeps_the_slash_that_says_folder() {
        for (path, wanted) in [
            ("b", "/w/b"),
            ("b/", "/w/b/"),
            (".", "/w/"),
            ("", "/w/"),
            ("/", "/"),
            ("/a//b/../c", "/a/c"),
            ("../../..", "/"),
            ("./x/.", "/w/x/"),
        ] {
            assert_eq!(destination("/w", path), wanted, "{path}");
        }
    }
}
