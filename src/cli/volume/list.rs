//! `rbuild volume ls`

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::base::Filters;
use crate::cli::docker_config::format_or;
use crate::cli::format::{Column, Listing};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::volume::VolumeRecord;
use crate::engine::volume;

/// List volumes
#[derive(Debug, clap::Args)]
pub struct Args {
    /// dangling=, driver=, label= or name=
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::base::form)]
    filter: Vec<String>,
    /// Print names only
    #[arg(short, long)]
    quiet: bool,
    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// List the volumes of a swarm's cluster, of which there are none here
    #[arg(long, hide = true)]
    cluster: bool,
}

const COLUMNS: &[Column] = &[
    Column { field: "Name", heading: "VOLUME NAME" },
    Column { field: "Driver", heading: "DRIVER" },
    Column { field: "Scope", heading: "SCOPE" },
    Column { field: "Mountpoint", heading: "MOUNTPOINT" },
    Column { field: "Labels", heading: "LABELS" },
    Column { field: "Links", heading: "LINKS" },
    Column { field: "Size", heading: "SIZE" },
    Column { field: "Availability", heading: "AVAILABILITY" },
    Column { field: "Group", heading: "GROUP" },
    Column { field: "Status", heading: "STATUS" },
];

const CLUSTER_TABLE: &str = "table {{.Name}}\t{{.Group}}\t{{.Driver}}\t{{.Availability}}\t{{.Status}}";

pub(super) fn run(args: &Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let filters = Filters::parse(&args.filter, &volume::FILTERS)?;
    let mut records = volume::list(store.root(), &filters)?;
    if args.cluster {
        records.clear();
    }
    let rows: Vec<Value> = records.iter().map(row).collect();
    let listing = match format_or(args.format.as_deref(), args.quiet, |config| config.volumes_format).as_deref() {
        // Like docker, whatever the format.
        _ if args.cluster && !args.quiet => Listing::parse(Some(CLUSTER_TABLE), CLUSTER_TABLE)?,
        None | Some("table") if args.quiet => Listing::rows("{{.Name}}")?,
        Some("raw") if args.quiet => Listing::rows("name: {{.Name}}")?,
        Some("raw") => Listing::rows("name: {{.Name}}\ndriver: {{.Driver}}\n")?,
        format => Listing::parse(format, "{{.Driver}}\t{{.Name}}")?,
    };
    output::print(&listing.render(COLUMNS, &rows)?)?;
    Ok(ExitCode::SUCCESS)
}

fn row(record: &VolumeRecord) -> Value {
    let labels = record.labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    json!({
        "Name": record.name,
        "Driver": record.driver,
        "Scope": record.scope,
        "Mountpoint": record.mountpoint,
        "Labels": labels.collect::<Vec<_>>().join(","),
        "Label": record.labels.clone().unwrap_or_default(),
        "Links": "N/A",
        "Size": "N/A",
        "Availability": "N/A",
        "Group": "N/A",
        "Status": "N/A",
    })
}
