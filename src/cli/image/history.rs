//! `rbuild history`

use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::base::rfc3339;
use crate::cli::format::{Column, Listing, ago, human_size, truncate_id};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::image::history::history;
use crate::image::{History, Platform};

/// Show how an image was made, the last instruction first
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Sizes and dates for people; false for machines
    #[arg(short = 'H', long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    human: bool,
    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show whole IDs and instructions
    #[arg(long)]
    no_trunc: bool,
    /// Print IDs only
    #[arg(short, long)]
    quiet: bool,
    /// Of an image for several platforms, show this one
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
}

const COLUMNS: &[Column] = &[
    Column { field: "Comment", heading: "COMMENT" },
    Column { field: "CreatedAt", heading: "CREATED AT" },
    Column { field: "CreatedBy", heading: "CREATED BY" },
    Column { field: "CreatedSince", heading: "CREATED" },
    Column { field: "ID", heading: "IMAGE" },
    Column { field: "Size", heading: "SIZE" },
];

/// How many characters of an instruction docker prints.
const CREATED_BY_WIDTH: usize = 45;

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let found = history(&store, &args.image, args.platform.as_ref())?;
    let mut rows: Vec<Value> = Vec::new();
    for (position, (entry, size)) in found.entries.iter().rev().enumerate() {
        let shown = if position == 0 { found.id.to_string() } else { "<missing>".to_owned() };
        rows.push(row(entry, *size, &shown, &args));
    }
    let default = match (args.quiet, args.human) {
        (true, _) => "{{.ID}}",
        (_, true) => "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
        _ => "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    };
    let listing = match args.format.as_deref() {
        None | Some("table") if args.quiet => Listing::parse(Some(default), "")?,
        format => Listing::parse(format, default)?,
    };
    output::print(&listing.render(COLUMNS, &rows)?)?;
    Ok(ExitCode::SUCCESS)
}

fn row(entry: &History, size: u64, id: &str, args: &Args) -> Value {
    let created_by = entry.created_by.replace('\t', " ");
    let is_long = created_by.chars().count() > CREATED_BY_WIDTH;
    let created_by = if is_long && !args.no_trunc {
        created_by.chars().take(CREATED_BY_WIDTH - 1).chain(['…']).collect()
    } else {
        created_by
    };
    let created_at = entry.created.map(rfc3339).unwrap_or_default();
    json!({
        "Comment": entry.comment,
        "CreatedAt": created_at,
        "CreatedBy": created_by,
        "CreatedSince": if args.human { ago(entry.created, Timestamp::now()) } else { created_at.clone() },
        "ID": if args.no_trunc || id == "<missing>" { id.to_owned() } else { truncate_id(id) },
        "Size": if args.human { human_size(size, 3) } else { size.to_string() },
    })
}
