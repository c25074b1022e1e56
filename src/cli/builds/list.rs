//! `builds ls`, and `buildx history ls`

use jiff::Timestamp;
use serde_json::json;

use crate::base::Filters;
use crate::cli::format::{Column, Listing, ago};
use crate::cli::{CliError, output};
use crate::engine::history::{self, BuildRecord, Status};
use crate::store::Store;

/// List builds, the newest first
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only those with this `ref`, `status` (completed, error, canceled, running, killed), `repository` or `startedAt` (a duration)
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// `table`, `json` or a Go template
    #[arg(long, value_name = "FORMAT", default_value = "table", hide_default_value = true)]
    format: String,
    /// Only builds of the folder that this is, or of one in it
    #[arg(long)]
    local: bool,
    /// Names whole
    #[arg(long)]
    no_trunc: bool,
    /// Print nothing but what builds are known by
    #[arg(short, long)]
    quiet: bool,
}

/// Longer names are cut.
const LONGEST: usize = 36;
const COLUMNS: &[Column] = &[
    Column { field: "Ref", heading: "BUILD ID" },
    Column { field: "Name", heading: "NAME" },
    Column { field: "Status", heading: "STATUS" },
    Column { field: "CreatedAt", heading: "CREATED AT" },
    Column { field: "Duration", heading: "DURATION" },
];

pub fn run(args: &Args, store: &Store) -> Result<(), CliError> {
    let filters = Filters::parse(&args.filter, &["ref", "status", "repository", "startedAt"])?;
    filters.only("status", "status", &["completed", "error", "canceled", "running", "killed"])?;
    let mut records = history::list(store)?;
    records.retain(|record| {
        filters.any("ref", |wanted| record.id.starts_with(wanted) || record.reference() == *wanted)
            && filters.any("status", |wanted| is_in_state(record, wanted))
            && filters.any("repository", |wanted| record.context.contains(wanted))
            && filters.any("startedAt", |wanted| is_within(record, wanted))
    });
    if args.local {
        let here = std::env::current_dir().unwrap_or_default();
        records.retain(|record| std::path::Path::new(&record.context).starts_with(&here));
    }
    if args.quiet {
        let lines: String = records.iter().map(|record| format!("{}\n", record.id)).collect();
        return Ok(output::print(&lines)?);
    }
    if args.format == "json" {
        let lines: String = records.iter().map(|record| format!("{}\n", as_json(record))).collect();
        return Ok(output::print(&lines)?);
    }
    let now = Timestamp::now();
    let rows: Vec<_> = records.iter().map(|record| as_row(record, now, args.no_trunc)).collect();
    let default = "{{.Ref}}\t{{.Name}}\t{{.Status}}\t{{.CreatedAt}}\t{{.Duration}}";
    Ok(output::print(&Listing::parse(Some(&args.format), default)?.render(COLUMNS, &rows)?)?)
}

/// `startedAt=1h`: at most that long ago. An invalid duration matches nothing.
fn is_within(record: &BuildRecord, wanted: &str) -> bool {
    let age = Timestamp::now().as_nanosecond() - record.started.as_nanosecond();
    crate::base::nanoseconds(wanted.trim_start_matches(['<', '>', '='])).is_some_and(|limit| age <= i128::from(limit))
}

/// buildx calls a killed build canceled.
fn is_in_state(record: &BuildRecord, wanted: &str) -> bool {
    let own = status(record).to_ascii_lowercase();
    wanted == own || wanted == "canceled" && own == "killed"
}

pub fn status(record: &BuildRecord) -> &'static str {
    match record.status {
        Status::Completed => "Completed",
        Status::Error => "Error",
        Status::Canceled => "Canceled",
        Status::Running => "Running",
        Status::Killed => "Killed",
    }
}

/// `1m 2s`, or tenths of seconds below a minute, in buildx's format.
pub fn duration(record: &BuildRecord) -> String {
    let seconds = record.nanoseconds / 1_000_000_000;
    match seconds {
        0..60 => format!("{:.1}s", record.nanoseconds as f64 / 1e9),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
    }
}

fn as_row(record: &BuildRecord, now: Timestamp, is_whole: bool) -> serde_json::Value {
    let mut name = record.name.clone();
    if !is_whole && name.chars().count() > LONGEST {
        name = name.chars().take(LONGEST - 1).chain(['…']).collect();
    }
    json!({
        "Ref": record.id, "Name": name, "Status": status(record), "CreatedAt": ago(Some(record.started), now),
        "Duration": duration(record),
    })
}

fn as_json(record: &BuildRecord) -> serde_json::Value {
    json!({
        "cached_steps": record.cached, "completed_at": record.ended(), "completed_steps": record.completed,
        "created_at": record.started, "name": record.name, "ref": record.reference(), "status": status(record),
        "total_steps": record.total,
    })
}
