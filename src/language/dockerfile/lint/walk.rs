//! The walk through the stages: each instruction with the variables it sees.

use std::collections::BTreeSet;

use crate::base::nearest;
use crate::language::dockerfile::text::quoted;
use crate::language::dockerfile::words::{Lexer, WordError};
use crate::language::dockerfile::{
    ArgDeclaration, Command, CommandLine, Instruction, KeyValue, Lines, Run, Source, Transfer, Word, mount,
    parse_trigger,
};

use super::rules::{
    COPY_IGNORED_FILE, EXPOSE_INVALID_FORMAT, EXPOSE_PROTO_CASING, INVALID_BASE_PLATFORM, JSON_ARGS, LEGACY_KEY_VALUE,
    MULTIPLE_INSTRUCTIONS, SECRETS, UNDEFINED_VAR, WORKDIR_RELATIVE,
};
use super::stages::{ResolvedStage, at};
use super::variables::Environment;
use super::{LintError, LintErrorKind, LintOptions, Report, World};

/// Arguments that set no variable.
const NO_VARIABLES: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) struct Walk<'a, 'r> {
    pub(super) lexer: Lexer,
    pub(super) globals: Environment,
    pub(super) world: &'a dyn World,
    pub(super) options: &'a LintOptions,
    pub(super) report: &'a mut Report<'r>,
}

/// The state of a stage so far; a stage based on it continues from here.
#[derive(Debug, Clone, Default)]
struct State {
    environment: Environment,
    declared: BTreeSet<String>,
    has_shell: bool,
    workdir_set: bool,
    triggers: Vec<String>,
    /// Where this stage has CMD, ENTRYPOINT and HEALTHCHECK.
    given: [Option<Lines>; 3],
}

impl State {
    /// The state at the start of a stage with this base image.
    fn of(image: super::BaseImage) -> Self {
        let mut environment = Environment::new(&image.environment);
        if environment.value("PATH").is_none() {
            environment.set("PATH", DEFAULT_PATH.to_owned());
        }
        Self { environment, has_shell: image.has_shell, triggers: image.triggers, ..Self::default() }
    }
}

impl Walk<'_, '_> {
    pub(super) fn stages(mut self, stages: &[ResolvedStage<'_>], reached: &[bool]) -> Result<(), LintError> {
        let mut states: Vec<State> = Vec::with_capacity(stages.len());
        for (resolved, reached) in stages.iter().zip(reached) {
            if !reached {
                states.push(State::default());
                continue;
            }
            let replacement = resolved.stage.name.as_deref().and_then(|name| self.world.replacement(name));
            if let Some(image) = replacement {
                states.push(State::of(image));
                continue;
            }
            let mut state = match resolved.parent {
                Some(parent) => states[parent].clone(),
                None => self.base(resolved),
            };
            state.given = [None; 3];
            for trigger in std::mem::take(&mut state.triggers) {
                let lines = resolved.stage.lines;
                let instruction = parse_trigger(&trigger, '\\', lines)
                    .map_err(|error| LintError { kind: LintErrorKind::Parse(error), lines: Some(lines) })?;
                self.instruction(&instruction, &mut state)?;
            }
            for instruction in &resolved.stage.instructions {
                self.instruction(instruction, &mut state)?;
            }
            states.push(state);
        }
        Ok(())
    }

    fn base(&mut self, resolved: &ResolvedStage<'_>) -> State {
        let image = match resolved.base.as_str() {
            "scratch" => super::BaseImage::default(),
            name => self.world.base(name, resolved.platform.as_deref()),
        };
        if let Some((wanted, actual)) = &image.wrong_platform {
            let detail = format!("`{}` is for {actual}, not for {wanted}", resolved.base);
            self.report.warn(&INVALID_BASE_PLATFORM, resolved.stage.lines, detail);
        }
        State::of(image)
    }

    fn instruction(&mut self, instruction: &Instruction, state: &mut State) -> Result<(), LintError> {
        let lines = instruction.lines;
        match &instruction.command {
            Command::Env(pairs) => self.env(pairs, lines, state)?,
            Command::Label(pairs) => {
                self.expand_pairs(pairs, lines, state)?;
                self.legacy_pairs(pairs, lines);
            }
            Command::Arg(declarations) => self.arg(declarations, lines, state)?,
            Command::Run(run) => self.run(run, lines, state)?,
            Command::Copy(transfer) => self.transfer(transfer, lines, state)?,
            Command::Add(transfer) => self.transfer(transfer, lines, state)?,
            Command::Workdir(path) => {
                let path = self.expand(path, lines, state)?;
                if !state.workdir_set && !path.starts_with('/') {
                    let detail = format!("the working directory {} depends on the base image's", quoted(&path));
                    self.report.warn(&WORKDIR_RELATIVE, lines, detail);
                }
                state.workdir_set = true;
            }
            Command::User(text) | Command::StopSignal(text) => _ = self.expand(text, lines, state)?,
            Command::Volume(paths) => {
                for path in paths {
                    self.expand(path, lines, state)?;
                }
            }
            Command::Expose(ports) => self.expose(ports, lines, state)?,
            Command::Cmd(command) => self.start(0, command, lines, state),
            Command::Entrypoint(command) => self.start(1, command, lines, state),
            Command::Healthcheck(_) => self.once(2, lines, state),
            Command::Shell(_) => state.has_shell = true,
            Command::Onbuild(onbuild) => state.triggers.push(onbuild.trigger.clone()),
            Command::Maintainer(_) => {}
        }
        Ok(())
    }

    /// Expands the word's variables; reports those that are not set.
    fn expand(&mut self, word: &str, lines: Lines, state: &State) -> Result<String, LintError> {
        expand(self.report, self.lexer, word, lines, state).map_err(at(lines))
    }

    fn expand_pairs(
        &mut self,
        pairs: &[KeyValue],
        lines: Lines,
        state: &State,
    ) -> Result<Vec<(String, String)>, LintError> {
        pairs
            .iter()
            .map(|pair| Ok((self.expand(&pair.key, lines, state)?, self.expand(&pair.value, lines, state)?)))
            .collect()
    }

    fn legacy_pairs(&mut self, pairs: &[KeyValue], lines: Lines) {
        if pairs.iter().any(|pair| pair.legacy) {
            let written = self.report.written(lines);
            let detail = format!("write `{written} name=value` instead of `{written} name value`");
            self.report.warn(&LEGACY_KEY_VALUE, lines, detail);
        }
    }

    fn env(&mut self, pairs: &[KeyValue], lines: Lines, state: &mut State) -> Result<(), LintError> {
        let expanded = self.expand_pairs(pairs, lines, state)?;
        self.legacy_pairs(pairs, lines);
        for (key, value) in expanded {
            self.secret("ENV", &key, lines);
            state.environment.set(&key, value);
        }
        Ok(())
    }

    fn arg(&mut self, declarations: &[ArgDeclaration], lines: Lines, state: &mut State) -> Result<(), LintError> {
        for ArgDeclaration { name, default } in declarations {
            self.secret("ARG", name, lines);
            let value = match (self.options.build_args.get(name), default) {
                (Some(value), _) => Some(value.clone()),
                (None, Some(default)) => Some(self.expand(default, lines, state)?),
                (None, None) => self.globals.value(name).map(str::to_owned),
            };
            if let Some(value) = value.filter(|_| !NO_VARIABLES.contains(&name.as_str())) {
                state.environment.set(name, value);
            }
            state.declared.insert(name.clone());
        }
        Ok(())
    }

    fn run(&mut self, run: &Run, lines: Lines, state: &State) -> Result<(), LintError> {
        for value in &run.mounts {
            let (report, lexer) = (&mut *self.report, self.lexer);
            mount::parse_with(value, &mut |text| expand(report, lexer, text, lines, state)).map_err(at(lines))?;
        }
        Ok(())
    }

    fn transfer(&mut self, transfer: &Transfer, lines: Lines, state: &State) -> Result<(), LintError> {
        let flags = [&transfer.chown, &transfer.chmod, &transfer.checksum];
        for word in flags.into_iter().flatten().chain(&transfer.excludes) {
            self.expand(word, lines, state)?;
        }
        let mut paths = Vec::new();
        for source in &transfer.sources {
            if let Source::Path(path) = source {
                paths.push(self.expand(path, lines, state)?);
            }
        }
        self.expand(&transfer.destination, lines, state)?;
        for source in &transfer.sources {
            if let Source::Heredoc(heredoc) = source
                && heredoc.expand
            {
                let lexer = Lexer::new('\\').ignore_quotes();
                expand(self.report, lexer, &heredoc.content, lines, state).map_err(at(lines))?;
            }
        }
        // Only now: the answer requires reading the ignore file.
        let is_asked = transfer.from.is_none() && self.report.check.runs(&COPY_IGNORED_FILE);
        for path in paths.iter().filter(|_| is_asked) {
            if !path.contains("://") && self.world.is_ignored(path) {
                let detail = format!("{} is left out by .dockerignore", quoted(path));
                self.report.warn(&COPY_IGNORED_FILE, lines, detail);
            }
        }
        Ok(())
    }

    fn expose(&mut self, ports: &[Word], lines: Lines, state: &State) -> Result<(), LintError> {
        for port in ports {
            for port in self.lexer.expand_words(port, &state.environment).map_err(at(lines))? {
                let protocol = port.split_once('/').map_or("", |(_, protocol)| protocol);
                if protocol != protocol.to_lowercase() {
                    let detail = format!("the protocol of `{port}` is not in lower case");
                    self.report.warn(&EXPOSE_PROTO_CASING, lines, detail);
                }
                if port.contains(':') {
                    let detail = format!("`{port}` names an address or a port of the host; EXPOSE has no use for them");
                    self.report.warn(&EXPOSE_INVALID_FORMAT, lines, detail);
                }
            }
        }
        Ok(())
    }

    /// CMD and ENTRYPOINT.
    fn start(&mut self, slot: usize, command: &CommandLine, lines: Lines, state: &mut State) {
        self.once(slot, lines, state);
        if matches!(command, CommandLine::Shell(_)) && !state.has_shell {
            let written = self.report.written(lines);
            let detail = format!("write {written} as a JSON array, so that signals reach the program and not a shell");
            self.report.warn(&JSON_ARGS, lines, detail);
        }
    }

    /// Reports the earlier one, which has no effect.
    fn once(&mut self, slot: usize, lines: Lines, state: &mut State) {
        if let Some(earlier) = state.given[slot].replace(lines) {
            let written = self.report.written(lines);
            let detail = format!("a later {written} in the same stage takes the place of this one");
            self.report.warn(&MULTIPLE_INSTRUCTIONS, earlier, detail);
        }
    }

    fn secret(&mut self, keyword: &str, name: &str, lines: Lines) {
        if is_secret(name) {
            let detail = format!("{keyword} {} looks like a secret, and would stay in the image", quoted(name));
            self.report.warn(&SECRETS, lines, detail);
        }
    }
}

fn expand(report: &mut Report<'_>, lexer: Lexer, word: &str, lines: Lines, state: &State) -> Result<String, WordError> {
    let result = lexer.expand(word, &state.environment);
    let unmatched = match &result {
        Ok(expansion) => &expansion.unmatched,
        Err(error) => &error.unmatched,
    };
    for name in unmatched {
        if state.declared.contains(name) || NO_VARIABLES.contains(&name.as_str()) {
            continue;
        }
        let known: Vec<&str> = state.environment.names().collect();
        let hint = nearest(name, &known).map_or_else(String::new, |known| format!(" (did you mean `${known}`?)"));
        report.warn(&UNDEFINED_VAR, lines, format!("the variable `${name}` is not defined{hint}"));
    }
    result.map(|expansion| expansion.text)
}

/// Whether a part of the name, between underscores, suggests a secret, and none suggests something else.
fn is_secret(name: &str) -> bool {
    const SECRET: &[&str] = &[
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "psw",
        "pword",
        "passwd",
        "secret",
        "token",
    ];
    const HARMLESS: &[&str] = &["public", "file", "version"];
    let lower = name.to_lowercase();
    let has = |words: &[&str]| lower.split('_').any(|part| words.contains(&part));
    has(SECRET) && !has(HARMLESS)
}
