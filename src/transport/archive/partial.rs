//! Docker's archive of an image for a reader that already has its lowest layers.

use std::collections::HashSet;
use std::io::Write;

use serde::Serialize;

use super::ArchiveError;
use super::tar_output::TarOutput;
use crate::image::{Document, ImageConfig, Reference};
use crate::store::Store;
use crate::transport::transfer::{stream_size, write_stream};

/// An entry of `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// Writes docker's archive of one image under these names, without the contents of its lowest `omitted` layers. The
/// archive names those too: the Docker Engine reads a layer's contents only if it lacks the layer.
pub fn save_above(
    store: &Store,
    config: &Document<ImageConfig>,
    names: &[Reference],
    omitted: usize,
    out: impl Write + Send,
) -> Result<(), ArchiveError> {
    let mut output = TarOutput::new(out);
    let diff_ids = &config.rootfs.diff_ids;
    let layers: Vec<String> = diff_ids.iter().map(|diff_id| format!("{}.tar", diff_id.hex())).collect();
    let mut written = HashSet::new();
    for (diff_id, name) in diff_ids.iter().zip(&layers).skip(omitted) {
        if written.insert(diff_id) {
            let size = stream_size(store, diff_id)?;
            output.stream(name, size, |out| Ok(write_stream(store, diff_id, out)?))?;
        }
    }
    let entry = Entry {
        config: format!("{}.json", config.digest().hex()),
        repo_tags: names.iter().map(Reference::familiar).collect(),
        layers,
    };
    output.file(&entry.config, config.bytes())?;
    output.file("manifest.json", &serde_json::to_vec(&[&entry]).expect("it has string keys only"))?;
    output.finish().map(drop)
}
