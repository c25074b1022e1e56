//! The lint: constructs that are allowed but rarely intended.
//!
//! Owns the rules and when each applies. It walks the stages as a build would, with the variables that each instruction
//! sees, but accesses the outside world only through [`World`]: it must not know images, registries or files.

mod instructions;
mod options;
mod reach;
mod rules;
pub(super) mod stages;
pub(super) mod variables;
mod walk;

use std::collections::BTreeMap;

use super::words::WordError;
use super::{Lines, Node, Parse, mount};

pub use options::{CheckOptionError, CheckOptions, Selection};
pub use rules::{RULES, Rule};

/// What the lint needs from outside.
pub trait World {
    /// The base image of that name.
    fn base(&self, name: &str, platform: Option<&str>) -> BaseImage;
    /// Whether the text is a valid image name.
    fn is_image_name(&self, text: &str) -> bool;
    /// The operating system and the architecture of a platform.
    fn platform(&self, text: &str) -> Option<(String, String)>;
    /// Whether `.dockerignore` excludes the path.
    fn is_ignored(&self, path: &str) -> bool;
    /// The image with which the user has replaced a stage, whose instructions then do not matter.
    fn replacement(&self, _stage: &str) -> Option<BaseImage> {
        None
    }
}

/// What the lint needs to know about a base image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BaseImage {
    /// Its environment; `PATH` is added if it has none.
    pub environment: Vec<(String, String)>,
    /// Whether it has its own shell.
    pub has_shell: bool,
    /// Its ONBUILD triggers.
    pub triggers: Vec<String>,
    /// The requested platform, and the actual one, if they differ.
    pub wrong_platform: Option<(String, String)>,
}

/// The build's options.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LintOptions {
    /// Arguments that are predefined, without ARG: `TARGETPLATFORM`, `BUILDARCH`, …
    pub predefined: Vec<(String, String)>,
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// The user's setting, which overrides the file's `check` directive.
    pub check: Option<CheckOptions>,
    pub scope: Scope,
}

/// The stages whose instructions are checked; every FROM is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    #[default]
    All,
    /// Those that this stage needs; without a name, the last one.
    Target(Option<String>),
}

/// A rule that fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub rule: &'static Rule,
    /// Its line: the first of the instruction, or the last for an empty continuation.
    pub line: u32,
    /// The instruction's lines.
    pub lines: Lines,
    pub detail: String,
}

/// An error that ended the lint early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LintErrorKind {
    #[error(transparent)]
    CheckOptions(#[from] CheckOptionError),
    #[error("{0}")]
    Parse(super::ParseError),
    #[error("the Dockerfile has no stage to build")]
    NoStages,
    #[error(transparent)]
    Word(#[from] WordError),
    #[error("the base image `{written}` is empty once its variables are expanded")]
    BlankBase { written: String },
    #[error("`{name}` is not a valid image name")]
    InvalidImageName { name: String },
    #[error("`{value}` is not a platform")]
    InvalidPlatform { value: String },
    #[error("invalid --mount: {0}")]
    Mount(#[from] mount::MountError),
    #[error("the check directive turns these warnings into errors: {}", rules.join(", "))]
    Violations { rules: Vec<&'static str> },
}

/// The error, and the line of its instruction if it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct LintError {
    pub kind: LintErrorKind,
    pub lines: Option<Lines>,
}

/// All warnings, by line and rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lint {
    pub warnings: Vec<Warning>,
    pub error: Option<LintError>,
}

/// Checks a parsed file, all of its stages.
pub fn lint(parse: &Parse, world: &dyn World, options: &LintOptions) -> Lint {
    let check = match check_options(parse, options) {
        Ok(check) => check,
        Err(error) => return Lint { warnings: Vec::new(), error: Some(error) },
    };
    let mut report = Report::new(&parse.tree.instructions, check);
    instructions::check(parse, &mut report);
    let mut error = stages::check(parse, &mut report, world, options).err();
    let mut warnings = report.warnings;
    warnings.sort_by(|a, b| (a.line, a.rule.name, &a.detail).cmp(&(b.line, b.rule.name, &b.detail)));
    if error.is_none() && report.check.error && !warnings.is_empty() {
        let mut rules: Vec<&'static str> = warnings.iter().map(|warning| warning.rule.name).collect();
        rules.sort_unstable();
        rules.dedup();
        error = Some(LintError { kind: LintErrorKind::Violations { rules }, lines: None });
    }
    Lint { warnings, error }
}

/// The user's setting, or else the file's directive.
pub fn check_options(parse: &Parse, options: &LintOptions) -> Result<CheckOptions, LintError> {
    if let Some(check) = &options.check {
        return Ok(check.clone());
    }
    CheckOptions::of(&parse.tree).map_err(|error| {
        let lines = parse.tree.directives.check.as_ref().map(|found| Lines { first: found.line, last: found.line });
        LintError { kind: error.into(), lines }
    })
}

/// The warnings found while parsing, without walking the stages. An invalid check directive is ignored.
pub fn reading_warnings(parse: &Parse) -> Vec<Warning> {
    let check = CheckOptions::of(&parse.tree).unwrap_or_default();
    let mut report = Report::new(&parse.tree.instructions, check);
    instructions::check(parse, &mut report);
    report.warnings
}

/// Collects warnings and drops those that are switched off.
struct Report<'a> {
    check: CheckOptions,
    nodes: &'a [Node],
    warnings: Vec<Warning>,
}

impl<'a> Report<'a> {
    fn new(nodes: &'a [Node], check: CheckOptions) -> Self {
        Self { check, nodes, warnings: Vec::new() }
    }

    fn warn(&mut self, rule: &'static Rule, lines: Lines, detail: String) {
        self.warn_at(rule, lines.first, lines, detail);
    }

    fn warn_at(&mut self, rule: &'static Rule, line: u32, lines: Lines, detail: String) {
        let node = self.node(lines);
        let skipped = node.is_some_and(|node| options::skipped_here(&node.comments).any(|skip| skip.holds(rule)));
        if self.check.runs(rule) && !skipped {
            self.warnings.push(Warning { rule, line, lines, detail });
        }
    }

    /// The node of an instruction, by its lines.
    fn node(&self, lines: Lines) -> Option<&'a Node> {
        let index = self.nodes.binary_search_by_key(&lines.first, |node| node.lines.first).ok()?;
        self.nodes.get(index)
    }

    /// The keyword as written.
    fn written(&self, lines: Lines) -> &'a str {
        self.node(lines).map_or("", |node| &node.written)
    }
}

#[cfg(test)]
mod tests;
