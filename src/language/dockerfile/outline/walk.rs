//! Walks all stages and collects what they accept.

use std::collections::{BTreeMap, BTreeSet};

use crate::language::dockerfile::lint::stages::sources;
use crate::language::dockerfile::lint::variables::Environment;
use crate::language::dockerfile::mount::{self, Mount, MountKind};
use crate::language::dockerfile::words::{Expansion, Lexer};
use crate::language::dockerfile::{ArgDeclaration, Command, Dockerfile, Lines, Parse, Run, Stage};

use super::{Argument, Given, Outline, OutlineError, OutlineOptions, description};

/// A stage after the walk.
#[derive(Debug, Clone, Default)]
struct Walked {
    environment: Environment,
    /// All arguments it declares, and those that their defaults use.
    known: BTreeMap<String, (Argument, BTreeSet<String>)>,
    used: BTreeSet<String>,
    secrets: Vec<Given>,
    ssh: Vec<Given>,
    /// The stages that it takes files from.
    needs: Vec<usize>,
}

pub(super) struct Walk<'a> {
    parse: &'a Parse,
    file: &'a Dockerfile,
    options: &'a OutlineOptions,
    lexer: Lexer,
    globals: Walked,
    stages: Vec<Walked>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        parse: &'a Parse,
        file: &'a Dockerfile,
        options: &'a OutlineOptions,
    ) -> Result<Self, OutlineError> {
        let globals = Walked { environment: Environment::new(&options.predefined), ..Walked::default() };
        let lexer = Lexer::new(file.escape);
        let mut walk = Self { parse, file, options, lexer, globals, stages: Vec::new() };
        let mut globals = std::mem::take(&mut walk.globals);
        for instruction in &file.global_args {
            if let Command::Arg(declarations) = &instruction.command {
                for declaration in declarations {
                    walk.declare(declaration, instruction.lines, &mut globals)?;
                }
            }
        }
        globals.used.clear();
        walk.globals = globals;
        Ok(walk)
    }

    pub(super) fn stage(&mut self, stage: &'a Stage) -> Result<(), OutlineError> {
        let mut used = BTreeSet::new();
        let base = self.expand(&stage.base, &self.globals.environment, stage.lines)?;
        used.extend(base.used);
        if let Some(platform) = &stage.platform {
            used.extend(self.expand(platform, &self.globals.environment, stage.lines)?.used);
        }
        let parent = self.file.stages[..self.stages.len()]
            .iter()
            .rposition(|earlier| earlier.name.as_deref() == Some(base.text.as_str()));
        let mut walked = Walked { known: self.globals.known.clone(), ..Walked::default() };
        if let Some(parent) = parent {
            walked.environment = self.stages[parent].environment.clone();
            walked.needs.push(parent);
        }
        walked.used = used;
        for instruction in &stage.instructions {
            let named = sources(&instruction.command);
            walked.needs.extend(named.iter().filter_map(|name| self.numbered(name).or_else(|| self.named(name))));
            match &instruction.command {
                Command::Arg(declarations) => {
                    for declaration in declarations {
                        self.declare(declaration, instruction.lines, &mut walked)?;
                    }
                }
                Command::Env(pairs) => {
                    let before = walked.environment.clone();
                    for pair in pairs {
                        let key = self.expand(&pair.key, &before, instruction.lines)?.text;
                        let value = self.expand(&pair.value, &before, instruction.lines)?.text;
                        walked.environment.set(&key, value);
                    }
                }
                Command::Run(run) => self.mounts(run, instruction.lines, &mut walked)?,
                _ => {}
            }
        }
        self.stages.push(walked);
        Ok(())
    }

    fn expand(&self, word: &str, environment: &Environment, lines: Lines) -> Result<Expansion, OutlineError> {
        self.lexer.expand(word, environment).map_err(|error| OutlineError { kind: error.into(), lines: Some(lines) })
    }

    /// An ARG without its own value refers to the global one, and adds nothing to it.
    fn declare(&self, declaration: &ArgDeclaration, lines: Lines, walked: &mut Walked) -> Result<(), OutlineError> {
        let name = &declaration.name;
        walked.used.insert(name.clone());
        let given = self.options.build_args.get(name);
        let global = self.globals.environment.value(name);
        if declaration.default.is_none()
            && let Some(global) = global
        {
            walked.environment.set(name, given.map_or(global, String::as_str).to_owned());
            return Ok(());
        }
        let mut uses = BTreeSet::new();
        let value = match (given, &declaration.default) {
            (Some(value), _) => Some(value.clone()),
            (None, Some(default)) => {
                let expansion = self.expand(default, &walked.environment, lines)?;
                uses = expansion.used;
                // If it is made from its earlier value, it depends on everything that value depended on.
                if uses.remove(name)
                    && let Some((_, earlier)) = walked.known.get(name)
                {
                    uses.extend(earlier.iter().cloned());
                }
                Some(expansion.text)
            }
            (None, None) => None,
        };
        if let Some(value) = &value {
            walked.environment.set(name, value.clone());
        }
        let description = description(self.parse, lines, name);
        let argument = Argument { name: name.clone(), description, value: value.unwrap_or_default(), lines };
        walked.known.insert(name.clone(), (argument, uses));
        Ok(())
    }

    fn mounts(&self, run: &Run, lines: Lines, walked: &mut Walked) -> Result<(), OutlineError> {
        for value in &run.mounts {
            let environment = &walked.environment;
            let mount = mount::parse_with(value, &mut |text| Ok(self.lexer.expand(text, environment)?.text))
                .map_err(|error| OutlineError { kind: error.into(), lines: Some(lines) })?;
            let (list, id) = match mount.kind {
                MountKind::Secret => (&mut walked.secrets, secret_id(&mount)),
                MountKind::Ssh => (&mut walked.ssh, mount.id.clone().unwrap_or_else(|| "default".to_owned())),
                MountKind::Bind | MountKind::Cache | MountKind::Tmpfs => continue,
            };
            list.push(Given { id, required: mount.required, lines });
        }
        Ok(())
    }

    fn numbered(&self, text: &str) -> Option<usize> {
        text.parse().ok().filter(|index| *index < self.file.stages.len())
    }

    pub(super) fn named(&self, name: &str) -> Option<usize> {
        let name = name.to_lowercase();
        self.file.stages.iter().rposition(|stage| stage.name.as_ref() == Some(&name))
    }

    /// Everything that the target and what it needs accept, in the order of the file.
    pub(super) fn collect(&self, target: usize) -> Outline {
        let stage = &self.file.stages[target];
        let name = stage.name.clone().unwrap_or_default();
        let description = if name.is_empty() { String::new() } else { description(self.parse, stage.lines, &name) };
        let mut outline = Outline { name, description, ..Outline::default() };
        let mut seen = vec![false; self.stages.len()];
        let mut waiting = vec![target];
        while let Some(index) = waiting.pop() {
            if std::mem::replace(&mut seen[index], true) {
                continue;
            }
            let walked = &self.stages[index];
            add_arguments(walked, &mut outline.arguments);
            add_given(&walked.secrets, &mut outline.secrets);
            add_given(&walked.ssh, &mut outline.ssh);
            waiting.extend(walked.needs.iter().rev());
        }
        outline.arguments.sort_by_key(|argument| argument.lines);
        outline.secrets.sort_by_key(|given| given.lines);
        outline.ssh.sort_by_key(|given| given.lines);
        outline
    }
}

/// A secret is named by its ID or source, or else by its target file.
fn secret_id(mount: &Mount) -> String {
    let named = mount.id.clone().or_else(|| mount.source.clone()).filter(|id| !id.is_empty());
    named.unwrap_or_else(|| {
        mount.target.as_deref().unwrap_or("").trim_end_matches('/').rsplit('/').next().unwrap_or("").to_owned()
    })
}

/// The arguments that are used, and those that their defaults use.
fn add_arguments(walked: &Walked, arguments: &mut Vec<Argument>) {
    let mut waiting: Vec<&String> = walked.used.iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        let Some((argument, uses)) = walked.known.get(name).filter(|_| seen.insert(name)) else { continue };
        waiting.extend(uses);
        if !arguments.iter().any(|known| known.name == argument.name) {
            arguments.push(argument.clone());
        }
    }
}

fn add_given(from: &[Given], to: &mut Vec<Given>) {
    for given in from {
        if !to.iter().any(|known| known.id == given.id) {
            to.push(given.clone());
        }
    }
}
