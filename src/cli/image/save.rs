//! `rbuild save`

use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::global::Global;
use crate::cli::output::Stream;
use crate::cli::progress::work::Work;
use crate::cli::{CliError, output};
use crate::image::{Platform, Reference, best_match};
use crate::store::{Store, Tag};
use crate::transport::archive::{NamedImage, SaveFormat, save, write_file};
use crate::transport::transfer::Outgoing;

/// Save one or more images to a docker archive, which is an OCI layout too
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names (all tags of a name that has none), IDs or digests
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Of an image for several platforms, save this one only
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    if args.output.is_none() && Stream::Output.is_terminal() {
        return Err(CliError::new("cowardly refusing to save to a terminal").hint("use -o, or redirect the output"));
    }
    let store = global.open_store()?;
    let mut images: Vec<NamedImage> = Vec::new();
    for word in &args.images {
        for selected in select(&store, word, args.platform.as_ref())? {
            match images.iter_mut().find(|known| known.image == selected.image) {
                Some(known) => known.names.extend(selected.names),
                None => images.push(selected),
            }
        }
    }
    for image in &mut images {
        image.names.sort();
        image.names.dedup();
    }
    let work = Work::of_bytes(&format!("saving {}", args.images.join(" ")), None);
    match &args.output {
        Some(path) => {
            write_file(path, |out| save(&store, &images, SaveFormat::Docker, work.writer(out)).map(drop))?;
        }
        None => {
            let out = BufWriter::with_capacity(1 << 17, output::raw_stdout()?);
            save(&store, &images, SaveFormat::Docker, work.writer(out))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a word means, each with the names it shall have: a name without a tag means all of its tags.
fn select(store: &Store, word: &str, platform: Option<&Platform>) -> Result<Vec<NamedImage>, CliError> {
    if let Ok(name) = Reference::parse_without_default_tag(word)
        && name.tag().is_none()
        && name.digest().is_none()
    {
        let prefix = format!("{name}:");
        let tags: Vec<_> = store.tags()?.into_iter().filter(|tag| tag.name.starts_with(&prefix)).collect();
        if !tags.is_empty() {
            return tags.iter().map(|tag| named(store, tag, platform)).collect();
        }
    }
    let found = store.find_image(word)?;
    let tag = match found.reference {
        Some(name) => store.whole_tag(&name.to_string())?.filter(|tag| tag.image == found.id),
        None => None,
    };
    named(store, &tag.unwrap_or_else(|| Tag::single("", &found.id)), platform).map(|image| vec![image])
}

/// All that the tag means, or its image for the platform.
fn named(store: &Store, tag: &Tag, platform: Option<&Platform>) -> Result<NamedImage, CliError> {
    let name = Reference::parse_without_default_tag(&tag.name).ok().filter(|name| name.tag().is_some());
    let mut image = Outgoing::of_tag(tag)?;
    if let Some(wanted) = platform {
        let platforms = image.images().iter().map(|id| store.platform_of(id)).collect::<Result<Vec<_>, _>>()?;
        let Some(best) = best_match(wanted, &platforms) else {
            let offered = platforms.iter().map(Platform::to_string).collect::<Vec<_>>().join(", ");
            let name = name.map_or_else(|| tag.image.to_string(), |name| name.familiar());
            return Err(CliError::new(format!("`{name}` has no image for {wanted}; it has {offered}")));
        };
        image = Outgoing { id: image.images()[best], index: Vec::new(), ..image };
    }
    Ok(NamedImage { image, names: name.into_iter().collect() })
}
