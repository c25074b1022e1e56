//! The errors of a Dockerfile, as fields; their messages are made only here.

use super::excerpt::{Excerpt, Heading, Span};
use super::text::quoted;
use super::{Lines, Range};
use crate::base::nearest;

/// An error, and its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct ParseError {
    pub kind: Box<ParseErrorKind>,
    pub phase: Phase,
    /// The lines of the instruction, or 0 if the error is in no line.
    pub lines: Lines,
    pub span: Option<Span>,
}

/// The phase in which the error was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading lines; there is no syntax tree.
    Lines,
    /// Checking a single instruction; the syntax tree is complete.
    Instructions,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    #[error("the `{name}` directive is given twice, first on line {first}: keep one")]
    DuplicateDirective { name: String, first: u32 },
    #[error("the escape character must be ` or \\, not `{value}`")]
    InvalidEscape { value: String },
    #[error("the Dockerfile is empty: it has no instructions")]
    NoInstructions,
    #[error("the file is encoded as {encoding}: save it as UTF-8")]
    WideEncoding { encoding: &'static str },
    #[error("the line has more than {limit} bytes")]
    LineTooLong {
        limit: usize,
        /// The line continues an instruction.
        continuation: bool,
    },
    #[error("the heredoc `{name}` is not closed: no later line is just `{name}`")]
    UnterminatedHeredoc { name: String },
    #[error("a JSON array of arguments may hold strings only")]
    JsonNotStrings,
    #[error("{keyword} needs a name and a value: {keyword} name=value")]
    MissingValue { keyword: String },
    #[error("there is no = in {}: {keyword} wants name=value pairs", quoted(word))]
    MissingEquals { keyword: String, word: String },

    #[error("unknown instruction `{written}`")]
    UnknownInstruction { written: String },
    #[error("{keyword} stands before the first FROM; only ARG may")]
    NoStage { keyword: String },
    #[error("unknown flag {flag} for {keyword}")]
    UnknownFlag { keyword: String, flag: String, known: &'static [&'static str] },
    #[error("the flag {flag} needs a value: {flag}=…")]
    FlagWithoutValue { flag: String },
    #[error("the flag {flag} is given twice")]
    DuplicateFlag { flag: String },
    #[error("the flag {flag} is true or false, not `{value}`")]
    FlagNotBoolean { flag: String, value: String },
    #[error("{keyword} needs {wanted}")]
    ArgumentCount { keyword: String, wanted: Wanted },
    #[error("{keyword} names can not be blank")]
    BlankName { keyword: String },
    #[error(
        "invalid stage name {} after FROM: it must start with a letter and have only letters, digits, - _ .",
        quoted(name)
    )]
    InvalidStageName { name: String },
    #[error("{keyword} takes no heredoc as its destination")]
    HeredocDestination { keyword: String },
    #[error("SHELL needs its arguments in JSON form: SHELL [\"/bin/sh\", \"-c\"]")]
    ShellNotJson,
    #[error("VOLUME paths can not be blank")]
    BlankVolume,
    #[error("ONBUILD cannot hold another ONBUILD")]
    ChainedOnbuild,
    #[error("{keyword} is not allowed as an ONBUILD trigger")]
    ForbiddenTrigger { keyword: String },
    #[error("HEALTHCHECK NONE takes no arguments")]
    HealthcheckNoneArguments,
    #[error("HEALTHCHECK CMD needs a command")]
    HealthcheckNoCommand,
    #[error("unknown type `{written}` in HEALTHCHECK: it is CMD or NONE")]
    HealthcheckType { written: String },
    #[error("invalid duration `{value}` for {flag}: write it as 30s, 1m30s or 500ms")]
    InvalidDuration { flag: String, value: String },
    #[error("the interval {flag}={value} is under 1ms")]
    DurationTooShort { flag: String, value: String },
    #[error("--retries can not be negative ({value})")]
    NegativeRetries { value: i64 },
    #[error("invalid number `{value}` for --retries")]
    InvalidRetries { value: String },
    #[error("invalid network mode {} in --network", quoted(value))]
    InvalidNetwork { value: String },
    #[error("invalid security mode {} in --security", quoted(value))]
    InvalidSecurity { value: String },
    #[error("invalid --device: {reason}")]
    InvalidDevice { reason: String },
    #[error("invalid --mount: {error}")]
    InvalidMount { error: super::mount::MountError },
}

/// How many arguments an instruction takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    AtLeastOne,
    ExactlyOne,
    SourceAndDestination,
    OneOrThree,
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::AtLeastOne => "at least one argument",
            Self::ExactlyOne => "exactly one argument",
            Self::SourceAndDestination => "at least two arguments: a source and the destination",
            Self::OneOrThree => "either one or three arguments: `FROM image` or `FROM image AS name`",
        })
    }
}

const NETWORK_MODES: &[&str] = &["default", "none", "host"];
const SECURITY_MODES: &[&str] = &["sandbox", "insecure"];

impl ParseError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self.kind.as_ref() {
            ParseErrorKind::UnknownInstruction { written } => {
                did_you_mean(nearest(&written.to_uppercase(), super::KEYWORDS)?)
            }
            ParseErrorKind::UnknownFlag { flag, known, .. } => {
                let name = flag.trim_start_matches('-');
                did_you_mean(&format!("--{}", nearest(name, known)?))
            }
            ParseErrorKind::InvalidNetwork { value } => one_of(value, NETWORK_MODES),
            ParseErrorKind::InvalidSecurity { value } => one_of(value, SECURITY_MODES),
            ParseErrorKind::HealthcheckType { written } => {
                did_you_mean(nearest(&written.to_uppercase(), &["CMD", "NONE"])?)
            }
            ParseErrorKind::InvalidMount { error } => error.hint(),
            _ => None,
        }
    }

    /// The message with the lines shown, the place marked and the hint below.
    pub fn render(&self, file_name: &str, source: &[u8]) -> String {
        let message = self.to_string();
        let hint = self.hint();
        let (lines, span, heading) = (self.lines, self.span, Heading::Place);
        Excerpt { file_name, source, lines, span, heading, message: &message, hint: hint.as_deref() }.render()
    }
}

pub(super) fn did_you_mean(name: &str) -> Option<String> {
    Some(format!("did you mean `{name}`?"))
}

/// "did you mean", or the list of valid values.
pub(super) fn one_of(value: &str, known: &[&str]) -> Option<String> {
    match nearest(value, known) {
        Some(name) => did_you_mean(name),
        None => Some(format!("it is one of {}", known.join(", "))),
    }
}

/// An error in an instruction, before the place of the instruction is known.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: ParseErrorKind,
    pub(super) place: Option<Range>,
}

impl Fault {
    pub(super) fn at(place: Range, kind: ParseErrorKind) -> Self {
        Self { kind, place: Some(place) }
    }
}

impl From<ParseErrorKind> for Fault {
    fn from(kind: ParseErrorKind) -> Self {
        Self { kind, place: None }
    }
}
