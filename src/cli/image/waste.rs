//! `rbuild image waste`

use std::process::ExitCode;

use serde_json::{Value, json};

use super::diff::word;
use crate::base::bytes;
use crate::cli::format::human_size;
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::contents::{self, Contents, FileInLayer, Finding, Waste};
use crate::image::Platform;

/// Smaller amounts are not listed.
const WORTH_TELLING: u64 = 1000;

/// Show what an image could do without, and which line to change
///
/// Files that a later layer deletes, writes again or only gives another owner; files with the same content; what package
/// managers leave behind.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Fail when more than this is wasted
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_waste: Option<u64>,
    /// Fail when the image is larger than this
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_size: Option<u64>,
    /// Of an image for several platforms, look into this one
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// `text`, or `json`, which has all files of all layers
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"], default_value = "text")]
    format: String,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let contents = contents::read(&store, &args.image, args.platform.as_ref())?;
    let waste = contents::waste(&contents);
    let text = match args.format.as_str() {
        "json" => format!("{:#}\n", as_json(&contents, &waste)),
        _ => as_text(&contents, &waste),
    };
    output::print(&text)?;
    let over = |what: &str, found: u64, most: Option<u64>| {
        most.filter(|most| found > *most)
            .map(|most| CliError::new(format!("{what} {}, more than {}", human_size(found, 4), human_size(most, 4))))
    };
    let errors =
        [over("the image wastes", waste.bytes, args.max_waste), over("the image has", contents.bytes(), args.max_size)];
    match CliError::all(errors.into_iter().flatten().collect()) {
        Some(error) => Err(error),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn as_text(contents: &Contents, waste: &Waste) -> String {
    let mut text = String::new();
    for (index, layer) in contents.layers.iter().enumerate() {
        text.push_str(&format!("{:>3}  {:>8}  {}\n", index + 1, human_size(layer.bytes, 3), layer.cause.shown()));
    }
    let mut rest = 0;
    for finding in &waste.findings {
        if finding.bytes < WORTH_TELLING {
            rest += finding.bytes;
            continue;
        }
        text.push_str(&shown(finding));
    }
    if rest > 0 {
        text.push_str(&format!("\n{} in smaller things\n", human_size(rest, 3)));
    }
    text + &format!("\n{} of {} could be spared\n", human_size(waste.bytes, 3), human_size(contents.bytes(), 3))
}

fn shown(finding: &Finding) -> String {
    let by = finding.hidden_by.map(|layer| format!(", hidden by layer {}", layer + 1)).unwrap_or_default();
    let files = if finding.files == 1 { "1 file".to_owned() } else { format!("{} files", finding.files) };
    let mut text = format!(
        "\n{}: {} in {files} of layer {}{by}\n",
        named(finding),
        human_size(finding.bytes, 3),
        finding.layer + 1
    );
    for path in &finding.paths {
        text.push_str(&format!("  /{}\n", path.display()));
    }
    if finding.files > finding.paths.len() {
        text.push_str(&format!("  and {} more\n", finding.files - finding.paths.len()));
    }
    text + &format!("  -> {}\n", finding.advice)
}

fn named(finding: &Finding) -> String {
    match finding.kind {
        contents::Kind::PackageCache(manager) => format!("{} of {manager}", finding.kind.name()),
        kind => kind.name().to_owned(),
    }
}

fn as_json(contents: &Contents, waste: &Waste) -> Value {
    let layers = contents.layers.iter().enumerate().map(|(index, layer)| {
        json!({
            "layer": index + 1,
            "diffID": layer.diff_id,
            "createdBy": layer.cause.created_by,
            "line": layer.cause.line,
            "bytes": layer.bytes,
            "files": layer.files.iter().map(file).collect::<Vec<_>>(),
        })
    });
    let findings = waste.findings.iter().map(|finding| {
        let line = contents.layers[finding.layer].cause.line;
        json!({
            "kind": finding.kind.name(),
            "manager": if let contents::Kind::PackageCache(manager) = finding.kind { Some(manager) } else { None },
            "bytes": finding.bytes,
            "files": finding.files,
            "layer": finding.layer + 1,
            "line": line,
            "hiddenBy": finding.hidden_by.map(|layer| layer + 1),
            "paths": finding.paths.iter().map(|path| format!("/{}", path.display())).collect::<Vec<_>>(),
            "advice": finding.advice,
        })
    });
    json!({
        "image": contents.id.to_string(),
        "bytes": contents.bytes(),
        "wasted": waste.bytes,
        "findings": findings.collect::<Vec<_>>(),
        "layers": layers.collect::<Vec<_>>(),
    })
}

fn file(file: &FileInLayer) -> Value {
    json!({
        "path": format!("/{}", file.path.display()),
        "change": word(file.change),
        "bytes": file.file.as_ref().map_or(0, |file| file.bytes),
        "before": file.below.as_ref().map(|(layer, file)| json!({"layer": layer + 1, "bytes": file.bytes})),
    })
}
