//! Shows errors in the Dockerfile lines that they are about.

use crate::build::solve::{SolveError, StepError};
use crate::image::Platform;
use crate::language::dockerfile::excerpt::{Excerpt, Heading, Span};
use crate::language::dockerfile::lint::LintError;
use crate::language::dockerfile::outline::OutlineError;
use crate::language::dockerfile::{Lines, ParseError};
use crate::language::plan::{Plan, PlanError, PlanErrorKind};

use super::dockerfile::File;
use super::error::{BuildError, Cause, Located};
use super::shared_cache::chain;

impl File {
    pub fn parse_error(&self, error: &ParseError) -> Located {
        let about = About { lines: error.lines, span: error.span, heading: Heading::Place };
        self.located(&about, &error.to_string(), error.hint(), Cause::Parse(error.clone()))
    }

    /// `platform` is the one for which planning fails, if there are several.
    pub fn plan_error(&self, mut error: PlanError, platform: Option<&Platform>) -> Located {
        let of_parse = match error.kind.as_ref() {
            PlanErrorKind::Parse(parse) => parse.hint(),
            _ => None,
        };
        let hint = error.hint.take().or(of_parse);
        let message = for_platform(chain(error.kind.as_ref()), platform);
        let about = About::of(error.lines, error.span);
        self.located(&about, &message, hint, Cause::Plan(error))
    }

    pub fn lint_error(&self, error: LintError) -> Located {
        let about = About::of(error.lines, None);
        self.located(&about, &error.to_string(), None, Cause::Lint(error))
    }

    pub fn outline_error(&self, error: OutlineError) -> Located {
        let about = About::of(error.lines, None);
        self.located(&about, &error.to_string(), None, Cause::Outline(error))
    }

    pub fn solve_error(&self, error: SolveError, plan: &Plan) -> BuildError {
        let SolveError::Step { step, part, error } = error else { return BuildError::Cancelled };
        let step = &plan.steps[step.0];
        let mut message = for_platform(chain(error.as_ref()), step.platform.as_ref());
        let is_named = |tail: &str, memory: Option<u64>| !tail.is_empty() || memory.is_some();
        if matches!(error.as_ref(), StepError::Failed { tail, out_of_memory, .. } if is_named(tail, *out_of_memory)) {
            message = format!("{message}\n{}:", step.title);
        }
        let hint = error.hint();
        let about = About::of(Some(step.lines), part.and_then(|part| step.parts.get(part)));
        self.located(&about, &message, hint, Cause::Step(error)).into()
    }

    /// The message with the lines it is about. Without a word to mark, the whole instruction is marked: several lines
    /// at their side.
    fn located(&self, about: &About, message: &str, hint: Option<String>, cause: Cause) -> Located {
        let (headline, details) = message.split_once('\n').unwrap_or((message, ""));
        let About { lines, span, heading } = *about;
        let whole = || Span::of_line(&self.bytes, lines.first).filter(|_| lines.first == lines.last);
        let span = span.or_else(|| whole().filter(|_| heading == Heading::Instruction));
        let (file_name, source) = (self.name.as_str(), self.bytes.as_slice());
        let mut text = if lines.first == 0 && heading == Heading::Instruction {
            format!("{file_name}: {headline}")
        } else {
            Excerpt { file_name, source, lines, span, heading, message: headline, hint: None }.render()
        };
        if !details.is_empty() {
            text = format!("{text}\n{details}");
        }
        Located { text, hint, cause }
    }
}

/// What an error is about.
struct About {
    lines: Lines,
    span: Option<Span>,
    heading: Heading,
}

impl About {
    /// For errors found after the file was read.
    fn of(lines: Option<Lines>, span: Option<Span>) -> Self {
        Self { lines: lines.unwrap_or(Lines { first: 0, last: 0 }), span, heading: Heading::Instruction }
    }
}

fn for_platform(message: String, platform: Option<&Platform>) -> String {
    platform.map_or_else(|| message.clone(), |platform| format!("{platform}: {message}"))
}
