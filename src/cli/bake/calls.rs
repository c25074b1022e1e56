//! Checks, outlines or lists targets of Dockerfiles instead of building them.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::building::options;
use super::{Args, Found};
use crate::cli::build::{Answered, Call, Format, write_metadata};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::language::bake::{Selection, Target};
use crate::store::Store;

/// Whether anything other than a build is requested.
pub(super) fn are_wanted(selection: &Selection) -> bool {
    selection.targets.values().any(|target| method(target).is_some())
}

fn method(target: &Target) -> Option<&str> {
    target.call.as_deref().filter(|call| !matches!(*call, "" | "build"))
}

/// The answer for one target.
struct Said<'a> {
    name: &'a str,
    target: &'a Target,
    answer: Result<Answered, CliError>,
}

/// Runs the call of each target that has one, by name. An error of one does not stop the others.
pub(super) fn run(args: &Args, selection: &Selection, found: &Found, global: &Global) -> Result<ExitCode, CliError> {
    let typed = args.call.as_deref().map(Call::parse).transpose().map_err(CliError::new)?;
    let store = global.open_store()?;
    let asked = selection.targets.iter().filter_map(|(name, target)| {
        let method = method(target)?;
        Some(Said { name, target, answer: ask(method, typed, &store, (target, found)) })
    });
    let said: Vec<Said<'_>> = asked.collect();
    match typed.and_then(Call::format).unwrap_or(Format::Text) {
        Format::Text => said.iter().enumerate().try_for_each(|(place, one)| output::print(&text(place, one)))?,
        Format::Json => output::print(&format!("{:#}\n", merged(selection, &said)))?,
        Format::Sarif => output::print(&format!("{:#}\n", runs(&said)?))?,
    }
    if let Some(path) = &args.metadata_file {
        let facts = said.iter().filter_map(|one| {
            let answered = one.answer.as_ref().ok().filter(|answered| answered.fault.is_none())?;
            Some((one.name.to_owned(), answered.facts.clone()))
        });
        write_metadata(path, &Value::Object(facts.collect()))?;
    }
    let failed = said.iter().any(|one| match &one.answer {
        Ok(answered) => answered.fault.is_some() || !answered.is_clean,
        Err(_) => true,
    });
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn ask(
    method: &str,
    typed: Option<Call>,
    store: &Store,
    (target, found): (&Target, &Found),
) -> Result<Answered, CliError> {
    let call = Call::parse(method).map_err(CliError::new)?.as_typed(typed);
    let call = call.with_format(None)?.ok_or_else(|| CliError::new("nothing is asked for"))?;
    call.answer(store, &options(target, found)?)
}

/// The answer below the target's name and description.
fn text(place: usize, said: &Said<'_>) -> String {
    let mut text = if place > 0 { "\n".to_owned() } else { String::new() };
    text.push_str(&format!("{}\n", said.name));
    if !said.target.description.is_empty() {
        text.push_str(&format!("{}\n", said.target.description));
    }
    text.push('\n');
    match &said.answer {
        Ok(answered) => {
            text.push_str(&answered.text);
            if let Some(fault) = &answered.fault {
                text.push_str(&format!("error: {fault}\n"));
            }
        }
        Err(error) => text.push_str(&format!("error: {}\n", error.message())),
    }
    text
}

/// What would be built, as in `--print`, with the answer of each target.
fn merged(selection: &Selection, said: &[Said<'_>]) -> Value {
    let mut all = selection.to_json();
    let Some(Value::Object(targets)) = all.get_mut("target") else { return all };
    for (name, definition) in targets {
        let mut fields = Map::from_iter([("build".to_owned(), definition.take())]);
        if let Some(one) = said.iter().find(|one| one.name == name) {
            let method = method(one.target).unwrap_or_default();
            let method = if method == "lint" { "check" } else { method };
            fields.insert(method.to_owned(), result(&one.answer));
        }
        *definition = Value::Object(fields);
    }
    all
}

fn result(answer: &Result<Answered, CliError>) -> Value {
    match answer {
        Ok(answered) => {
            let mut result = serde_json::from_str(&answered.text).unwrap_or_else(|_| json!({}));
            if let Some(fault) = &answered.fault {
                result["error"] = json!(fault);
            }
            result
        }
        Err(error) => json!({ "error": error.message() }),
    }
}

/// All answers in one report, with a run for each target.
fn runs(said: &[Said<'_>]) -> Result<Value, CliError> {
    let mut report: Option<Value> = None;
    for one in said {
        let answered =
            one.answer.as_ref().map_err(|error| CliError::new(format!("target {}: {}", one.name, error.message())))?;
        let mut next: Value = serde_json::from_str(&answered.text)?;
        match &mut report {
            None => report = Some(next),
            Some(report) => {
                if let (Some(runs), Some(more)) = (report["runs"].as_array_mut(), next["runs"].as_array_mut()) {
                    runs.append(more);
                }
            }
        }
    }
    Ok(report.unwrap_or_default())
}
