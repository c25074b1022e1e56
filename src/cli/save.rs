//! `rbuild save`

use std::io::{BufWriter, IsTerminal as _, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use super::commands::Global;
use super::{CliError, output};
use crate::archive::{NamedImage, SaveFormat, save, save_to_file};
use crate::image::Reference;
use crate::store::{FindImageError, Store};

/// Save one or more images to a docker archive, which is an OCI layout too
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names (all tags of a name that has none), IDs or digests
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    if args.output.is_none() && stdout().is_terminal() {
        return Err(CliError::new("cowardly refusing to save to a terminal").hint("use -o, or redirect the output"));
    }
    let store = global.open_store()?;
    let mut images: Vec<NamedImage> = Vec::new();
    for word in &args.images {
        for (id, names) in select(&store, word)? {
            match images.iter_mut().find(|image| image.id == id) {
                Some(image) => image.names.extend(names),
                None => images.push(NamedImage { id, names }),
            }
        }
    }
    for image in &mut images {
        image.names.sort();
        image.names.dedup();
    }
    match &args.output {
        Some(path) => save_to_file(&store, &images, SaveFormat::Docker, path)?,
        None => {
            let out = BufWriter::with_capacity(1 << 17, output::raw_stdout()?);
            save(&store, &images, SaveFormat::Docker, out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The images a word means, each with the names it shall have: a name without a tag means all of its tags.
fn select(store: &Store, word: &str) -> Result<Vec<(crate::digest::ImageId, Vec<Reference>)>, FindImageError> {
    if let Ok(name) = Reference::parse_without_default_tag(word)
        && name.tag().is_none()
        && name.digest().is_none()
    {
        let prefix = format!("{name}:");
        let tags = store.tags()?.into_iter().filter(|tag| tag.name.starts_with(&prefix));
        let named: Vec<_> =
            tags.filter_map(|tag| Some((tag.image, vec![tag.name.parse::<Reference>().ok()?]))).collect();
        if !named.is_empty() {
            return Ok(named);
        }
    }
    let found = store.find_image(word)?;
    let names = found.reference.filter(|reference| reference.tag().is_some());
    Ok(vec![(found.id, names.into_iter().collect())])
}
