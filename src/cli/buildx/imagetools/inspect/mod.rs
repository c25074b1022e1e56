//! `rbuild buildx imagetools inspect`

mod found;
mod listing;

use serde_json::Value;

use crate::cli::builder_registries::put_before;
use crate::cli::buildx::Builder;
use crate::cli::format::{FormatError, Missing, Template};
use crate::cli::global::Global;
use crate::cli::image::pull::with_hint;
use crate::cli::{CliError, output};
use crate::image::media_type::{Kind, classify};
use crate::image::{Document, Index, Reference};
use crate::transport::registry::{Client, Settings};

/// Show an image of a registry: its manifest, or the list of its manifests
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    builder: Builder,
    /// A Go template, with .Name, .Manifest, .Image, .Provenance and .SBOM
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// The manifest as the registry has it, byte for byte
    #[arg(long)]
    raw: bool,
    #[arg(value_name = "NAME")]
    name: String,
}

pub fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let mut settings = Settings::from_environment()?;
    put_before(&mut settings, &args.builder.found(global)?)?;
    let format = args.format.as_deref().filter(|format| !format.is_empty());
    if args.raw && format.is_some() {
        return Err(CliError::new("format and raw cannot be used together"));
    }
    let name: Reference = args.name.parse().map_err(|error| CliError::new(format!("invalid reference: {error}")))?;
    let client = Client::new(&settings)?;
    let repository = client.repository(&name).map_err(with_hint)?;
    let top = repository.top(&name).map_err(with_hint)?;
    if args.raw {
        return Ok(output::print_bytes(&top.bytes)?);
    }
    let template = format.map(Template::parse).transpose().map_err(in_words_of_buildx)?;
    // As with buildx, what begins with the manifest is the listing.
    let Some(template) = template.filter(|template| !template.begins_with_field(".Manifest")) else {
        let index = match classify(&top.media_type) {
            Kind::Index => Some(Document::<Index>::parse("index", top.bytes.clone())?.into_value()),
            _ => None,
        };
        return Ok(output::print(&listing::listing(&name, &top, index.as_ref()))?);
    };
    let asks_for = |method: &str| format.is_some_and(|format| format.contains(method));
    let wanted = found::Wanted { sbom: asks_for(".SBOM"), provenance: asks_for(".Provenance") };
    let value: Value = found::value(&args.name, &repository, &top, wanted)?;
    let mut text = String::new();
    let rendered = template.render_into(&mut text, &value, Missing::Struct);
    output::print(&text)?;
    rendered.map_err(in_words_of_buildx)
}

/// buildx says no more than Go does.
fn in_words_of_buildx(error: FormatError) -> CliError {
    let text = error.to_string();
    CliError::new(text.strip_prefix("template parsing error: ").unwrap_or(&text))
}
