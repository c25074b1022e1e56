//! Errors of a command line, in docker's words and with docker's exit codes.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Arg, ArgAction, Command};

use super::grammar::{self, Flaw};
use crate::base::nearest;
use crate::cli::CliError;

/// docker's exit code for invalid options, and for containers that can't be run.
const INVALID_OPTIONS: u8 = 125;

/// Options whose values docker checks only when the command runs, with exit code 1.
const CHECKED_LATER: &[&str] = &[
    "allow",
    "build-arg",
    "call",
    "format",
    "limit",
    "network",
    "output",
    "parallel",
    "platform",
    "progress",
    "shell",
    "signal",
    "since",
    "tag",
    "tail",
    "type",
    "until",
];

/// A command, and the words that called it.
pub struct Called<'a> {
    pub words: &'a [String],
    pub command: &'a Command,
}

impl Called<'_> {
    fn name(&self) -> String {
        self.words.join(" ")
    }

    fn flags(&self) -> impl Iterator<Item = &Arg> {
        self.command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set())
    }

    /// Commands whose errors all have that code.
    fn runs_containers(&self) -> bool {
        matches!(self.words.last().map(String::as_str), Some("run" | "create"))
            && matches!(self.words.get(self.words.len().saturating_sub(2)).map(String::as_str), Some(group) if group == "container" || self.words.len() == 2)
    }

    fn is_checked_later(&self, option: &Arg) -> bool {
        match option.get_long() {
            // For networks and volumes it is checked when it is parsed.
            Some("label") => self.command.get_name() == "build",
            Some(name) => CHECKED_LATER.contains(&name),
            None => false,
        }
    }

    /// The error with the command's usage.
    fn error(&self, message: String, code: u8) -> CliError {
        let name = self.name();
        let usage = self.command.clone().bin_name(&name).render_usage().to_string();
        let more = format!("Run '{name} --help' for more information");
        CliError::new(format!("{message}\n\n{}\n\n{more}", usage.trim_end())).exit_code(code)
    }

    pub fn flaw(&self, flaw: &Flaw) -> CliError {
        let error = |message: String| self.error(message, INVALID_OPTIONS);
        match flaw {
            Flaw::UnknownLong { name } => {
                let known: Vec<&str> = self.flags().filter_map(Arg::get_long).collect();
                let hint = nearest(name, &known).map(|near| format!("there is --{near}"));
                error(format!("unknown flag: --{name}")).hint_if(hint)
            }
            Flaw::UnknownShort { letter, word } => error(format!("unknown shorthand flag: '{letter}' in {word}")),
            Flaw::NoValue { option } => error(format!("flag needs an argument: {option}")),
            Flaw::BadSyntax { word } => error(format!("bad flag syntax: {word}")),
            Flaw::NoBoolean { option, value } => {
                error(format!("invalid argument \"{value}\" for \"{option}\" flag: it is true or false"))
            }
        }
    }

    /// Checks that there are as many words as the command takes.
    pub fn count(&self, given: usize) -> Result<(), CliError> {
        let positionals = || self.command.get_positionals();
        let least = positionals().filter(|arg| arg.is_required_set()).count();
        let most = positionals().map(most_values).fold(0, usize::saturating_add);
        if (least..=most).contains(&given) {
            return Ok(());
        }
        let plural = |count: usize| if count == 1 { "argument" } else { "arguments" };
        let what = match (least, most) {
            (0, 0) => "accepts no arguments".to_owned(),
            (least, most) if least == most => format!("requires {least} {}", plural(least)),
            (least, usize::MAX) => format!("requires at least {least} {}", plural(least)),
            (0, most) => format!("requires at most {most} {}", plural(most)),
            (least, most) => format!("requires at least {least} and at most {most} arguments"),
        };
        Err(self.error(format!("'{}' {what}", self.name()), 1))
    }

    /// The error that clap found: an invalid value, or conflicting options.
    pub fn value(&self, error: &Error) -> CliError {
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.clone()),
            Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
            _ => None,
        };
        let given = text(ContextKind::InvalidArg).unwrap_or_default();
        let option = self.option(&given);
        let is_late = option.is_none_or(|option| self.is_checked_later(option));
        let code = if is_late && !self.runs_containers() { 1 } else { INVALID_OPTIONS };
        let value = text(ContextKind::InvalidValue).unwrap_or_default();
        let of = |reason: &str| match option {
            Some(option) => format!("invalid argument \"{value}\" for \"{}\" flag: {reason}", grammar::shown(option)),
            None => format!(
                "invalid {} \"{value}\": {reason}",
                given.trim_end_matches('.').trim_start_matches('<').trim_end_matches('>')
            ),
        };
        match error.kind() {
            ErrorKind::ValueValidation => {
                let reason = error.source().map(ToString::to_string).unwrap_or_default();
                self.error(of(&reason), code)
            }
            ErrorKind::InvalidValue => {
                let there = text(ContextKind::ValidValue).unwrap_or_default();
                self.error(of(&format!("there are {there}")), code)
            }
            ErrorKind::ArgumentConflict => {
                let other = text(ContextKind::PriorArg).unwrap_or_default();
                let code = if self.runs_containers() { INVALID_OPTIONS } else { 1 };
                self.error(format!("conflicting options: cannot specify both {given} and {other}"), code)
            }
            _ => {
                let all = error.render().to_string();
                let first = all.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
                self.error(first, 1)
            }
        }
    }

    /// The option that clap writes as `--memory <BYTES>`.
    fn option(&self, written: &str) -> Option<&Arg> {
        let name = written.strip_prefix("--")?.split(['=', ' ', '[']).next()?;
        self.command.get_arguments().find(|arg| arg.get_long() == Some(name))
    }
}

/// Whether an option's value is invalid: docker checks that before the number of words.
pub fn is_of_value(error: &Error) -> bool {
    let is_option =
        matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(arg)) if arg.starts_with('-'));
    is_option && matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue)
}

fn most_values(positional: &Arg) -> usize {
    match positional.get_num_args() {
        Some(count) => count.max_values(),
        None if matches!(positional.get_action(), ArgAction::Append) => usize::MAX,
        None => 1,
    }
}
