//! `rbuild buildx imagetools inspect`

use serde_json::{Map, Value, json};

use crate::cli::builder_registries::put_before;
use crate::cli::buildx::Builder;
use crate::cli::format::{Missing, Template};
use crate::cli::global::Global;
use crate::cli::image::pull::with_hint;
use crate::cli::{CliError, output};
use crate::image::media_type::{Kind, classify};
use crate::image::{Document, Index, Manifest, Reference};
use crate::transport::registry::{Client, RemoteManifest, Repository, Settings};

/// Show an image of a registry: its manifest, or the list of its manifests
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    builder: Builder,
    /// A Go template, with .Name, .Manifest and .Image
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// The manifest as the registry has it, byte for byte
    #[arg(long)]
    raw: bool,
    #[arg(value_name = "NAME")]
    name: Reference,
}

/// The size limit of an image's config.
const CONFIG_LIMIT: u64 = 8 << 20;

pub fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let mut settings = Settings::from_environment()?;
    put_before(&mut settings, &args.builder.found(global)?)?;
    let template = args.format.as_deref().filter(|format| !format.is_empty() && !is_whole_manifest(format));
    if args.raw && template.is_some() {
        return Err(CliError::new("format and raw cannot be used together"));
    }
    let template = template.map(Template::parse).transpose()?;
    let client = Client::new(&settings)?;
    let repository = client.repository(&args.name).map_err(with_hint)?;
    let top = repository.top(&args.name).map_err(with_hint)?;
    if args.raw {
        return Ok(output::print(&String::from_utf8_lossy(&top.bytes))?);
    }
    let index = match classify(&top.media_type) {
        Kind::Index => Some(Document::<Index>::parse("index", top.bytes.clone())?.into_value()),
        _ => None,
    };
    let Some(template) = template else {
        return Ok(output::print(&listing(&args.name, &top, index.as_ref()))?);
    };
    let manifest = match &index {
        Some(index) => {
            let mut fields = Map::new();
            fields.insert("schemaVersion".to_owned(), json!(index.schema_version));
            fields.insert("mediaType".to_owned(), json!(index.media_type));
            fields.insert("digest".to_owned(), json!(top.digest));
            fields.insert("size".to_owned(), json!(top.bytes.len()));
            fields.insert("manifests".to_owned(), json!(index.manifests));
            if !index.annotations.is_empty() {
                fields.insert("annotations".to_owned(), json!(index.annotations));
            }
            Value::Object(fields)
        }
        None => json!({"mediaType": top.media_type, "digest": top.digest, "size": top.bytes.len()}),
    };
    let all = json!({
        "Name": args.name.to_string(),
        "Manifest": manifest,
        "Image": image(&repository, &top, index.as_ref())?,
    });
    Ok(output::print(&template.render(&all, Missing::GoNames)?)?)
}

/// buildx prints `{{.Manifest}}` as if there were no format.
fn is_whole_manifest(format: &str) -> bool {
    let inner = format.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    inner.is_some_and(|inner| inner.trim() == ".Manifest")
}

/// The config of the image; with several images, each under its platform.
fn image(repository: &Repository, top: &RemoteManifest, index: Option<&Index>) -> Result<Value, CliError> {
    let Some(index) = index else { return config(repository, top) };
    let mut configs = Map::new();
    for entry in index.manifests.iter().filter(|entry| !entry.is_attestation()) {
        let platform = entry.platform.as_ref().map(ToString::to_string).unwrap_or_default();
        let document = repository.manifest(&entry.digest.to_string()).map_err(with_hint)?;
        configs.insert(platform, config(repository, &document)?);
    }
    Ok(match configs.len() {
        1 => configs.into_iter().next().map(|(_, config)| config).unwrap_or_default(),
        _ => Value::Object(configs),
    })
}

fn config(repository: &Repository, document: &RemoteManifest) -> Result<Value, CliError> {
    let manifest: Document<Manifest> = Document::parse("manifest", document.bytes.clone())?;
    let bytes = repository.blob_bytes(&manifest.config.digest, "the image config", CONFIG_LIMIT).map_err(with_hint)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// buildx's listing.
fn listing(name: &Reference, top: &RemoteManifest, index: Option<&Index>) -> String {
    let mut text = format!("Name:      {name}\nMediaType: {}\nDigest:    {}\n", top.media_type, top.digest);
    let Some(index) = index else { return text };
    text += "\nManifests:\n";
    for (number, entry) in index.manifests.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        let own = name.without_digest().with_digest(&entry.digest);
        text += &format!("  Name:        {own}\n  MediaType:   {}\n", entry.media_type);
        if let Some(platform) = &entry.platform {
            text += &format!("  Platform:    {platform}\n");
        }
        if !entry.annotations.is_empty() {
            text += "  Annotations:\n";
            for (key, value) in &entry.annotations {
                text += &format!("    {key}: {value}\n");
            }
        }
    }
    text
}
