//! `rbuild volume ls`

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::base::{Filters, natural_order};
use crate::cli::docker_config::format_or;
use crate::cli::format::{Column, Listing};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::Containers;
use crate::container::volume::{VolumeRecord, Volumes};

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

pub(super) fn run(args: &Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let filters = Filters::parse(&args.filter, &["dangling", "driver", "label", "name"])?;
    let dangling = filters.boolean("dangling")?;
    let used = used(&Containers::of(store.root()))?;
    let mut records = Volumes::of(store.root()).list()?;
    records.sort_by(|left, right| natural_order(&left.name, &right.name));
    let shown = records.iter().filter(|record| {
        dangling.is_none_or(|wanted| wanted != used.contains(&record.name))
            && filters.exactly("driver", &record.driver)
            && filters.matches("name", &record.name)
            && filters.labels(record.labels.as_ref().unwrap_or(&Default::default()))
    });
    let rows: Vec<Value> = shown.map(row).collect();
    let listing = match format_or(args.format.as_deref(), args.quiet, |config| config.volumes_format).as_deref() {
        None | Some("table") if args.quiet => Listing::parse(Some("{{.Name}}"), "")?,
        format => Listing::parse(format, "{{.Driver}}\t{{.Name}}")?,
    };
    output::print(&listing.render(COLUMNS, &rows)?)?;
    Ok(ExitCode::SUCCESS)
}

/// The volumes that some container has.
pub(super) fn used(containers: &Containers) -> Result<std::collections::BTreeSet<String>, CliError> {
    let entries = containers.list()?;
    Ok(entries.into_iter().flat_map(|entry| entry.record.mounts).map(|mount| mount.name).collect())
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
