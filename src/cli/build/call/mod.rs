//! `--call`: describes a build without executing it.

mod check;
mod describe;
mod sarif;

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::build::{self, BuildOptions, Checked};
use crate::cli::build::build_error;
use crate::cli::{CliError, output};
use crate::language::dockerfile::Lines;
use crate::store::Store;

/// `--call METHOD[,format=FORMAT][,ignorestatus=true]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    method: Method,
    format: Option<Format>,
    ignore_status: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Build,
    Check,
    Outline,
    Targets,
}

/// How the answer is printed
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// As buildx has it
    Json,
    /// For code hosts and editors; only of checks
    Sarif,
}

impl Call {
    pub const BUILD: Self = Self { method: Method::Build, format: None, ignore_status: false };
    pub const CHECK: Self = Self { method: Method::Check, ..Self::BUILD };

    /// Reads the value of `--call`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut call = Self::BUILD;
        for field in text.split(',') {
            match field.split_once('=') {
                None => call.method = method(field)?,
                Some(("format", value)) => call.format = Some(format(value)?),
                Some(("ignorestatus", value)) => {
                    call.ignore_status =
                        value.parse().map_err(|_| format!("ignorestatus is true or false, not `{value}`"))?;
                }
                Some((key, _)) => return Err(format!("unknown option `{key}`")),
            }
        }
        Ok(call)
    }

    /// Applies the format of `--format`. `None` for an ordinary build.
    pub fn with_format(mut self, wanted: Option<Format>) -> Result<Option<Self>, CliError> {
        self.format = wanted.or(self.format);
        match (self.method, self.format) {
            (Method::Build, Some(_)) => Err(CliError::new("--format is for --check and --call=check|outline|targets")),
            (Method::Build, None) => Ok(None),
            (Method::Outline | Method::Targets, Some(Format::Sarif)) => {
                Err(CliError::new("SARIF is for --call=check only"))
            }
            _ => Ok(Some(self)),
        }
    }

    /// The output format, if given.
    pub fn format(self) -> Option<Format> {
        self.format
    }

    /// The format of another call, if it has one.
    pub fn as_typed(self, typed: Option<Self>) -> Self {
        match typed {
            Some(typed) => Self { method: self.method, ..typed },
            None => self,
        }
    }

    /// Runs the call and prints the answer. An invalid Dockerfile is also an error, whatever the format; warnings alone
    /// make the exit code 1. The metadata goes to the file `metadata`.
    pub fn run(self, store: &Store, options: &BuildOptions, metadata: Option<&Path>) -> Result<ExitCode, CliError> {
        let answered = self.answer(store, options)?;
        output::print(&answered.text)?;
        if let (Some(path), None) = (metadata, &answered.fault) {
            super::write_metadata(path, &answered.facts)?;
        }
        match answered.fault {
            Some(fault) => Err(CliError::new(fault)),
            None => Ok(if answered.is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        }
    }

    /// Runs the call.
    pub fn answer(self, store: &Store, options: &BuildOptions) -> Result<Answered, CliError> {
        let format = self.format.unwrap_or(Format::Text);
        let (text, json) = match self.method {
            Method::Build => (String::new(), String::new()),
            Method::Check => return Ok(self.report(&build::check(store, options).map_err(build_error)?, format)),
            Method::Outline => {
                let outline = build::outline(store, options).map_err(build_error)?;
                (describe::outline_text(&outline.description), describe::outline_json(&outline))
            }
            Method::Targets => {
                let targets = build::targets(store, options).map_err(build_error)?;
                (describe::targets_text(&targets.description), describe::targets_json(&targets))
            }
        };
        let facts = facts(&json, &text);
        let text = if format == Format::Text { text } else { json };
        Ok(Answered { text, fault: None, is_clean: true, facts })
    }

    fn report(self, checked: &Checked, format: Format) -> Answered {
        let json = check::json(checked);
        let is_clean = checked.findings.warnings.is_empty();
        let mut facts = facts(&json, &if is_clean { String::new() } else { check::text(checked) });
        facts["result.statuscode"] = if is_clean { "0" } else { "1" }.into();
        let text = match format {
            Format::Text => check::text(checked),
            Format::Json => json,
            Format::Sarif => sarif::report(checked),
        };
        let fault = checked.fault.as_ref().map(|fault| fault.located.to_string());
        Answered { text, fault, is_clean: is_clean || self.ignore_status, facts }
    }
}

/// The answer to a call.
pub struct Answered {
    /// In the requested format.
    pub text: String,
    /// Why the Dockerfile cannot be built.
    pub fault: Option<String>,
    /// There are no warnings, or they were not requested.
    pub is_clean: bool,
    /// For `--metadata-file`, as BuildKit's frontend names them.
    pub facts: Value,
}

fn facts(json: &str, text: &str) -> Value {
    let answer: Value = serde_json::from_str(json).unwrap_or_default();
    json!({ "result.json": answer, "result.txt": text, "version": "1.0.0" })
}

fn method(name: &str) -> Result<Method, String> {
    match name {
        "build" => Ok(Method::Build),
        "check" | "lint" => Ok(Method::Check),
        "outline" => Ok(Method::Outline),
        "targets" => Ok(Method::Targets),
        _ => Err(format!("unknown method `{name}`: it is build, check, outline or targets")),
    }
}

fn format(name: &str) -> Result<Format, String> {
    match name {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        "sarif" => Ok(Format::Sarif),
        _ => Err(format!("unknown format `{name}`: it is text, json or sarif")),
    }
}

/// A location in buildx's format.
fn location(lines: Lines) -> serde_json::Value {
    serde_json::json!({ "ranges": [{ "start": { "line": lines.first }, "end": { "line": lines.last } }] })
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_call() {
        let call = |text| Call::parse(text);
        let check = Call::CHECK;
        assert_eq!(call("check"), Ok(check));
        assert_eq!(call("check,format=json"), Ok(Call { format: Some(Format::Json), ..check }));
        assert_eq!(call("format=sarif,check"), Ok(Call { format: Some(Format::Sarif), ..check }));
        assert_eq!(call("check,ignorestatus=true"), Ok(Call { ignore_status: true, ..check }));
        for wrong in ["", "chek", "check,format=xml", "check,ignorestatus=2", "check,a=b"] {
            assert!(call(wrong).is_err(), "{wrong}");
        }
        assert!(call("build").unwrap().with_format(None).unwrap().is_none());
        assert!(call("build").unwrap().with_format(Some(Format::Json)).is_err());
        assert!(call("outline,format=sarif").unwrap().with_format(None).is_err());
        assert_eq!(check.with_format(Some(Format::Json)).unwrap().unwrap().format, Some(Format::Json));
    }
}
