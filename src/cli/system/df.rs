//! `rbuild system df`: how much room things take.

use std::collections::HashSet;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::commands::Global;
use crate::cli::format::{Column, Listing, ago, human_size, truncate_id};
use crate::cli::image_info::{self, layer_size};
use crate::cli::sizes::folder_size;
use crate::cli::{CliError, output};
use crate::container::{Containers, Entry};
use crate::digest::DiffId;
use crate::io_error::AtPath;
use crate::store::Store;
use crate::volume::Volumes;

/// Show how much room images, containers, volumes and the build cache take
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show each thing
    #[arg(short, long)]
    verbose: bool,
    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long, value_name = "FORMAT", conflicts_with = "verbose")]
    format: Option<String>,
}

const COLUMNS: &[Column] = &[
    Column { field: "Type", heading: "TYPE" },
    Column { field: "TotalCount", heading: "TOTAL" },
    Column { field: "Active", heading: "ACTIVE" },
    Column { field: "Size", heading: "SIZE" },
    Column { field: "Reclaimable", heading: "RECLAIMABLE" },
];

/// One thing that takes room.
struct Item {
    /// What `-v` shows of it.
    cells: Vec<String>,
    size: u64,
    is_used: bool,
}

/// Things of one kind. Images share layers: what they take together is less than the sum.
struct Group {
    name: &'static str,
    headings: &'static str,
    items: Vec<Item>,
    total: u64,
    reclaimable: u64,
}

pub(super) fn run(args: &Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let containers = Containers::of(store.root()).list()?;
    let groups = [
        images(&store, &containers)?,
        of_containers(&containers),
        volumes(&store, &containers)?,
        cache(&store, &containers)?,
    ];
    let text = if args.verbose {
        groups.iter().map(details).collect::<Result<String, _>>()?
    } else {
        let default = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";
        Listing::parse(args.format.as_deref(), default)?.render(COLUMNS, &groups.iter().map(row).collect::<Vec<_>>())?
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn row(group: &Group) -> Value {
    let share = (group.reclaimable * 100).checked_div(group.total).unwrap_or(0);
    let reclaimable = human_size(group.reclaimable, 4);
    json!({
        "Type": group.name,
        "TotalCount": group.items.len().to_string(),
        "Active": group.items.iter().filter(|item| item.is_used).count().to_string(),
        "Size": human_size(group.total, 4),
        "Reclaimable": if group.total == 0 { reclaimable } else { format!("{reclaimable} ({share}%)") },
    })
}

fn details(group: &Group) -> Result<String, CliError> {
    let columns: Vec<&str> = group.headings.split('\t').collect();
    let fields: Vec<String> = (0..columns.len()).map(|number| format!("{{{{index . {number}}}}}")).collect();
    let mut rows = vec![columns.iter().map(|text| Value::from(*text)).collect::<Value>()];
    rows.extend(group.items.iter().map(|item| item.cells.iter().map(|cell| Value::from(cell.as_str())).collect()));
    let table = crate::cli::format::table_of(&fields.join("\t"), &rows)?;
    let title = if group.name == "Build Cache" { "Build cache usage" } else { group.name };
    let total = if group.name == "Build Cache" {
        format!(": {}", human_size(group.total, 4))
    } else {
        " space usage:".to_owned()
    };
    Ok(format!("{title}{total}\n\n{table}\n"))
}

fn images(store: &Store, containers: &[Entry]) -> Result<Group, CliError> {
    let (mut seen, mut kept) = (HashSet::new(), HashSet::new());
    let (mut items, mut total, mut used_total) = (Vec::new(), 0, 0);
    let all = image_info::all(store)?;
    for image in &all {
        let id = image.id().to_string();
        let users = containers.iter().filter(|entry| entry.record.image == id).count();
        for layer in &image.config.rootfs.diff_ids {
            let size = layer_size(store, layer);
            total += if seen.insert(*layer) { size } else { 0 };
            used_total += if users > 0 && kept.insert(*layer) { size } else { 0 };
        }
        let size = image.size(store);
        let name = image.tags.first().map_or("<none>".to_owned(), |name| name.familiar());
        let (repository, tag) = name.rsplit_once(':').unwrap_or((&name, "<none>"));
        let created = jiff::Timestamp::from_second(image.created_second()).ok();
        items.push(Item {
            cells: vec![
                repository.to_owned(),
                tag.to_owned(),
                truncate_id(&id),
                ago(created, jiff::Timestamp::now()),
                human_size(size, 4),
                users.to_string(),
            ],
            size,
            is_used: users > 0,
        });
    }
    let headings = "REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE\tCONTAINERS";
    Ok(Group { name: "Images", headings, items, total, reclaimable: total - used_total })
}

fn of_containers(containers: &[Entry]) -> Group {
    let item = |entry: &Entry| {
        let size = folder_size(&entry.upper());
        let record = &entry.record;
        let cells = vec![
            record.short_id().to_owned(),
            record.config.image.clone(),
            record.mounts.iter().filter(|mount| !mount.name.is_empty()).count().to_string(),
            human_size(size, 3),
            ago(Some(record.created), jiff::Timestamp::now()),
            entry.state.status.as_str().to_owned(),
            record.plain_name().to_owned(),
        ];
        Item { cells, size, is_used: entry.is_running }
    };
    let headings = "CONTAINER ID\tIMAGE\tLOCAL VOLUMES\tSIZE\tCREATED\tSTATUS\tNAMES";
    simple("Containers", headings, containers.iter().map(item).collect())
}

fn volumes(store: &Store, containers: &[Entry]) -> Result<Group, CliError> {
    let mut items = Vec::new();
    for record in Volumes::of(store.root()).list()? {
        let has_it = |entry: &&Entry| entry.record.mounts.iter().any(|mount| mount.name == record.name);
        let links = containers.iter().filter(has_it).count();
        let size = folder_size(&record.mountpoint);
        items.push(Item { cells: vec![record.name, links.to_string(), human_size(size, 4)], size, is_used: links > 0 });
    }
    Ok(simple("Local Volumes", "VOLUME NAME\tLINKS\tSIZE", items))
}

/// Layers that no image and no container stands on.
fn cache(store: &Store, containers: &[Entry]) -> Result<Group, CliError> {
    let mut used: HashSet<DiffId> = containers.iter().flat_map(|entry| entry.record.diff_ids()).collect();
    used.extend(image_info::all(store)?.iter().flat_map(|image| image.config.rootfs.diff_ids.clone()));
    let folder = store.root().join("layers");
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(simple("Build Cache", CACHE, Vec::new()));
        }
        entries => entries.at("read", &folder)?,
    };
    let mut items = Vec::new();
    for entry in entries.flatten() {
        let Ok(id) = format!("sha256:{}", entry.file_name().display()).parse::<DiffId>() else { continue };
        if let (false, Some(layer)) = (used.contains(&id), store.layer(&id)?) {
            let made = jiff::Timestamp::from_second(layer.made_at).ok();
            let cells = vec![
                truncate_id(&id.to_string()),
                human_size(layer.content_size, 4),
                ago(made, jiff::Timestamp::now()),
            ];
            items.push(Item { cells, size: layer.content_size, is_used: false });
        }
    }
    Ok(simple("Build Cache", CACHE, items))
}

const CACHE: &str = "CACHE ID\tSIZE\tCREATED";

fn simple(name: &'static str, headings: &'static str, items: Vec<Item>) -> Group {
    let total = items.iter().map(|item| item.size).sum();
    let reclaimable = items.iter().filter(|item| !item.is_used).map(|item| item.size).sum();
    Group { name, headings, items, total, reclaimable }
}
