//! `rbuild buildx imagetools create`: makes an index of images in registries.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::json;

use crate::base::digest::BlobDigest;
use crate::base::io_error::{AtPath as _, IoError};
use crate::cli::builder_registries::put_before;
use crate::cli::buildx::Builder;
use crate::cli::global::Global;
use crate::cli::image::pull::with_hint;
use crate::cli::transfers::{self, Kind};
use crate::cli::{CliError, output};
use crate::image::{AnnotationLevel, Annotations, Platform, Reference, media_type};
use crate::store::Store;
use crate::transport::archive;
use crate::transport::copy::{CopyError, CopyOptions, Place, copy};
use crate::transport::registry::{Client, ManifestList, Settings};

/// Make an image of images that are in registries: an index of all of them
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    builder: Builder,
    /// A digest, a name or a descriptor (JSON)
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    /// The name of the image; may be given several times
    #[arg(short, long, value_name = "NAME")]
    tag: Vec<Reference>,
    /// A file with a source
    #[arg(short, long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Put it behind what the image of the first name has
    #[arg(long)]
    append: bool,
    /// Print the index, and push nothing
    #[arg(long)]
    dry_run: bool,
    /// What the index says besides: `index:KEY=VALUE`, or `manifest-descriptor[PLATFORM]:KEY=VALUE`
    #[arg(long, value_name = "ANNOTATION")]
    annotation: Vec<String>,
    /// An index for one image, too; false copies the image
    #[arg(long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = clap::ArgAction::Set)]
    prefer_index: bool,
    /// Only the images for these platforms
    #[arg(short, long, value_name = "OS/ARCH[/VARIANT]", value_delimiter = ',')]
    platform: Vec<Platform>,
    /// auto, plain, tty, quiet or none
    #[arg(long, value_name = "MODE", value_parser = ["auto", "plain", "tty", "quiet", "none", "rawjson"], default_value = "auto")]
    progress: String,
    /// Write what was made into a file, as JSON
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<PathBuf>,
}

/// The description of a source.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    digest: BlobDigest,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

enum Source {
    Named(Reference),
    /// In the repository of the others.
    Described(Described),
}

pub fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let mut settings = Settings::from_environment()?;
    put_before(&mut settings, &args.builder.found(global)?)?;
    let sources = args.read_sources()?;
    if args.sources.is_empty() && args.file.is_empty() {
        return Err(CliError::new("no sources specified"));
    }
    if !args.dry_run && args.tag.is_empty() {
        return Err(CliError::new("can't push with no tags specified, please set --tag or --dry-run"));
    }
    let annotations = args.annotations()?;
    let client = Client::new(&settings)?;
    let default = default_repository(&sources, &args.tag);
    let quiet = matches!(args.progress.as_str(), "quiet" | "none");
    let is_plain_copy = sources.len() == 1 && annotations.is_empty() && args.platform.is_empty() && !args.dry_run;
    if let ([Source::Named(name)], true) = (sources.as_slice(), is_plain_copy)
        && (!args.prefer_index || is_index(&client, name)?)
    {
        args.copy_whole(&client, name, quiet)?;
        return args.write_metadata(&client);
    }
    let mut list = ManifestList::new(args.tag.first().or(default.as_ref()).ok_or_else(no_repository)?);
    for source in &sources {
        add(&mut list, &client, source, default.as_ref())?;
    }
    if !args.platform.is_empty() {
        let is_wanted = |platform: &Platform| args.platform.iter().any(|own| own.normalized() == platform.normalized());
        list.entries.retain(|entry| entry.descriptor.platform.as_ref().is_some_and(is_wanted));
        if list.entries.is_empty() {
            return Err(CliError::new("no source is for one of these platforms"));
        }
    }
    let nothing = Platform::default();
    for entry in &mut list.entries {
        let platform = entry.descriptor.platform.as_ref().unwrap_or(&nothing);
        let own = annotations.of(AnnotationLevel::ManifestDescriptor, platform);
        entry.descriptor.annotations.extend(own);
    }
    let mut index = list.index();
    if index.media_type == media_type::OCI_INDEX {
        index.annotations = annotations.of(AnnotationLevel::Index, &nothing);
    }
    if args.dry_run {
        return Ok(output::print(&format!("{}\n", String::from_utf8_lossy(&index.to_indented_bytes())))?);
    }
    for name in &args.tag {
        list.name = name.to_string();
        let display = transfers::display(Kind::Push, quiet);
        let pushed = list.push_as(&client, &index, display.as_ref());
        drop(display);
        let (digest, _) = pushed.map_err(with_hint)?;
        tell(name, &digest, quiet);
    }
    args.write_metadata(&client)
}

impl Args {
    /// buildx's metadata: what the names refer to now.
    fn write_metadata(&self, client: &Client) -> Result<(), CliError> {
        let (Some(path), Some(name)) = (&self.metadata_file, self.tag.first()) else { return Ok(()) };
        let top = client.repository(name).and_then(|repository| repository.top(name)).map_err(with_hint)?;
        let names: BTreeSet<String> = self.tag.iter().map(Reference::repository).collect();
        let names: Vec<String> = names.into_iter().collect();
        let facts = json!({
            "containerimage.descriptor": {
                "mediaType": top.media_type, "digest": top.digest, "size": top.bytes.len(),
            },
            "image.name": names.join(","),
        });
        let written = archive::write_file(path, |out| {
            let text = format!("{facts:#}\n");
            out.write_all(text.as_bytes()).map_err(|source| IoError { action: "write", path: path.clone(), source })
        });
        Ok(written?)
    }

    fn read_sources(&self) -> Result<Vec<Source>, CliError> {
        let mut texts = Vec::new();
        for file in &self.file {
            texts.push(std::fs::read_to_string(file).at("read", file)?);
        }
        texts.extend(self.sources.iter().cloned());
        let first = self.append.then(|| self.tag.first().cloned()).flatten().map(Source::Named);
        let others = texts.iter().map(|text| source(text.trim()));
        first.map(Ok).into_iter().chain(others).collect()
    }

    fn annotations(&self) -> Result<Annotations, CliError> {
        let mut annotations = Annotations::default();
        for text in &self.annotation {
            let levels = text.split_once(['=', ':']).map_or("", |(levels, _)| levels);
            let is_wrong = |level: &str| !level.starts_with("index") && !level.starts_with("manifest-descriptor");
            if !text.contains(':') || levels.split(',').any(is_wrong) || levels.contains("index-descriptor") {
                return Err(CliError::new(format!("annotation `{text}`: an index has none of that level"))
                    .hint("there are index:KEY=VALUE and manifest-descriptor[PLATFORM]:KEY=VALUE"));
            }
            annotations.parse_and_add(text)?;
        }
        Ok(annotations)
    }

    /// Copies the unmodified image, under all names.
    fn copy_whole(&self, client: &Client, from: &Reference, quiet: bool) -> Result<(), CliError> {
        // Nothing passes through the store: it stays empty.
        let folder = tempfile::tempdir().at("create", "a temporary folder")?;
        let store = Store::open(folder.path())?;
        for name in &self.tag {
            let places = (&Place::Registry(from.clone()), &Place::Registry(name.clone()));
            let options = CopyOptions { all: true, platform: None };
            let display = transfers::display(Kind::Push, quiet);
            let copied = copy(&store, client, places, &options, display.as_ref());
            drop(display);
            let copied = copied.map_err(|error| match error {
                CopyError::Registry(error) => with_hint(error),
                other => other.into(),
            })?;
            tell(name, &copied.digest, quiet);
        }
        Ok(())
    }
}

fn tell(name: &Reference, digest: &BlobDigest, quiet: bool) {
    if !quiet {
        output::say(format!("pushed {} with the digest {digest}", name.familiar()));
    }
}

fn source(text: &str) -> Result<Source, CliError> {
    let wrong = |reason: String| {
        CliError::new(format!("failed to parse source `{text}`: {reason}"))
            .hint("there are digests, names and descriptors")
    };
    if text.starts_with('{') {
        return serde_json::from_str(text).map(Source::Described).map_err(|error| wrong(error.to_string()));
    }
    if let Ok(digest) = text.parse() {
        return Ok(Source::Described(Described { digest, platform: None, annotations: Default::default() }));
    }
    text.parse().map(Source::Named).map_err(|error: crate::image::InvalidReference| wrong(error.to_string()))
}

/// The only repository among all names.
fn default_repository(sources: &[Source], tags: &[Reference]) -> Option<Reference> {
    let named = sources.iter().filter_map(|source| match source {
        Source::Named(name) => Some(name),
        Source::Described(_) => None,
    });
    let mut names = named.chain(tags);
    let first = names.next()?;
    names.all(|name| name.repository() == first.repository()).then(|| first.clone())
}

fn no_repository() -> CliError {
    CliError::new("no repositories specified, please set a reference in tag or source")
}

fn is_index(client: &Client, name: &Reference) -> Result<bool, CliError> {
    let top = client.repository(name).and_then(|repository| repository.top(name)).map_err(with_hint)?;
    Ok(matches!(media_type::classify(&top.media_type), media_type::Kind::Index))
}

/// Adds a source. Its given description overrides that of the registry.
fn add(list: &mut ManifestList, client: &Client, source: &Source, default: Option<&Reference>) -> Result<(), CliError> {
    match source {
        Source::Named(name) => list.add_all(client, name).map_err(with_hint),
        Source::Described(described) => {
            let repository = default.ok_or_else(|| {
                let digest = described.digest;
                CliError::new(format!("multiple repositories specified, cannot infer repository for `{digest}`"))
            })?;
            list.add_all(client, &repository.without_digest().with_digest(&described.digest)).map_err(with_hint)?;
            for entry in list.entries.iter_mut().filter(|entry| entry.descriptor.digest == described.digest) {
                entry.descriptor.platform = described.platform.clone().or(entry.descriptor.platform.take());
                entry.descriptor.annotations.extend(described.annotations.clone());
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_sources() {
        let digest = format!("sha256:{}", "a".repeat(64));
        assert!(matches!(source("r.example/a:1"), Ok(Source::Named(_))));
        assert!(matches!(source(&digest), Ok(Source::Described(_))));
        let text = format!("{{\"digest\":\"{digest}\",\"platform\":{{\"os\":\"linux\",\"architecture\":\"arm64\"}}}}");
        let Ok(Source::Described(described)) = source(&text) else { panic!("{text}") };
        assert_eq!(described.platform.unwrap().architecture, "arm64");
        assert!(source("{}").is_err() && source("A B").is_err());
    }

    #[test]
    fn one_repository_is_the_default() {
        let name = |text: &str| text.parse::<Reference>().unwrap();
        let sources = [source("r.example/a:1").unwrap()];
        assert!(default_repository(&sources, &[name("r.example/a:2")]).is_some());
        assert!(default_repository(&sources, &[name("r.example/b:2")]).is_none());
    }
}
