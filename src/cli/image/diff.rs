//! `rbuild image diff`

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::format::{Column, Listing, human_size};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::contents::{self, Change, Difference};
use crate::image::Platform;

/// Show which files differ between two images, and which step made them differ
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The image to begin with
    #[arg(value_name = "IMAGE")]
    old: String,
    /// The image to come to
    #[arg(value_name = "IMAGE")]
    new: String,
    /// Of images for several platforms, compare those of this one
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// `table`, `json` (a line for each file) or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

const COLUMNS: &[Column] = &[
    Column { field: "Change", heading: "CHANGE" },
    Column { field: "Bytes", heading: "BYTES" },
    Column { field: "Size", heading: "SIZE" },
    Column { field: "Path", heading: "PATH" },
    Column { field: "MadeBy", heading: "MADE BY" },
    Column { field: "Line", heading: "LINE" },
];

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let read = |word: &str| contents::read(&store, word, args.platform.as_ref());
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    let differences = contents::diff(&old, &new);
    let rows: Vec<Value> = differences.iter().map(row).collect();
    let listing = Listing::parse(args.format.as_deref(), "{{.Change}}\t{{.Size}}\t{{.Path}}\t{{.MadeBy}}")?;
    output::print(&listing.render(COLUMNS, &rows)?)?;
    Ok(ExitCode::SUCCESS)
}

/// The word for a change.
pub(super) fn word(change: Change) -> &'static str {
    match change {
        Change::Added => "added",
        Change::Changed => "changed",
        Change::Attributes => "re-owned",
        Change::Removed => "removed",
    }
}

fn row(difference: &Difference<'_>) -> Value {
    let bytes = difference.bytes();
    let sign = if bytes < 0 { "-" } else { "+" };
    json!({
        "Change": word(difference.change),
        "Bytes": bytes,
        "Size": format!("{sign}{}", human_size(bytes.unsigned_abs(), 3)),
        "Path": format!("/{}", difference.path.display()),
        "MadeBy": difference.cause.shown(),
        "Line": difference.cause.line.unwrap_or(0),
    })
}
