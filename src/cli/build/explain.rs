//! `rbuild explain`

use std::process::ExitCode;

use crate::build::explain::{BuildReport, Outcome, StepReport, in_words};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::store::BuildRow;

/// Explain why each step of a build ran, or was cached
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Image whose last build is explained [default: the last build of all]
    #[arg(value_name = "IMAGE")]
    image: Option<String>,
    /// Explain the last build of all, even a failed one
    #[arg(long, conflicts_with = "image")]
    last: bool,
    /// `json` for a machine to read
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"], default_value = "text")]
    format: String,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let image = match &args.image {
        Some(word) => Some(store.find_image(word)?.id),
        None => None,
    };
    let row = store.last_build(image.as_ref())?.ok_or_else(|| match &args.image {
        Some(word) => CliError::new(format!("no build of `{word}` is remembered")).hint(
            "images that were pulled or loaded were built elsewhere; of each project the last few builds are kept",
        ),
        None => CliError::new("no build is remembered"),
    })?;
    let report: BuildReport = serde_json::from_str(&row.report)
        .map_err(|error| CliError::new(format!("the report of the build cannot be read: {error}")))?;
    let text = match args.format.as_str() {
        "json" => as_json(&row, &report),
        _ => as_text(&row, &report),
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn as_json(row: &BuildRow, report: &BuildReport) -> String {
    let steps: Vec<serde_json::Value> = report
        .steps
        .iter()
        .filter(|step| !step.name.is_empty())
        .map(|step| {
            serde_json::json!({
                "name": step.name,
                "outcome": step.outcome,
                "why": in_words(&step.reasons),
                "reasons": step.reasons,
                "base": step.base,
                "milliseconds": step.milliseconds,
            })
        })
        .collect();
    let document = serde_json::json!({
        "subject": report.subject,
        "platform": report.platform,
        "image": row.image,
        "at": time(row.at),
        "repeated_at": time(row.repeated_at),
        "steps": steps,
    });
    format!("{document:#}\n")
}

fn as_text(row: &BuildRow, report: &BuildReport) -> String {
    let result = match &row.image {
        Some(image) => format!("made {}", image.short()),
        None => "failed".to_owned(),
    };
    let mut text = format!("{} for {}, {}: {result}\n", report.subject, report.platform, time(row.at));
    for step in report.steps.iter().filter(|step| !step.name.is_empty()) {
        text += &format!("{} {}\n", label(step), step.name.replace('\n', " "));
        for reason in &step.reasons {
            text += &format!("            {reason}\n");
        }
    }
    if row.repeated_at > row.at {
        text += &format!("The same build found everything in the cache at {}.\n", time(row.repeated_at));
    }
    text
}

fn label(step: &StepReport) -> &'static str {
    match step.outcome {
        Outcome::Cached => "cached     ",
        Outcome::Executed => "executed   ",
        Outcome::Failed => "failed     ",
        Outcome::NotReached => "not reached",
    }
}

fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}
