//! `rbuild ps`

use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::commands::Global;
use super::format::{Column, Listing, ago};
use super::{CliError, output};
use crate::container::{Containers, Entry, Status};

/// List containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also those that have ended
    #[arg(short, long)]
    all: bool,
    /// Print IDs only
    #[arg(short, long)]
    quiet: bool,
    /// Show whole IDs and commands
    #[arg(long)]
    no_trunc: bool,
    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

const COLUMNS: &[Column] = &[
    Column { field: "ID", heading: "CONTAINER ID" },
    Column { field: "Image", heading: "IMAGE" },
    Column { field: "Command", heading: "COMMAND" },
    Column { field: "CreatedAt", heading: "CREATED AT" },
    Column { field: "RunningFor", heading: "CREATED" },
    Column { field: "Status", heading: "STATUS" },
    Column { field: "State", heading: "STATE" },
    Column { field: "Ports", heading: "PORTS" },
    Column { field: "Names", heading: "NAMES" },
];

const DEFAULT: &str = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

/// So many characters of a command are shown.
const COMMAND_LENGTH: usize = 20;

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let entries = Containers::of(store.root()).list()?;
    let shown = entries.iter().filter(|entry| args.all || entry.is_running);
    let rows: Vec<Value> = shown.map(|entry| row(entry, args.no_trunc)).collect();
    let listing = match args.format.as_deref() {
        None | Some("table") if args.quiet => Listing::parse(Some("{{.ID}}"), "")?,
        format => Listing::parse(format, DEFAULT)?,
    };
    output::print(&listing.render(COLUMNS, &rows)?)?;
    Ok(ExitCode::SUCCESS)
}

fn row(entry: &Entry, no_trunc: bool) -> Value {
    let record = &entry.record;
    let words = std::iter::once(&record.path).chain(&record.args).cloned().collect::<Vec<_>>().join(" ");
    let command = match words.char_indices().nth(COMMAND_LENGTH) {
        Some(_) if !no_trunc => format!("{}…", words.chars().take(COMMAND_LENGTH - 1).collect::<String>()),
        _ => words,
    };
    json!({
        "ID": if no_trunc { &record.id } else { record.short_id() },
        "Image": record.config.image,
        "Command": format!("\"{command}\""),
        "CreatedAt": record.created.to_string(),
        "RunningFor": ago(Some(record.created), Timestamp::now()),
        "Status": status(entry),
        "State": entry.state.status.as_str(),
        "Ports": super::port::summary(entry.state.network.get("Ports")),
        "Names": record.name.trim_start_matches('/'),
    })
}

fn status(entry: &Entry) -> String {
    let now = Timestamp::now();
    let state = &entry.state;
    match state.status {
        Status::Running => {
            let since = ago(state.started_at, now);
            format!("Up {}", since.strip_suffix(" ago").unwrap_or(&since))
        }
        Status::Exited if state.finished_at.is_none() => format!("Exited ({})", state.exit_code),
        Status::Exited => format!("Exited ({}) {}", state.exit_code, ago(state.finished_at, now)),
        _ => "Created".to_owned(),
    }
}
