//! `rbuild network ls`

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::base::Filters;
use crate::cli::docker_config::format_or;
use crate::cli::format::{Column, Listing, go_time};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::network::NetworkRecord;
use crate::engine::network;

/// List networks
#[derive(Debug, clap::Args)]
pub struct Args {
    /// dangling=, driver=, id=, label=, name=, scope= or type=builtin|custom
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::base::form)]
    filter: Vec<String>,
    /// Print IDs only
    #[arg(short, long)]
    quiet: bool,
    /// Show whole IDs
    #[arg(long)]
    no_trunc: bool,
    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

const COLUMNS: &[Column] = &[
    Column { field: "ID", heading: "NETWORK ID" },
    Column { field: "Name", heading: "NAME" },
    Column { field: "Driver", heading: "DRIVER" },
    Column { field: "Scope", heading: "SCOPE" },
    Column { field: "IPv4", heading: "IPV4" },
    Column { field: "IPv6", heading: "IPV6" },
    Column { field: "Internal", heading: "INTERNAL" },
    Column { field: "Labels", heading: "LABELS" },
    Column { field: "CreatedAt", heading: "CREATED AT" },
];

pub(super) fn run(args: &Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let filters = Filters::parse(&args.filter, &network::FILTERS)?;
    let records = network::list(store.root(), &filters)?;
    let rows: Vec<Value> = records.iter().map(|record| row(record, args.no_trunc)).collect();
    let listing = match format_or(args.format.as_deref(), args.quiet, |config| config.networks_format).as_deref() {
        None | Some("table") if args.quiet => Listing::rows("{{.ID}}")?,
        Some("raw") if args.quiet => Listing::rows("network_id: {{.ID}}")?,
        Some("raw") => Listing::rows("network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n")?,
        format => Listing::parse(format, "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}")?,
    };
    output::print(&listing.render(COLUMNS, &rows)?)?;
    Ok(ExitCode::SUCCESS)
}

fn row(record: &NetworkRecord, no_trunc: bool) -> Value {
    let labels = record.labels.iter().map(|(key, value)| format!("{key}={value}"));
    json!({
        "ID": if no_trunc { &record.id } else { record.short_id() },
        "Name": record.name,
        "Driver": record.driver,
        "Scope": record.scope,
        "IPv4": record.enable_ipv4.to_string(),
        "IPv6": record.enable_ipv6.to_string(),
        "Internal": record.internal.to_string(),
        "Labels": labels.collect::<Vec<_>>().join(","),
        "Label": record.labels,
        "CreatedAt": go_time(record.created),
    })
}
