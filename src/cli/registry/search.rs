//! `rbuild search`

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::format::{Column, Listing};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::image::search::{SearchRequest, search};
use crate::transport::registry::{Client, Found, Settings};

/// Search Docker Hub, or another registry's catalogue, for images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A word; with a registry before it, such as `localhost:5000/word`, that one is searched
    #[arg(value_name = "TERM")]
    term: String,
    /// Show at most this many
    #[arg(long, value_name = "NUMBER", default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: u16,
    /// is-official=BOOL, is-automated=BOOL, stars=NUMBER
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::base::form)]
    filter: Vec<String>,
    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show whole descriptions
    #[arg(long)]
    no_trunc: bool,
}

const COLUMNS: &[Column] = &[
    Column { field: "Name", heading: "NAME" },
    Column { field: "Description", heading: "DESCRIPTION" },
    Column { field: "StarCount", heading: "STARS" },
    Column { field: "IsOfficial", heading: "OFFICIAL" },
    Column { field: "IsAutomated", heading: "AUTOMATED" },
];

/// How many characters of a description docker prints.
const DESCRIPTION_WIDTH: usize = 45;

pub fn run(args: Args, _: &Global) -> Result<ExitCode, CliError> {
    let client = Client::new(&Settings::from_environment()?)?;
    let request = SearchRequest { term: args.term, limit: usize::from(args.limit), filters: args.filter };
    let found = search(&client, &request).map_err(CliError::of_image)?;
    let rows: Vec<Value> = found.iter().map(|found| row(found, args.no_trunc)).collect();
    let default = "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}";
    let listing = Listing::parse(args.format.as_deref(), default)?;
    output::print(&listing.render(COLUMNS, &rows)?)?;
    Ok(ExitCode::SUCCESS)
}

fn row(found: &Found, no_trunc: bool) -> Value {
    let line = found.description.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_long = !no_trunc && line.chars().count() > DESCRIPTION_WIDTH;
    let description = if is_long { line.chars().take(DESCRIPTION_WIDTH - 1).chain(['…']).collect() } else { line };
    let mark = |is_so: bool| if is_so { "[OK]" } else { "" };
    json!({
        "Name": found.name,
        "Description": description,
        "StarCount": found.star_count.to_string(),
        "IsOfficial": mark(found.is_official),
        "IsAutomated": mark(found.is_automated),
    })
}
