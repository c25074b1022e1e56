//! Writes the digest of the result where later steps of a job read it.

use std::io::Write as _;
use std::path::Path;

use serde_json::json;

use super::arguments::Args;
use crate::base::io_error::{AtPath as _, IoError};
use crate::build::context::upload;
use crate::build::{BuildOptions, BuildResult};
use crate::cli::CliError;
use crate::cli::build::manifest_of;
use crate::image::Reference;
use crate::store::Store;
use crate::transport::archive;
use crate::transport::transfer::LayerFormat;

pub(super) fn write(args: &Args, store: &Store, options: &BuildOptions, result: &BuildResult) -> Result<(), CliError> {
    let folder = std::env::var_os("BUILDER_OUTPUT").filter(|folder| !folder.is_empty() && options.push.is_some());
    let files = [&args.digest_file, &args.image_name_with_digest_file, &args.image_name_tag_with_digest_file];
    if folder.is_none() && files.iter().all(|file| file.is_none()) {
        return Ok(());
    }
    let digest = match result.pushed.first() {
        Some(pushed) => pushed.digest,
        None => {
            let format = options.outputs.first().map_or(LayerFormat::Gzip, |output| output.format);
            manifest_of(store, result, format)?.digest
        }
    };
    let lines = |with_tag: bool| -> String {
        options.tags.iter().map(|name| format!("{}@{digest}\n", shown(name, with_tag))).collect()
    };
    let texts = [digest.to_string(), lines(false), lines(true)];
    for (file, text) in files.into_iter().zip(texts) {
        if let Some(file) = file {
            put(file, &text)?;
        }
    }
    let Some(folder) = folder else { return Ok(()) };
    // Google's Cloud Build shows these as the images of a step.
    let images = options.tags.iter().map(|name| format!("{}\n", json!({"name": shown(name, true), "digest": digest})));
    put(&Path::new(&folder).join("images").to_string_lossy(), &images.collect::<String>())
}

/// The name in kaniko's format: Docker Hub has its older name.
fn shown(name: &Reference, with_tag: bool) -> String {
    let domain = if name.domain() == "docker.io" { "index.docker.io" } else { name.domain() };
    let tag = name.tag().filter(|_| with_tag).map(|tag| format!(":{tag}")).unwrap_or_default();
    format!("{domain}/{}{tag}", name.path())
}

fn put(place: &str, text: &str) -> Result<(), CliError> {
    if place.starts_with("https://") || place.starts_with("http://") {
        return Ok(upload::put(place, text.as_bytes())?);
    }
    let path = Path::new(place);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).at("create", folder)?;
    }
    Ok(archive::write_file(path, |out| {
        let failed = |source| IoError { action: "write", path: path.to_owned(), source };
        out.write_all(text.as_bytes()).map_err(failed)
    })?)
}
