//! A parse as data for other programs: the output of `rbuild parse --format json`.
//!
//! The fields are in alphabetical order, so that [`Report::canonical`] needs no sorting.

use serde::Serialize;

use super::error::{ParseErrorKind, Phase};
use super::lint::{Lint, Warning, reading_warnings};
use super::syntax::{Body, Directive, Node, Piece};
use super::{Parse, ParseError};

/// The whole parse.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    pub directives: DirectivesReport<'a>,
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_phase: Option<&'static str>,
    pub instructions: Vec<InstructionReport<'a>>,
    /// Only if the caller has run the lint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lint: Option<LintReport>,
    pub stages: Vec<StageReport<'a>>,
    pub warnings: Vec<WarningReport>,
}

/// A warning from parsing.
#[derive(Debug, Serialize)]
pub struct WarningReport {
    line: u32,
    rule: &'static str,
}

/// The result of the lint of all stages.
#[derive(Debug, Serialize)]
pub struct LintReport {
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_line: Option<u32>,
    warnings: Vec<LintWarningReport>,
}

#[derive(Debug, Serialize)]
struct LintWarningReport {
    detail: String,
    line: u32,
    rule: &'static str,
}

impl From<Lint> for LintReport {
    fn from(lint: Lint) -> Self {
        let warning = |warning: Warning| LintWarningReport {
            detail: warning.detail,
            line: warning.line,
            rule: warning.rule.name,
        };
        Self {
            error: lint.error.as_ref().map(ToString::to_string),
            error_line: lint.error.and_then(|error| error.lines).map(|lines| lines.first),
            warnings: lint.warnings.into_iter().map(warning).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct DirectivesReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    escape: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    syntax: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub struct InstructionReport<'a> {
    args: Texts<'a>,
    end_line: u32,
    flags: Texts<'a>,
    heredocs: Vec<HeredocReport<'a>>,
    json: bool,
    keyword: &'a str,
    line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    onbuild: Option<TriggerReport<'a>>,
    original: &'a str,
}

#[derive(Debug, Serialize)]
struct TriggerReport<'a> {
    args: Texts<'a>,
    flags: Texts<'a>,
    json: bool,
    keyword: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    onbuild: Option<Box<TriggerReport<'a>>>,
    original: &'a str,
}

#[derive(Debug, Serialize)]
struct HeredocReport<'a> {
    chomp: bool,
    content: &'a str,
    expand: bool,
    name: &'a str,
}

#[derive(Debug, Serialize)]
pub struct StageReport<'a> {
    base: &'a str,
    line: u32,
    name: &'a str,
    platform: &'a str,
}

#[derive(Serialize)]
struct Canonical<'r, 'a> {
    directives: &'r DirectivesReport<'a>,
    error: bool,
    instructions: &'r [InstructionReport<'a>],
    stages: &'r [StageReport<'a>],
}

/// The texts of pieces, without a list of their own.
#[derive(Debug)]
struct Texts<'a>(&'a [Piece]);

impl Serialize for Texts<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|piece| &*piece.text))
    }
}

impl<'a> Report<'a> {
    pub fn new(parse: &'a Parse) -> Self {
        let tree = &parse.tree;
        let error = parse.result.as_ref().err();
        let stages = parse.result.as_ref().map_or(&[][..], |file| &file.stages);
        Self {
            directives: DirectivesReport {
                check: tree.directives.check.as_ref().map(value),
                escape: tree.directives.escape.as_ref().map(value),
                syntax: tree.directives.syntax.as_ref().map(value),
            },
            error: error.map(ToString::to_string),
            error_line: error.map(reference_line),
            error_phase: error.map(|error| match error.phase {
                Phase::Lines => "parse",
                Phase::Instructions => "instructions",
            }),
            instructions: tree.instructions.iter().map(instruction).collect(),
            lint: None,
            warnings: reading_warnings(parse)
                .iter()
                .map(|warning| WarningReport { line: warning.line, rule: warning.rule.name })
                .collect(),
            stages: stages
                .iter()
                .map(|stage| StageReport {
                    base: &stage.base,
                    line: stage.lines.first,
                    name: stage.name.as_deref().unwrap_or(""),
                    platform: stage.platform.as_deref().unwrap_or(""),
                })
                .collect(),
        }
    }

    /// The form whose hash compares parses: errors without their text, without anything that implementations may differ
    /// in.
    pub fn canonical(&self) -> serde_json::Result<Vec<u8>> {
        if self.error.is_some() {
            return Ok(br#"{"error":true}"#.to_vec());
        }
        serde_json::to_vec(&Canonical {
            directives: &self.directives,
            error: false,
            instructions: &self.instructions,
            stages: &self.stages,
        })
    }
}

/// The reference reports errors of directives, and of lines that are too long, on the line before.
fn reference_line(error: &ParseError) -> u32 {
    match *error.kind {
        ParseErrorKind::DuplicateDirective { .. }
        | ParseErrorKind::InvalidEscape { .. }
        | ParseErrorKind::LineTooLong { continuation: false, .. } => error.lines.first.saturating_sub(1),
        _ => error.lines.first,
    }
}

fn value(directive: &Directive) -> &str {
    &directive.value
}

fn instruction(node: &Node) -> InstructionReport<'_> {
    InstructionReport {
        args: Texts(&node.arguments),
        end_line: node.lines.last,
        flags: Texts(&node.flags),
        heredocs: node.heredocs.iter().map(heredoc).collect(),
        json: node.json,
        keyword: &node.keyword,
        line: node.lines.first,
        onbuild: node.onbuild.as_deref().map(trigger),
        original: &node.original,
    }
}

fn trigger(node: &Node) -> TriggerReport<'_> {
    TriggerReport {
        args: Texts(&node.arguments),
        flags: Texts(&node.flags),
        json: node.json,
        keyword: &node.keyword,
        onbuild: node.onbuild.as_deref().map(|nested| Box::new(trigger(nested))),
        original: &node.original,
    }
}

fn heredoc(body: &Body) -> HeredocReport<'_> {
    HeredocReport { chomp: body.chomp, content: &body.content, expand: body.expand, name: &body.name }
}
