//! `buildx history inspect`

use serde_json::{Map, Value, json};

use super::list::duration;
use crate::build::explain::{Outcome, in_words};
use crate::cli::buildx::Builder;
use crate::cli::format::{Missing, Template};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::history::{self, BuildRecord, Status};
use crate::store::Store;

/// Show a build: what was built, how long it took, and what became of its steps
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    builder: Builder,
    /// `pretty`, `json` or a Go template
    #[arg(long, value_name = "FORMAT", default_value = "pretty", hide_default_value = true)]
    format: String,
    /// What the build is known by, or `^N` for the N-th before the last [default: the last]
    #[arg(value_name = "REF")]
    reference: Option<String>,
}

pub fn run(args: &Args, global: &Global, store: &Store) -> Result<(), CliError> {
    args.builder.check(global)?;
    let record = super::one(store, args.reference.as_deref())?;
    let text = match args.format.as_str() {
        "pretty" | "" => pretty(store, &record)?,
        "json" => format!("{:#}\n", as_json(&record)),
        template => Template::parse(template)?.render(&as_json(&record), Missing::Zero)? + "\n",
    };
    Ok(output::print(&text)?)
}

/// buildx's fields, in its order: what there is nothing to say of is left out.
fn as_json(record: &BuildRecord) -> Value {
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
    Value::Object(fields)
}

fn pretty(store: &Store, record: &BuildRecord) -> Result<String, CliError> {
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
        (None, Status::Canceled) => text += "Status:\t\tCanceled\n",
        (None, _) => {}
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
    if let Some(report) = history::report(store, record)? {
        text += "\n";
        for step in report.steps.iter().filter(|step| !step.name.is_empty()) {
            let took = match step.outcome {
                Outcome::Cached => "cached".to_owned(),
                Outcome::Executed => format!("{:.1}s", step.milliseconds as f64 / 1e3),
                Outcome::Failed => format!("failed after {:.1}s", step.milliseconds as f64 / 1e3),
                Outcome::NotReached => "not reached".to_owned(),
            };
            let why = if step.reasons.is_empty() { String::new() } else { format!(": {}", in_words(&step.reasons)) };
            text += &format!("{} {took}{why}\n", step.name.replace('\n', " "));
        }
    }
    if let Some(failure) = record.failure.as_ref().filter(|failure| !failure.excerpt.is_empty()) {
        text += &format!("\n{}\n", failure.excerpt);
    }
    text += &format!("\nPrint build logs: docker buildx history logs {}\n", record.id);
    Ok(text)
}
