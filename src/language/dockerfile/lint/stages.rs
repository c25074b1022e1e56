//! The rules about stages: their names, the case of their keywords, and FROM after expansion.

use std::collections::BTreeSet;

use crate::base::nearest;
use crate::language::dockerfile::words::{Expansion, Lexer};
use crate::language::dockerfile::{Command, Dockerfile, Lines, Parse, Stage, mount};

use super::rules::{
    CONSISTENT_CASING, DUPLICATE_STAGE_NAME, FROM_PLATFORM_CONST, INVALID_DEFAULT_ARG, REDUNDANT_TARGET_PLATFORM,
    RESERVED_STAGE_NAME, UNDEFINED_ARG_IN_FROM,
};
use super::variables::Environment;
use super::{LintError, LintErrorKind, LintOptions, Report, World, reach, walk};

/// A stage whose FROM is expanded.
pub(super) struct ResolvedStage<'f> {
    pub(super) stage: &'f Stage,
    pub(super) base: String,
    pub(super) platform: Option<String>,
    /// The earlier stage that it starts from.
    pub(super) parent: Option<usize>,
}

pub(super) fn check(
    parse: &Parse,
    report: &mut Report<'_>,
    world: &dyn World,
    options: &LintOptions,
) -> Result<(), LintError> {
    let file = parse
        .result
        .as_ref()
        .map_err(|error| LintError { lines: Some(error.lines), kind: LintErrorKind::Parse(error.clone()) })?;
    if file.stages.is_empty() {
        return Err(LintError { kind: LintErrorKind::NoStages, lines: None });
    }
    names(file, report);
    casing(file, report);
    let lexer = Lexer::new(file.escape);
    default_bases(file, &lexer, report, world, options);
    let globals = global_arguments(file, &lexer, options, true)?;
    let mut stages = Vec::with_capacity(file.stages.len());
    for stage in &file.stages {
        let from = From { file, lexer: &lexer, globals: &globals, world };
        stages.push(from.resolve(stage, &stages, report)?);
    }
    let reached = reach::stages(&stages, &options.scope, world);
    image_names(&stages, &reached, world)?;
    walk::Walk { lexer, globals, world, options, report }.stages(&stages, &reached)
}

/// Adds the lines of the instruction to its error.
pub(super) fn at<E: Into<LintErrorKind>>(lines: Lines) -> impl FnOnce(E) -> LintError {
    move |error| LintError { kind: error.into(), lines: Some(lines) }
}

fn names(file: &Dockerfile, report: &mut Report<'_>) {
    let mut seen = BTreeSet::new();
    for stage in &file.stages {
        let Some(name) = &stage.name else { continue };
        if matches!(name.as_str(), "scratch" | "context") {
            report.warn(&RESERVED_STAGE_NAME, stage.lines, format!("the stage name `{name}` has a meaning of its own"));
        }
        if !seen.insert(name) {
            report.warn(&DUPLICATE_STAGE_NAME, stage.lines, format!("another stage is called `{name}` too"));
        }
    }
}

/// The majority decides; ARG before the first FROM has no vote.
fn casing(file: &Dockerfile, report: &mut Report<'_>) {
    let all: Vec<Lines> = file
        .stages
        .iter()
        .flat_map(|stage| std::iter::once(stage.lines).chain(stage.instructions.iter().map(|inner| inner.lines)))
        .collect();
    let is_lower = |written: &str| written == written.to_lowercase();
    let is_upper = |written: &str| written == written.to_uppercase();
    let lower = all.iter().filter(|lines| is_lower(report.written(**lines))).count();
    let upper = all.iter().filter(|lines| is_upper(report.written(**lines))).count();
    for lines in all {
        let written = report.written(lines);
        let (matches, wanted) = if lower > upper { (is_lower(written), "lower") } else { (is_upper(written), "upper") };
        if !matches {
            let detail = format!("`{written}` is not in {wanted} case as most instructions are");
            report.warn(&CONSISTENT_CASING, lines, detail);
        }
    }
}

/// FROM should name an image even without build arguments.
fn default_bases(file: &Dockerfile, lexer: &Lexer, report: &mut Report<'_>, world: &dyn World, options: &LintOptions) {
    let Ok(globals) = global_arguments(file, lexer, options, false) else { return };
    for stage in &file.stages {
        let Ok(name) = lexer.expand(&stage.base, &globals) else { return };
        if !world.is_image_name(&name.text) {
            let detail = format!("`{}` names no image when no build argument is given", stage.base);
            report.warn(&INVALID_DEFAULT_ARG, stage.lines, detail);
        }
    }
}

/// The values of the arguments before the first FROM, and of the predefined ones.
fn global_arguments(
    file: &Dockerfile,
    lexer: &Lexer,
    options: &LintOptions,
    with_build_args: bool,
) -> Result<Environment, LintError> {
    let mut globals = Environment::new(&options.predefined);
    for instruction in &file.global_args {
        let Command::Arg(declarations) = &instruction.command else { continue };
        for declaration in declarations {
            let given = options.build_args.get(&declaration.name).filter(|_| with_build_args);
            let value = match (given, &declaration.default) {
                (Some(value), _) => Some(value.clone()),
                (None, Some(default)) => Some(lexer.expand(default, &globals).map_err(at(instruction.lines))?.text),
                (None, None) => None,
            };
            if let Some(value) = value {
                globals.set(&declaration.name, value);
            }
        }
    }
    Ok(globals)
}

/// The context in which a FROM is checked.
struct From<'a> {
    file: &'a Dockerfile,
    lexer: &'a Lexer,
    globals: &'a Environment,
    world: &'a dyn World,
}

impl From<'_> {
    fn resolve<'f>(
        &self,
        stage: &'f Stage,
        earlier: &[ResolvedStage<'_>],
        report: &mut Report<'_>,
    ) -> Result<ResolvedStage<'f>, LintError> {
        let base = self.expand(&stage.base, stage, report)?.text;
        if base.is_empty() {
            let kind = LintErrorKind::BlankBase { written: stage.base.text.clone() };
            return Err(LintError { kind, lines: Some(stage.lines) });
        }
        let platform = match &stage.platform {
            Some(written) => Some(self.platform(written, stage, report)?),
            None => None,
        };
        let parent = earlier.iter().rposition(|earlier| earlier.stage.name.as_deref() == Some(base.as_str()));
        Ok(ResolvedStage { stage, base, platform, parent })
    }

    fn platform(&self, written: &str, stage: &Stage, report: &mut Report<'_>) -> Result<String, LintError> {
        let expansion = self.expand(written, stage, report)?;
        let only_target = expansion.unmatched.is_empty() && expansion.used.iter().eq(["TARGETPLATFORM"]);
        if only_target && self.globals.value("TARGETPLATFORM") == Some(&expansion.text) {
            let detail = format!("--platform={written} is what is built anyway");
            report.warn(&REDUNDANT_TARGET_PLATFORM, stage.lines, detail);
        }
        let parsed = self.world.platform(&expansion.text);
        if expansion.used.is_empty()
            && expansion.unmatched.is_empty()
            && let Some((system, architecture)) = &parsed
        {
            let name = stage.name.as_deref().unwrap_or("");
            if !name.contains(system.as_str()) && !name.contains(architecture.as_str()) {
                let detail = format!("the platform is fixed to `{}`", expansion.text);
                report.warn(&FROM_PLATFORM_CONST, stage.lines, detail);
            }
        }
        match parsed {
            Some(_) => Ok(expansion.text),
            None => {
                let kind = LintErrorKind::InvalidPlatform { value: expansion.text };
                Err(LintError { kind, lines: Some(stage.lines) })
            }
        }
    }

    /// Expands a part of FROM and reports undeclared arguments.
    fn expand(&self, written: &str, stage: &Stage, report: &mut Report<'_>) -> Result<Expansion, LintError> {
        let result = self.lexer.expand(written, self.globals);
        let unmatched = match &result {
            Ok(expansion) => &expansion.unmatched,
            Err(error) => &error.unmatched,
        };
        for name in unmatched.iter().filter(|name| !self.is_declared(name)) {
            let known: Vec<&str> = self.globals.names().collect();
            let hint = nearest(name, &known).map_or_else(String::new, |known| format!(" (did you mean `{known}`?)"));
            report.warn(&UNDEFINED_ARG_IN_FROM, stage.lines, format!("the argument `{name}` is not declared{hint}"));
        }
        result.map_err(at(stage.lines))
    }

    fn is_declared(&self, name: &str) -> bool {
        self.file.global_args.iter().any(|instruction| match &instruction.command {
            Command::Arg(declarations) => declarations.iter().any(|declaration| declaration.name == name),
            _ => false,
        })
    }
}

/// Every name that refers to an image must be a valid image name.
fn image_names(stages: &[ResolvedStage<'_>], reached: &[bool], world: &dyn World) -> Result<(), LintError> {
    let check = |name: &str, lines: Lines| {
        if name == "scratch" || world.is_image_name(name) {
            return Ok(());
        }
        Err(LintError { kind: LintErrorKind::InvalidImageName { name: name.to_owned() }, lines: Some(lines) })
    };
    let looked_at: Vec<_> =
        stages.iter().zip(reached).filter(|(_, reached)| **reached).map(|(stage, _)| stage).collect();
    for resolved in looked_at.iter().filter(|resolved| resolved.parent.is_none()) {
        check(&resolved.base, resolved.stage.lines)?;
    }
    let is_stage = |name: &str| {
        let name = name.to_lowercase();
        name.parse::<i64>().is_ok() || stages.iter().any(|resolved| resolved.stage.name.as_ref() == Some(&name))
    };
    for instruction in looked_at.iter().flat_map(|resolved| &resolved.stage.instructions) {
        for name in sources(&instruction.command).iter().filter(|name| !is_stage(name)) {
            check(name, instruction.lines)?;
        }
    }
    Ok(())
}

/// The stages and images that an instruction takes files from.
pub(in crate::language::dockerfile) fn sources(command: &Command) -> Vec<String> {
    match command {
        Command::Copy(copy) => copy.from.iter().map(|from| from.text.clone()).collect(),
        Command::Run(run) => run.mounts.iter().filter_map(|value| mount::from_name(value)).collect(),
        _ => Vec::new(),
    }
}
