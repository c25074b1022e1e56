//! `builds show`, and `buildx history inspect`

use serde_json::{Map, Value, json};

use super::list::{duration, status};
use crate::cli::format::{Missing, Template};
use crate::cli::{CliError, output};
use crate::engine::history::{self, Document, Status, Step, StepState};
use crate::store::Store;

/// Show a build: what was built, how long it took, and what became of its steps
#[derive(Debug, clap::Args)]
pub struct Args {
    /// `pretty`, `json` or a Go template
    #[arg(long, value_name = "FORMAT", default_value = "pretty", hide_default_value = true)]
    format: String,
    /// What the build is known by, or `^N` for the N-th before the last [default: the last]
    #[arg(value_name = "BUILD")]
    build: Option<String>,
}

pub fn run(args: &Args, store: &Store) -> Result<(), CliError> {
    let record = super::one(store, args.build.as_deref())?;
    let document = history::document(store, &record)?;
    let text = match args.format.as_str() {
        "pretty" | "" => pretty(&document),
        "json" => format!("{:#}\n", as_json(&document)),
        template => Template::parse(template)?.render(&as_json(&document), Missing::Zero)? + "\n",
    };
    Ok(output::print(&text)?)
}

/// buildx's fields, in its order, and rbuild's own; empty ones are left out.
fn as_json(document: &Document) -> Value {
    let record = &document.build;
    let mut fields = Map::new();
    let mut add = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    add("Name", json!(record.name));
    add("Ref", json!(record.id));
    add("Context", json!(record.context));
    add("Dockerfile", json!(record.dockerfile));
    if let Some(target) = &record.target {
        add("Target", json!(target));
    }
    add("Platform", json!(record.platforms));
    add("StartedAt", json!(record.started));
    add("CompletedAt", json!(record.ended()));
    add("Duration", json!(record.nanoseconds));
    let status = match record.status {
        Status::Completed => "completed",
        Status::Error => "failed",
        Status::Canceled => "canceled",
        Status::Running => "running",
        Status::Killed => "killed",
    };
    add("Status", json!(status));
    if let Some(failure) = &record.failure {
        let name = failure.step.clone().unwrap_or_default();
        add(
            "Error",
            json!({"Code": 2, "Message": failure.message, "Name": name, "Logs": failure.excerpt.lines().collect::<Vec<_>>()}),
        );
    }
    add("NumCompletedSteps", json!(record.completed));
    add("NumTotalSteps", json!(record.total));
    add("NumCachedSteps", json!(record.cached));
    let pairs = |map: &std::collections::BTreeMap<String, String>| {
        map.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect::<Vec<_>>()
    };
    if !record.build_args.is_empty() {
        add("BuildArgs", json!(pairs(&record.build_args)));
    }
    if !record.labels.is_empty() {
        add("Labels", json!(pairs(&record.labels)));
    }
    add("Config", json!({}));
    add("Steps", document.steps.iter().filter(|step| !step.name.is_empty()).map(step_as_json).collect());
    if !document.notes.is_empty() {
        add("Notes", json!(document.notes));
    }
    Value::Object(fields)
}

fn step_as_json(step: &Step) -> Value {
    json!({
        "Name": step.name, "State": step.state, "Why": step.why, "Duration": step.took() * 1000, "Saved": step.saved * 1000,
        "Lines": step.lines, "Inputs": step.inputs, "Resources": step.resources, "Layer": step.layer,
        "LayerSize": step.layer_bytes, "Printed": step.printed, "LogEnd": step.log_end,
    })
}

fn pretty(document: &Document) -> String {
    let record = &document.build;
    let mut text = format!(
        "Name:\t\t{}\nRef:\t\t{}\nContext:\t{}\nDockerfile:\t{}\n",
        record.name, record.id, record.context, record.dockerfile
    );
    if let Some(target) = &record.target {
        text += &format!("Target:\t\t{target}\n");
    }
    text += &format!("Platforms:\t{}\n\n", record.platforms.join(", "));
    text += &format!("Started:\t{}\n", record.started.strftime("%Y-%m-%d %H:%M:%S"));
    text += &format!("Duration:\t{}\n", duration(record));
    match (&record.failure, record.status) {
        (Some(failure), _) => text += &format!("Error:\t\t{}\n", failure.message),
        (None, Status::Completed | Status::Error) => {}
        (None, _) => text += &format!("Status:\t\t{}\n", status(record)),
    }
    let share = (record.cached * 100).checked_div(record.total).unwrap_or(0);
    text += &format!("Build Steps:\t{}/{} ({share}% cached)\n", record.completed, record.total);
    if let Some(image) = &record.image {
        text += &format!("Image:\t\t{image}\n");
    }
    if !record.tags.is_empty() {
        text += &format!("Tags:\t\t{}\n", record.tags.join(", "));
    }
    for (heading, pairs) in [("BUILD ARG", &record.build_args), ("LABEL", &record.labels)] {
        if !pairs.is_empty() {
            text += &format!("\n{heading}\tVALUE\n");
            text += &pairs.iter().map(|(name, value)| format!("{name}\t\t{value}\n")).collect::<String>();
        }
    }
    if document.steps.iter().any(|step| !step.name.is_empty()) {
        text += "\n";
    }
    for (number, step) in document.steps.iter().enumerate().filter(|(_, step)| !step.name.is_empty()) {
        text += &step_in_words(step, document.critical_path.contains(&number));
    }
    if let Some(failure) = record.failure.as_ref().filter(|failure| !failure.excerpt.is_empty()) {
        text += &format!("\n{}\n", failure.excerpt);
    }
    for note in &document.notes {
        text += &format!("\nNote: {note}\n");
    }
    text + &format!("\nPrint build logs: rbuild builds logs {}\n", record.id)
}

fn step_in_words(step: &Step, is_critical: bool) -> String {
    let took = step.took() as f64 / 1e6;
    let state = match step.state {
        StepState::Cached if step.saved > 0 => format!("cached, saved {:.1}s", step.saved as f64 / 1e6),
        StepState::Cached => "cached".to_owned(),
        StepState::Executed => format!("{took:.1}s"),
        StepState::Failed => format!("failed after {took:.1}s"),
        StepState::Canceled => format!("canceled after {took:.1}s"),
        StepState::Running => format!("not over after {took:.1}s"),
        StepState::NotReached => "not reached".to_owned(),
    };
    let why = if step.why.is_empty() { String::new() } else { format!(": {}", step.why.join("; ")) };
    let mark = if is_critical { ", on the critical path" } else { "" };
    let mut text = format!("{} {state}{mark}{why}\n", step.name.replace('\n', " "));
    if let Some(used) = &step.resources {
        text += &format!("    {}\n", used.in_words());
    }
    if let Some(why) = &step.log_end {
        text += &format!("    its log ends early: {why}\n");
    }
    text
}
