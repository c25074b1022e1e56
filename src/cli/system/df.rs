//! `rbuild system df`: the disk usage.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::container::ps::row;
use crate::cli::format::{Column, Listing, Missing, Template, ago, human_size, truncate_id};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::Entry;
use crate::engine::system::disk_usage::{self, DiskUsage, ImageUsage, VolumeUsage};
use crate::store::CacheItem;

/// Show the disk usage of images, containers, volumes and the build cache
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show each thing
    #[arg(short, long)]
    verbose: bool,
    /// `table`, `json`, `table TEMPLATE` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

const COLUMNS: &[Column] = &[
    Column { field: "Type", heading: "TYPE" },
    Column { field: "TotalCount", heading: "TOTAL" },
    Column { field: "Active", heading: "ACTIVE" },
    Column { field: "Size", heading: "SIZE" },
    Column { field: "Reclaimable", heading: "RECLAIMABLE" },
];

const RAW: &str = "type: {{.Type}}\ntotal: {{.TotalCount}}\nactive: {{.Active}}\nsize: {{.Size}}\n\
                   reclaimable: {{.Reclaimable}}\n";

/// An object that takes space.
struct Item {
    /// Its fields for `-v`, under docker's names.
    fields: Value,
    size: u64,
    is_used: bool,
}

/// Objects of one type. Images share layers, so their total is less than the sum.
struct Group {
    name: &'static str,
    columns: &'static [Column],
    items: Vec<Item>,
    total: u64,
    reclaimable: u64,
}

pub(super) fn run(args: &Args, global: &Global) -> Result<ExitCode, CliError> {
    let usage = disk_usage::measure(&global.open_store()?)?;
    let mut groups = [images(&usage), of_containers(&usage.containers), volumes(&usage.volumes), cache(&usage.cache)];
    add_the_rest(&mut groups, usage.rest);
    let text = if args.verbose {
        verbose(&groups, args.format.as_deref())?
    } else {
        let default = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";
        let listing = match args.format.as_deref() {
            Some("raw") => Listing::rows(RAW)?,
            format => Listing::parse(format, default)?,
        };
        listing.render(COLUMNS, &groups.iter().map(row).collect::<Vec<_>>())?
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

/// All objects: as tables, as one JSON object, or as input of a template.
fn verbose(groups: &[Group; 4], format: Option<&str>) -> Result<String, CliError> {
    let template = match format {
        None | Some("" | "table") => return groups.iter().map(details).collect(),
        Some(template) => template,
    };
    let keys = ["Images", "Containers", "Volumes", "BuildCache"];
    let all = keys.iter().zip(groups).map(|(key, group)| {
        let things: Vec<Value> = group.items.iter().map(|item| item.fields.clone()).collect();
        ((*key).to_owned(), Value::from(things))
    });
    let all = Value::Object(all.collect());
    match template {
        "json" => Ok(format!("{all}\n")),
        template => Ok(Template::parse(template)?.render(&all, Missing::Error)? + "\n"),
    }
}

fn details(group: &Group) -> Result<String, CliError> {
    let template: Vec<String> = group.columns.iter().map(|column| format!("{{{{.{}}}}}", column.field)).collect();
    let rows: Vec<Value> = group.items.iter().map(|item| item.fields.clone()).collect();
    let table = Listing::parse(None, &template.join("\t"))?.render(group.columns, &rows)?;
    let title = if group.name == "Build Cache" { "Build cache usage" } else { group.name };
    let total = if group.name == "Build Cache" {
        format!(": {}", human_size(group.total, 4))
    } else {
        " space usage:".to_owned()
    };
    Ok(format!("{title}{total}\n\n{table}\n"))
}

fn images(usage: &DiskUsage) -> Group {
    let item = |used: &ImageUsage| Item { fields: image_fields(used), size: used.size, is_used: used.users > 0 };
    Group {
        name: "Images",
        columns: IMAGES,
        items: usage.images.iter().map(item).collect(),
        total: usage.layers_size,
        reclaimable: usage.layers_size - usage.used_layers_size,
    }
}

const IMAGES: &[Column] = &[
    Column { field: "Repository", heading: "REPOSITORY" },
    Column { field: "Tag", heading: "TAG" },
    Column { field: "ID", heading: "IMAGE ID" },
    Column { field: "CreatedSince", heading: "CREATED" },
    Column { field: "Size", heading: "SIZE" },
    Column { field: "SharedSize", heading: "SHARED SIZE" },
    Column { field: "UniqueSize", heading: "UNIQUE SIZE" },
    Column { field: "Containers", heading: "CONTAINERS" },
];

fn image_fields(used: &ImageUsage) -> Value {
    let ImageUsage { image, size, unique, users } = used;
    let name = image.tags.first().map_or("<none>".to_owned(), |name| name.familiar());
    let (repository, tag) = name.rsplit_once(':').unwrap_or((&name, "<none>"));
    let created = jiff::Timestamp::from_second(image.created_second()).ok();
    json!({
        "Repository": repository,
        "Tag": tag,
        "ID": truncate_id(&image.id().to_string()),
        "Digest": "",
        "CreatedAt": created.map(in_words).unwrap_or_default(),
        "CreatedSince": ago(created, jiff::Timestamp::now()),
        "Size": human_size(*size, 3),
        "VirtualSize": human_size(*size, 4),
        "SharedSize": human_size(size - unique, 4),
        "UniqueSize": human_size(*unique, 4),
        "Containers": users.to_string(),
    })
}

fn in_words(time: jiff::Timestamp) -> String {
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string()
}

const CONTAINERS: &[Column] = &[
    Column { field: "ID", heading: "CONTAINER ID" },
    Column { field: "Image", heading: "IMAGE" },
    Column { field: "Command", heading: "COMMAND" },
    Column { field: "LocalVolumes", heading: "LOCAL VOLUMES" },
    Column { field: "Size", heading: "SIZE" },
    Column { field: "RunningFor", heading: "CREATED" },
    Column { field: "Status", heading: "STATUS" },
    Column { field: "Names", heading: "NAMES" },
];

fn of_containers(containers: &[(Entry, u64)]) -> Group {
    let item = |(entry, size): &(Entry, u64)| {
        let mut fields = row::row(entry, row::Details { no_trunc: false, size: None });
        fields["Size"] = Value::from(human_size(*size, 3));
        Item { fields, size: *size, is_used: entry.is_running }
    };
    simple("Containers", CONTAINERS, containers.iter().map(item).collect())
}

const VOLUMES: &[Column] = &[
    Column { field: "Name", heading: "VOLUME NAME" },
    Column { field: "Links", heading: "LINKS" },
    Column { field: "Size", heading: "SIZE" },
];

fn volumes(volumes: &[VolumeUsage]) -> Group {
    let item = |VolumeUsage { record, links, size }: &VolumeUsage| {
        let labels = record.labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
        let fields = json!({
            "Name": record.name,
            "Driver": record.driver,
            "Scope": "local",
            "Mountpoint": record.mountpoint,
            "Labels": labels.collect::<Vec<_>>().join(","),
            "Links": links.to_string(),
            "Size": human_size(*size, 4),
        });
        Item { fields, size: *size, is_used: *links > 0 }
    };
    simple("Local Volumes", VOLUMES, volumes.iter().map(item).collect())
}

fn cache(items: &[CacheItem]) -> Group {
    simple("Build Cache", CACHE, items.iter().map(cache_item).collect())
}

fn cache_item(item: &CacheItem) -> Item {
    let time = |second| jiff::Timestamp::from_second(second).ok();
    let since = |second| ago(time(second), jiff::Timestamp::now());
    let fields = json!({
        "ID": truncate_id(&item.what.id()),
        "CacheType": item.what.kind(),
        "Size": human_size(item.size, 4),
        "CreatedAt": time(item.created_at).map(in_words).unwrap_or_default(),
        "CreatedSince": since(item.created_at),
        "LastUsedAt": time(item.used_at).map(in_words).unwrap_or_default(),
        "LastUsedSince": since(item.used_at),
        "InUse": item.in_use.to_string(),
        "Shared": item.shared.to_string(),
    });
    Item { fields, size: item.size, is_used: item.in_use }
}

const CACHE: &[Column] = &[
    Column { field: "ID", heading: "CACHE ID" },
    Column { field: "CacheType", heading: "CACHE TYPE" },
    Column { field: "Size", heading: "SIZE" },
    Column { field: "CreatedSince", heading: "CREATED" },
    Column { field: "LastUsedSince", heading: "LAST USED" },
    Column { field: "InUse", heading: "IN USE" },
    Column { field: "Shared", heading: "SHARED" },
];

/// Adds the store's own data: the database, locks, the history of builds, unfinished writes, and the metadata of
/// images.
fn add_the_rest(groups: &mut [Group; 4], size: u64) {
    let fields = json!({
        "ID": "-", "CacheType": "internal", "Size": human_size(size, 4), "CreatedAt": "N/A", "CreatedSince": "N/A",
        "LastUsedAt": "N/A", "LastUsedSince": "N/A", "InUse": "true", "Shared": "false",
    });
    groups[3].items.push(Item { fields, size, is_used: true });
    groups[3].total += size;
}

fn simple(name: &'static str, columns: &'static [Column], items: Vec<Item>) -> Group {
    let total = items.iter().map(|item| item.size).sum();
    let reclaimable = items.iter().filter(|item| !item.is_used).map(|item| item.size).sum();
    Group { name, columns, items, total, reclaimable }
}
