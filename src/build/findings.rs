//! The lint's warnings, with the file they refer to.

use crate::build::explain::{ReportWarning, Source};
use crate::language::dockerfile::excerpt::{Excerpt, Heading, Span};
use crate::language::dockerfile::lint::Warning;

/// How much of a long Dockerfile is kept.
const LONGEST_SOURCE: usize = 256 << 10;

/// The warnings about one Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// The file's name in messages.
    pub file_name: String,
    /// The text of the Dockerfile.
    pub source: Vec<u8>,
    /// Sorted by line and rule.
    pub warnings: Vec<Warning>,
}

impl Findings {
    /// Adds the warnings of another run over the same file, without duplicates.
    pub(super) fn add(&mut self, other: Self) {
        let mut warnings = std::mem::take(&mut self.warnings);
        let count = warnings.len();
        for warning in other.warnings {
            if !warnings[..count].contains(&warning) {
                warnings.push(warning);
            }
        }
        *self = Self { warnings, file_name: other.file_name, source: other.source };
    }

    /// The file and the warnings, as stored with a build.
    pub fn kept(&self) -> (Source, Vec<ReportWarning>) {
        let end = self.source.len().min(LONGEST_SOURCE);
        let text = String::from_utf8_lossy(&self.source[..end]).into_owned();
        let warnings = self.warnings.iter().map(|warning| ReportWarning {
            line: warning.line,
            rule: warning.rule.name.to_owned(),
            detail: warning.detail.clone(),
        });
        (Source { name: self.file_name.clone(), text }, warnings.collect())
    }

    /// One excerpt of the file for each warning.
    pub fn excerpts(&self) -> Vec<String> {
        self.warnings.iter().map(|warning| self.excerpt(warning)).collect()
    }

    fn excerpt(&self, warning: &Warning) -> String {
        let message = format!("{}: {}", warning.rule.name, warning.detail);
        let lines = warning.lines;
        // Several lines are marked at their side, a single one below its text.
        let span = (lines.first == lines.last || warning.line != lines.first)
            .then(|| Span::of_line(&self.source, warning.line));
        let excerpt = Excerpt {
            file_name: &self.file_name,
            source: &self.source,
            lines,
            span: span.flatten(),
            heading: Heading::Place,
            message: &message,
            hint: None,
        };
        excerpt.render()
    }
}
