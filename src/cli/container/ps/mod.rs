//! `rbuild ps`

pub(in crate::cli) mod row;

use std::process::ExitCode;

use serde_json::Value;

use crate::cli::docker_config::format_or;
use crate::cli::format::{Column, Listing, shows};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
pub(in crate::cli) use crate::engine::container::{FILTERS, STATES};
use crate::engine::container::{ListRequest, list};

/// List containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also those that don't run
    #[arg(short, long)]
    all: bool,
    /// KEY=VALUE: id, name, label, status, exited, ancestor, before, since, volume, network, publish, expose, health
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::base::form)]
    filter: Vec<String>,
    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Only so many that were made last, whether they run or not
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = -1, allow_hyphen_values = true)]
    last: i64,
    /// Only the one that was made last, whether it runs or not
    #[arg(short, long)]
    latest: bool,
    /// Show whole IDs and commands
    #[arg(long)]
    no_trunc: bool,
    /// Print IDs only
    #[arg(short, long)]
    quiet: bool,
    /// Show what the containers' files take
    #[arg(short, long)]
    size: bool,
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
    Column { field: "Size", heading: "SIZE" },
    Column { field: "Labels", heading: "LABELS" },
    Column { field: "LocalVolumes", heading: "LOCAL VOLUMES" },
    Column { field: "Mounts", heading: "MOUNTS" },
    Column { field: "Networks", heading: "NETWORKS" },
    Column { field: "Platform", heading: "PLATFORM" },
];

/// The default of `--last`.
const ALL: i64 = -1;

const RAW: &str = "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate: \
                   {{.State}}\nstatus: {{.Status}}\nnames: {{.Names}}\nlabels:{{with .Labels}} {{.}}{{end}}\nports:\
                   {{with .Ports}} {{.}}{{end}}\n";

const DEFAULT: &str = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let last = if args.latest && args.last == ALL { 1 } else { args.last };
    let last = usize::try_from(last).ok().filter(|last| *last > 0);
    let shown = list(&store, &ListRequest { all: args.all, last, filters: args.filter.clone() })?;
    let format = format_or(args.format.as_deref(), args.quiet, |config| config.ps_format);
    let format = format.as_deref();
    let shows_size = args.size || format.is_some_and(|format| shows(format, "Size"));
    let details = row::Details { no_trunc: args.no_trunc, size: shows_size.then_some(&store) };
    let rows: Vec<Value> = shown.iter().map(|entry| row::row(entry, details)).collect();
    let default = if args.size { format!("{DEFAULT}\t{{{{.Size}}}}") } else { DEFAULT.to_owned() };
    if args.quiet && args.format.as_deref().is_some_and(|format| !format.is_empty()) {
        output::say("WARNING: Ignoring custom format, because both --format and --quiet are set.");
    }
    let raw = if args.size { format!("{RAW}size: {{{{.Size}}}}\n") } else { RAW.to_owned() };
    let listing = match (args.quiet, format) {
        (true, Some("raw")) => Listing::rows("container_id: {{.ID}}")?,
        (true, _) => Listing::rows("{{.ID}}")?,
        (false, Some("raw")) => Listing::rows(&raw)?,
        (false, format) => Listing::parse(format, &default)?,
    };
    output::print(&listing.render(COLUMNS, &rows)?)?;
    Ok(ExitCode::SUCCESS)
}
