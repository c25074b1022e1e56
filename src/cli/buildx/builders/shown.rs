//! `buildx ls` and `buildx inspect`: lists builders in buildx's format, which other programs parse.

use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::beside;
use crate::cli::buildx::Builder;
use crate::cli::format::{Column, Listing};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::builders::{self, Node};
use crate::image::{Platform, host_platform};

/// It can be used without starting anything.
const RUNNING: &str = "running";
/// It is on another machine: buildx made it, and rbuild does not use it.
const INACTIVE: &str = "inactive";

/// Show a builder
#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    #[command(flatten)]
    builder: Builder,
    /// Taken: the builder needs no start
    #[arg(long)]
    bootstrap: bool,
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// List the builders
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    builder: Builder,
    /// `table`, `json` or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Taken: nothing is cut
    #[arg(long)]
    no_trunc: bool,
}

pub fn inspect(args: &InspectArgs, global: &Global) -> Result<ExitCode, CliError> {
    let found = match args.name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => beside(global)?.find(name).map_err(super::super::unknown)?,
        None => args.builder.found(global)?,
    };
    let mut head = vec![("Name", found.name.clone()), ("Driver", found.driver.clone())];
    if let Some(time) = found.last_activity {
        head.push(("Last Activity", time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()));
    }
    let mut text = aligned(&head) + "\nNodes:\n";
    let nodes: Vec<String> = found.nodes.iter().map(|node| of_node(&found, node)).collect();
    text += &nodes.join("\n");
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn of_node(builder: &builders::Builder, node: &Node) -> String {
    let mut facts = vec![("Name", node.name.clone()), ("Endpoint", node.endpoint.clone())];
    if let Some(options) = node.driver_opts.as_ref().filter(|options| !options.is_empty()) {
        let options = options.iter().map(|(name, value)| format!("{name}={value:?}"));
        facts.push(("Driver Options", options.collect::<Vec<_>>().join(" ")));
    }
    facts.push(("Status", status(builder).to_owned()));
    if let Some(flags) = node.flags.as_ref().filter(|flags| !flags.is_empty()) {
        facts.push(("BuildKit daemon flags", flags.join(" ")));
    }
    if builder.check_place().is_ok() {
        facts.push(("BuildKit version", version()));
    }
    facts.push(("Platforms", platforms(node).join(", ")));
    let mut text = aligned(&facts);
    for (name, content) in node.files.iter().flatten() {
        text += &format!("File#{name}:\n");
        let content = BASE64.decode(content).unwrap_or_default();
        for line in String::from_utf8_lossy(&content).lines() {
            text += &format!(" > {line}\n");
        }
    }
    text
}

/// Names and aligned values.
fn aligned(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.len() + 2).max().unwrap_or(0);
    facts.iter().map(|(name, value)| format!("{:<width$}{value}\n", format!("{name}:"))).collect()
}

/// Stands for BuildKit's version. It is not a version number of BuildKit, so that nobody infers features from it.
fn version() -> String {
    format!("rbuild {}", env!("CARGO_PKG_VERSION"))
}

fn status(builder: &builders::Builder) -> &'static str {
    if builder.check_place().is_ok() { RUNNING } else { INACTIVE }
}

/// The node's own platforms come first, marked as in buildx; then those that this machine builds.
fn platforms(node: &Node) -> Vec<String> {
    let chosen: Vec<&Platform> = node.platforms.iter().flatten().collect();
    let mut shown: Vec<String> = chosen.iter().map(|platform| format!("{platform}*")).collect();
    let own = host_platform();
    if !chosen.iter().any(|platform| platform.normalized() == own.normalized()) {
        shown.push(own.to_string());
    }
    shown
}

const COLUMNS: &[Column] = &[
    Column { field: "Name", heading: "NAME/NODE" },
    Column { field: "DriverEndpoint", heading: "DRIVER/ENDPOINT" },
    Column { field: "Status", heading: "STATUS" },
    Column { field: "Buildkit", heading: "BUILDKIT" },
    Column { field: "Platforms", heading: "PLATFORMS" },
];

const ROW: &str = "{{.Name}}\t{{.DriverEndpoint}}\t{{.Status}}\t{{.Buildkit}}\t{{.Platforms}}";

/// A row for each builder and for each node; formats get only the builders.
pub fn list(args: &ListArgs, global: &Global) -> Result<ExitCode, CliError> {
    let known = beside(global)?;
    let current = known.current()?.name;
    let all = known.all()?;
    if args.format.as_deref() == Some("json") {
        let lines = all.iter().map(|builder| format!("{}\n", as_json(builder, builder.name == current)));
        output::print(&lines.collect::<String>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let listing = Listing::parse(args.format.as_deref(), ROW)?;
    let is_table = matches!(listing, Listing::Table(_));
    let mut rows = Vec::new();
    for builder in &all {
        let mark = if is_table && builder.name == current { "*" } else { "" };
        let last = builder.last_activity.map(|time| time.to_string()).unwrap_or_default();
        rows.push(json!({
            "Name": format!("{}{mark}", builder.name), "DriverEndpoint": builder.driver, "LastActivity": last,
            "Status": "", "Buildkit": "", "Platforms": "", "Error": "",
        }));
        let branch = if is_table { " \\_ " } else { "" };
        rows.extend(builder.nodes.iter().map(|node| of_row(builder, node, branch)));
    }
    output::print(&listing.render(COLUMNS, &rows)?)?;
    Ok(ExitCode::SUCCESS)
}

fn of_row(builder: &builders::Builder, node: &Node, branch: &str) -> Value {
    let buildkit = if builder.check_place().is_ok() { version() } else { String::new() };
    json!({
        "Name": format!("{branch}{}", node.name), "DriverEndpoint": format!("{branch}{}", node.endpoint),
        "LastActivity": "", "Status": status(builder), "Buildkit": buildkit,
        "Platforms": platforms(node).join(", "), "Error": "",
    })
}

/// buildx's fields, in its order; empty ones of nodes are left out.
fn as_json(builder: &builders::Builder, is_current: bool) -> Value {
    let nodes = builder.nodes.iter().map(|node| {
        let mut shown = serde_json::Map::new();
        if let Some(options) = &node.driver_opts {
            shown.insert("DriverOpts".to_owned(), json!(options));
        }
        shown.insert("Endpoint".to_owned(), json!(node.endpoint));
        if let Some(flags) = &node.flags {
            shown.insert("Flags".to_owned(), json!(flags));
        }
        shown.insert("Name".to_owned(), json!(node.name));
        let platforms: Vec<String> =
            platforms(node).iter().map(|platform| platform.trim_end_matches('*').to_owned()).collect();
        shown.insert("Platforms".to_owned(), json!(platforms));
        shown.insert("Status".to_owned(), json!(status(builder)));
        if builder.check_place().is_ok() {
            shown.insert("Version".to_owned(), json!(version()));
        }
        Value::Object(shown)
    });
    let never = "0001-01-01T00:00:00Z".to_owned();
    json!({
        "Current": is_current, "Driver": builder.driver, "Dynamic": builder.dynamic,
        "LastActivity": builder.last_activity.map_or(never, |time| time.to_string()), "Name": builder.name,
        "Nodes": nodes.collect::<Vec<_>>(),
    })
}
