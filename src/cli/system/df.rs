//! `rbuild system df`: how much room things take.

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::commands::Global;
use crate::cli::format::{Column, Listing, ago, human_size, truncate_id};
use crate::cli::image_info::{self, ImageInfo};
use crate::cli::{CliError, output};
use crate::container::{Containers, Entry};
use crate::digest::DiffId;
use crate::store::{CacheItem, CompressedCopy, Store, Usage, disk_usage};
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
    store.hold_nothing();
    let usage = store.usage()?;
    let mut groups = [
        images(&store, &usage, &containers)?,
        of_containers(&usage, &containers),
        volumes(&store, &usage, &containers)?,
        cache(&store, &usage, &containers)?,
    ];
    add_the_rest(&mut groups, &usage);
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

/// What each layer takes, and each that one of them stands on: its folder and its blobs, but for copies that belong to the cache.
fn layer_sizes(
    store: &Store,
    usage: &Usage,
    image: &ImageInfo,
    copies: &[CompressedCopy],
) -> Result<Vec<(DiffId, u64)>, CliError> {
    let mut sizes = Vec::new();
    let mut diff_ids = image.config.rootfs.diff_ids.clone();
    for diff_id in &image.config.rootfs.diff_ids {
        diff_ids.extend(store.layer(diff_id)?.and_then(|layer| layer.base));
    }
    for diff_id in &diff_ids {
        let blobs = store.layer_blobs(diff_id)?;
        let own = blobs.iter().filter(|blob| copies.iter().all(|copy| copy.blob != blob.digest));
        let blobs: u64 = own.filter_map(|blob| usage.blobs.get(&blob.digest)).sum();
        sizes.push((*diff_id, usage.layers.get(diff_id).copied().unwrap_or(0) + blobs));
    }
    Ok(sizes)
}

fn images(store: &Store, usage: &Usage, containers: &[Entry]) -> Result<Group, CliError> {
    let all = image_info::all(store)?;
    let copies = store.compressed_copies()?;
    let mut sizes = Vec::new();
    let mut holders: HashMap<DiffId, usize> = HashMap::new();
    for image in &all {
        let mut layers = layer_sizes(store, usage, image, &copies)?;
        layers.sort();
        layers.dedup();
        layers.iter().for_each(|(diff_id, _)| *holders.entry(*diff_id).or_default() += 1);
        sizes.push(layers);
    }
    let (mut seen, mut kept) = (HashSet::new(), HashSet::new());
    let (mut items, mut total, mut used_total) = (Vec::new(), 0, 0);
    for (image, layers) in all.iter().zip(&sizes) {
        let id = image.id().to_string();
        let users = containers.iter().filter(|entry| entry.record.image == id).count();
        let documents = [Some(image.id().into()), image.record.manifest];
        let documents: u64 = documents.iter().flatten().filter_map(|digest| usage.blobs.get(digest)).sum();
        let size = layers.iter().map(|(_, bytes)| bytes).sum::<u64>() + documents;
        let unique =
            layers.iter().filter(|(diff_id, _)| holders[diff_id] == 1).map(|(_, bytes)| bytes).sum::<u64>() + documents;
        let added: u64 = layers.iter().filter(|(diff_id, _)| seen.insert(*diff_id)).map(|(_, bytes)| bytes).sum();
        total += added + documents;
        if users > 0 {
            used_total += documents;
            used_total +=
                layers.iter().filter(|(diff_id, _)| kept.insert(*diff_id)).map(|(_, bytes)| bytes).sum::<u64>();
        }
        items.push(Item { cells: image_cells(image, size, unique, users), size, is_used: users > 0 });
    }
    let headings = "REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE\tSHARED SIZE\tUNIQUE SIZE\tCONTAINERS";
    Ok(Group { name: "Images", headings, items, total, reclaimable: total - used_total })
}

fn image_cells(image: &ImageInfo, size: u64, unique: u64, users: usize) -> Vec<String> {
    let name = image.tags.first().map_or("<none>".to_owned(), |name| name.familiar());
    let (repository, tag) = name.rsplit_once(':').unwrap_or((&name, "<none>"));
    vec![
        repository.to_owned(),
        tag.to_owned(),
        truncate_id(&image.id().to_string()),
        ago(jiff::Timestamp::from_second(image.created_second()).ok(), jiff::Timestamp::now()),
        human_size(size, 4),
        human_size(size - unique, 4),
        human_size(unique, 4),
        users.to_string(),
    ]
}

fn of_containers(usage: &Usage, containers: &[Entry]) -> Group {
    let item = |entry: &Entry| {
        let record = &entry.record;
        let size = usage.of("containers").get(&record.id).copied().unwrap_or(0);
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

fn volumes(store: &Store, usage: &Usage, containers: &[Entry]) -> Result<Group, CliError> {
    let mut items = Vec::new();
    for record in Volumes::of(store.root()).list()? {
        let has_it = |entry: &&Entry| entry.record.mounts.iter().any(|mount| mount.name == record.name);
        let links = containers.iter().filter(has_it).count();
        let size = usage.of("volumes").get(&record.name).copied().unwrap_or_else(|| disk_usage(&record.mountpoint));
        items.push(Item { cells: vec![record.name, links.to_string(), human_size(size, 4)], size, is_used: links > 0 });
    }
    Ok(simple("Local Volumes", "VOLUME NAME\tLINKS\tSIZE", items))
}

fn cache(store: &Store, usage: &Usage, containers: &[Entry]) -> Result<Group, CliError> {
    let kept: HashSet<DiffId> = containers.iter().flat_map(|entry| entry.record.diff_ids()).collect();
    let mut items = Vec::new();
    for item in store.cache_items(usage, &kept)? {
        items.push(cache_item(&item));
    }
    items.reverse();
    Ok(simple("Build Cache", CACHE, items))
}

fn cache_item(item: &CacheItem) -> Item {
    let time = |second| ago(jiff::Timestamp::from_second(second).ok(), jiff::Timestamp::now());
    let cells = vec![
        truncate_id(&item.what.id()),
        item.what.kind().to_owned(),
        human_size(item.size, 4),
        time(item.created_at),
        time(item.used_at),
        item.in_use.to_string(),
        item.shared.to_string(),
    ];
    Item { cells, size: item.size, is_used: item.in_use }
}

const CACHE: &str = "CACHE ID\tCACHE TYPE\tSIZE\tCREATED\tLAST USED\tIN USE\tSHARED";

/// The database, locks, and what is being written: it belongs to the cache, and nobody can have it back.
fn add_the_rest(groups: &mut [Group; 4], usage: &Usage) {
    let known: u64 = groups.iter().map(|group| group.total).sum();
    let size = usage.total().saturating_sub(known);
    let cells = ["-", "internal", &human_size(size, 4), "N/A", "N/A", "true", "false"];
    groups[3].items.push(Item { cells: cells.map(str::to_owned).to_vec(), size, is_used: true });
    groups[3].total += size;
}

fn simple(name: &'static str, headings: &'static str, items: Vec<Item>) -> Group {
    let total = items.iter().map(|item| item.size).sum();
    let reclaimable = items.iter().filter(|item| !item.is_used).map(|item| item.size).sum();
    Group { name, headings, items, total, reclaimable }
}
