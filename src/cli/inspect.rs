//! `rbuild inspect`

use std::process::ExitCode;

use serde_json::Value;

use crate::cli::format::{self, FormatError, Missing, Template};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::network::NetworkError;
use crate::container::volume::{VolumeError, Volumes};
use crate::container::{ContainerError, Containers};
use crate::engine::container as container_inspect;
use crate::engine::image::{describe as image_inspect, describe_remote, info};
use crate::engine::{network, volume};
use crate::image::Platform;
use crate::store::{FindImageError, Store};
use crate::transport::registry::{Client, Settings};

/// Show details of containers, images, networks and volumes as JSON
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names, IDs or beginnings of IDs
    #[arg(required = true, value_name = "NAME|ID")]
    names: Vec<String>,
    /// `json` (on one line) or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Look for things of this kind only
    #[arg(long, value_name = "KIND")]
    r#type: Option<Kind>,
    /// Also how much room containers take
    #[arg(short, long)]
    size: bool,
}

/// Show all that is known of images, as JSON
#[derive(Debug, clap::Args)]
pub struct ImageArgs {
    /// Names, IDs or beginnings of IDs
    #[arg(required = true, value_name = "IMAGE")]
    names: Vec<String>,
    /// `json` (on one line) or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Ask the registries, without downloading the images
    #[arg(long)]
    remote: bool,
    /// Of an image for several platforms, show this one
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
}

/// Show all that is known of containers, as JSON
#[derive(Debug, clap::Args)]
pub struct ContainerArgs {
    /// Names, IDs or beginnings of IDs
    #[arg(required = true, value_name = "CONTAINER")]
    names: Vec<String>,
    /// `json` (on one line) or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Also how much room they take
    #[arg(short, long)]
    size: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    Container,
    Image,
    Network,
    Volume,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    inspect(&args.names, args.format.as_deref(), args.r#type, args.size, global)
}

pub fn run_image(args: ImageArgs, global: &Global) -> Result<ExitCode, CliError> {
    if args.remote {
        return inspect_remote(&args);
    }
    if args.platform.is_none() {
        return inspect(&args.names, args.format.as_deref(), Some(Kind::Image), false, global);
    }
    // Each name refers to the image of that platform.
    let store = global.open_store()?;
    let chosen = args.names.iter().map(|name| info::find_for(&store, name, args.platform.as_ref()));
    let ids: Vec<String> = chosen.map(|id| id.map(|id| id.to_string())).collect::<Result<_, _>>()?;
    inspect(&ids, args.format.as_deref(), Some(Kind::Image), false, global)
}

pub fn run_container(args: ContainerArgs, global: &Global) -> Result<ExitCode, CliError> {
    inspect(&args.names, args.format.as_deref(), Some(Kind::Container), args.size, global)
}

/// Prints documents of images in registries.
fn inspect_remote(args: &ImageArgs) -> Result<ExitCode, CliError> {
    let client = Client::new(&Settings::from_environment()?)?;
    let format = args.format.as_deref();
    let template = format.filter(|format| !matches!(*format, "" | "json")).map(format::of_document).transpose()?;
    let platform = args.platform.as_ref();
    let found = args.names.iter().map(|name| describe_remote::describe(&client, name, platform));
    let found = found.collect::<Result<Vec<_>, _>>().map_err(CliError::of_image)?;
    output::print(&render(&found, format, template.as_ref())?)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what was found, then fails if something was not.
pub fn inspect(
    names: &[String],
    format: Option<&str>,
    kind: Option<Kind>,
    size: bool,
    global: &Global,
) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let template = format.filter(|format| !matches!(*format, "" | "json")).map(format::of_document).transpose()?;
    let mut found = Vec::new();
    let mut missing: Vec<String> = Vec::new();
    for name in names {
        match find(&store, name, kind, size)? {
            Some(value) => found.push(value),
            None => missing.push(name.clone()),
        }
    }
    output::print(&render(&found, format, template.as_ref())?)?;
    if missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let what = match kind {
        None => "object",
        Some(Kind::Container) => "container",
        Some(Kind::Image) => "image",
        Some(Kind::Network) => "network",
        Some(Kind::Volume) => "volume",
    };
    let lines: Vec<String> = missing.iter().map(|name| format!("no such {what}: {name}")).collect();
    Err(CliError::new(lines.join("\nerror: ")))
}

/// The object of that name: searches the types in docker's order.
fn find(store: &Store, name: &str, kind: Option<Kind>, size: bool) -> Result<Option<Value>, CliError> {
    for kind in kind.map_or(vec![Kind::Container, Kind::Image, Kind::Network, Kind::Volume], |kind| vec![kind]) {
        let found = match kind {
            Kind::Container => find_container(store, name, size)?,
            Kind::Image => match store.find_image(name) {
                Ok(image) => Some(image_inspect::describe(store, &image.id)?),
                Err(FindImageError::NotFound { .. }) => None,
                Err(error) => return Err(error.into()),
            },
            Kind::Network => find_network(store, name)?,
            Kind::Volume => match Volumes::of(store.root()).find(name) {
                Ok(volume) => Some(volume::describe(&volume)),
                Err(VolumeError::NotFound { .. }) => None,
                Err(error) => return Err(error.into()),
            },
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn find_container(store: &Store, name: &str, size: bool) -> Result<Option<Value>, CliError> {
    match Containers::of(store.root()).find(name) {
        Ok(container) => Ok(Some(container_inspect::describe(store, &container, size)?)),
        Err(ContainerError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn find_network(store: &Store, name: &str) -> Result<Option<Value>, CliError> {
    match network::inspect(store.root(), name) {
        Ok(network) => Ok(Some(network)),
        Err(NetworkError::Unknown { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn render(found: &[Value], format: Option<&str>, template: Option<&Template>) -> Result<String, FormatError> {
    if let Some(template) = template {
        let lines = found.iter().map(|value| Ok(template.render(value, Missing::Zero)? + "\n"));
        return lines.collect();
    }
    let list = Value::from(found.to_vec());
    if format == Some("json") {
        return Ok(format!("{list}\n"));
    }
    Ok(indented(&found.iter().map(image_inspect::as_answered).collect()) + "\n")
}

/// Indented by four blanks, as in docker.
pub(super) fn indented(value: &Value) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    serde::Serialize::serialize(value, &mut serializer).expect("writing to memory does not fail");
    // Invalid UTF-8 is written as docker's daemon does.
    String::from_utf8_lossy(&out).replace('\u{fffd}', "\\ufffd")
}
