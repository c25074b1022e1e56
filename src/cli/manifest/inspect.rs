//! `rbuild manifest inspect`

use std::path::Path;

use serde::Serialize as _;
use serde_json::{Value, json};

use super::client;
use crate::cli::image::pull::with_hint;
use crate::cli::{CliError, output};
use crate::image::media_type::DOCKER_MANIFEST;
use crate::image::{Descriptor, Reference};
use crate::transport::registry::{Client, ManifestList, RemoteManifest, Repository, describe};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A list that the manifest is in, and the manifest; or the manifest or list alone
    #[arg(value_name = "[MANIFEST_LIST] MANIFEST", required = true, num_args = 1..=2)]
    names: Vec<Reference>,
    /// Show descriptors and manifests, also of a list's images
    #[arg(short, long)]
    verbose: bool,
    /// Speak plain HTTP, and take certificates that nobody vouches for
    #[arg(long)]
    insecure: bool,
}

pub fn run(args: &Args, folder: &Path) -> Result<(), CliError> {
    let client = client(args.insecure, &args.names.iter().collect::<Vec<_>>())?;
    if let [list, manifest] = args.names.as_slice() {
        let known = ManifestList::read(folder, list)?.ok_or_else(|| super::no_list(list))?;
        let entry = known.entries.iter().find(|entry| entry.name == manifest.to_string());
        let entry = entry.ok_or_else(|| CliError::new(format!("no such manifest: {}", manifest.familiar())))?;
        let repository = client.repository(manifest).map_err(with_hint)?;
        let document = repository.manifest(&entry.descriptor.digest.to_string()).map_err(with_hint)?;
        return print(&match args.verbose {
            true => verbose(manifest, &entry.descriptor, &document)?,
            false => parse(&document)?,
        });
    }
    let name = &args.names[0];
    match ManifestList::read(folder, name)? {
        Some(list) if args.verbose => {
            let images = list.entries.iter().map(|entry| {
                let name: Reference = entry.name.parse()?;
                one(&client.repository(&name)?, &name, &entry.descriptor)
            });
            print(&Value::Array(images.collect::<Result<_, CliError>>()?))
        }
        Some(list) => print(&serde_json::to_value(list.index())?),
        None => remote(&client, name, args.verbose),
    }
}

fn remote(client: &Client, name: &Reference, is_verbose: bool) -> Result<(), CliError> {
    let repository = client.repository(name).map_err(with_hint)?;
    let document = repository.top(name).map_err(with_hint)?;
    if !is_verbose {
        return print(&parse(&document)?);
    }
    let parsed = parse(&document)?;
    let Some(entries) = parsed["manifests"].as_array() else {
        let descriptor = describe(&repository, document.clone()).map_err(with_hint)?;
        return print(&verbose(name, &descriptor, &document)?);
    };
    let images = entries.iter().map(|entry| one(&repository, name, &serde_json::from_value(entry.clone())?));
    print(&Value::Array(images.collect::<Result<_, CliError>>()?))
}

fn one(repository: &Repository, name: &Reference, descriptor: &Descriptor) -> Result<Value, CliError> {
    let document = repository.manifest(&descriptor.digest.to_string()).map_err(with_hint)?;
    verbose(&name.with_digest(&descriptor.digest), descriptor, &document)
}

/// docker's verbose format.
fn verbose(name: &Reference, descriptor: &Descriptor, document: &RemoteManifest) -> Result<Value, CliError> {
    let key = if descriptor.media_type == DOCKER_MANIFEST { "SchemaV2Manifest" } else { "OCIManifest" };
    let mut value = json!({"Ref": name.to_string(), "Descriptor": descriptor});
    value[key] = parse(document)?;
    Ok(value)
}

fn parse(document: &RemoteManifest) -> Result<Value, CliError> {
    Ok(serde_json::from_slice(&document.bytes)?)
}

/// docker's indentation: three blanks for lists, which it generates, and a tab for manifests.
fn print(value: &Value) -> Result<(), CliError> {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(match value.get("manifests") {
        Some(_) => b"   ",
        None => b"\t",
    });
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter))?;
    text.push(b'\n');
    Ok(output::print(&String::from_utf8_lossy(&text))?)
}
