//! `rbuild inspect`

use std::process::ExitCode;

use serde_json::Value;

use super::commands::Global;
use super::format::{FormatError, Missing, Template};
use super::{CliError, image_inspect, output};
use crate::container::{ContainerError, Containers, Entry};
use crate::image::Platform;
use crate::registry::{Client, Settings};
use crate::store::{FindImageError, Store};

/// Show all that is known of images and containers, as JSON
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
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", requires = "remote")]
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    Container,
    Image,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    inspect(&args.names, args.format.as_deref(), args.r#type, global)
}

pub fn run_image(args: ImageArgs, global: &Global) -> Result<ExitCode, CliError> {
    if args.remote {
        return inspect_remote(&args);
    }
    inspect(&args.names, args.format.as_deref(), Some(Kind::Image), global)
}

pub fn run_container(args: ContainerArgs, global: &Global) -> Result<ExitCode, CliError> {
    inspect(&args.names, args.format.as_deref(), Some(Kind::Container), global)
}

/// Shows images of registries.
fn inspect_remote(args: &ImageArgs) -> Result<ExitCode, CliError> {
    let client = Client::new(&Settings::from_environment()?)?;
    let format = args.format.as_deref();
    let template = format.filter(|format| !matches!(*format, "" | "json")).map(Template::parse).transpose()?;
    let platform = args.platform.as_ref();
    let found = args.names.iter().map(|name| image_inspect::remote::describe(&client, name, platform));
    let found = found.collect::<Result<Vec<_>, _>>()?;
    output::print(&render(&found, format, template.as_ref())?)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what is found, then fails when something is not.
fn inspect(names: &[String], format: Option<&str>, kind: Option<Kind>, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let template = format.filter(|format| !matches!(*format, "" | "json")).map(Template::parse).transpose()?;
    let mut found = Vec::new();
    let mut missing: Vec<String> = Vec::new();
    for name in names {
        match find(&store, name, kind)? {
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
    };
    let lines: Vec<String> = missing.iter().map(|name| format!("no such {what}: {name}")).collect();
    Err(CliError::new(lines.join("\nerror: ")))
}

/// The thing of that name: a container, or else an image, as docker looks for them.
fn find(store: &Store, name: &str, kind: Option<Kind>) -> Result<Option<Value>, CliError> {
    if kind != Some(Kind::Image) {
        match Containers::of(store.root()).find(name) {
            Ok(container) => return describe_container(&container).map(Some),
            Err(ContainerError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if kind == Some(Kind::Container) {
        return Ok(None);
    }
    match store.find_image(name) {
        Ok(image) => Ok(Some(image_inspect::describe(store, &image.id)?)),
        Err(FindImageError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The record is in docker's words but for its config, whose empty fields docker shows.
fn describe_container(entry: &Entry) -> Result<Value, CliError> {
    let mut value = serde_json::to_value(&entry.record)?;
    value["State"] = serde_json::to_value(&entry.state)?;
    let mut config = image_inspect::run_config(&entry.record.config.run);
    if let (Value::Object(all), Value::Object(own)) = (&mut config, &value["Config"]) {
        for (key, field) in own {
            all.entry(key.as_str()).or_insert_with(|| field.clone());
        }
    }
    value["Config"] = config;
    Ok(value)
}

fn render(found: &[Value], format: Option<&str>, template: Option<&Template>) -> Result<String, FormatError> {
    if let Some(template) = template {
        let lines =
            found.iter().map(|value| Ok(template.render(value, Missing::Null(image_inspect::OPTIONAL_FIELDS))? + "\n"));
        return lines.collect();
    }
    let list = Value::from(found.to_vec());
    if format == Some("json") {
        return Ok(format!("{list}\n"));
    }
    Ok(indented(&list) + "\n")
}

/// Indented by four blanks, as docker does.
fn indented(value: &Value) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    serde::Serialize::serialize(value, &mut serializer).expect("writing to memory does not fail");
    String::from_utf8_lossy(&out).into_owned()
}
