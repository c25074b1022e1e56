//! The build options for kaniko's arguments.

use std::path::{Path, PathBuf};

use super::arguments::Args;
use super::{context, registries};
use crate::base::{input, urls};
use crate::build::remote_cache::{CacheSource, CacheTarget, ExportOptions, Mode, PlaceOptions, READ_LIMIT};
use crate::build::{BuildOptions, ContextSource, DockerfileSource, Output, OutputKind};
use crate::cli::CliError;
use crate::cli::build::{self, values};
use crate::image::{InvalidReference, Reference};
use crate::language::plan::NoCache;
use crate::transport::transfer::LayerFormat;

/// kaniko's name in an archive for an image without a destination.
const NAMELESS: &str = "docker.io/unset-repo/unset-image-name";
/// The tag of the cache in its repository.
const CACHE_TAG: &str = "rbuild";

/// The build options. Reads the environment, and the Dockerfile if it is not in the context.
pub(super) fn options(args: &Args) -> Result<BuildOptions, CliError> {
    let pushes = !no_push(args)?;
    let destinations = parsed(&args.destinations)?;
    check(args, pushes, &destinations)?;
    // Everything without a flag in kaniko is as in `build`.
    let mut options = build::Args::read(&[".".to_owned()])?.options()?;
    options.heeds_policies = false;
    options.context = context::of(args)?;
    options.dockerfile = dockerfile(args, &options.context)?;
    options.build_args.extend(args.build_args.iter().map(|text| build_arg(text)));
    options.labels = args.labels.iter().map(|text| values::label(text)).collect();
    options.target = args.target.clone().filter(|target| !target.is_empty());
    if let Some(platform) = args.custom_platform.as_deref().filter(|platform| !platform.is_empty()) {
        let wrong = |error| CliError::from(error).context("invalid --custom-platform");
        options.platforms = vec![values::platform(platform).map_err(wrong)?];
        options.platform_is_explicit = true;
    }
    options.no_cache = if args.cache && args.cache_run_layers { NoCache::Never } else { NoCache::Always };
    options.squash = args.single_snapshot;
    options.reproducible = args.reproducible;
    options.keep = false;
    let format = format(args)?;
    options.push = pushes.then_some(format);
    options.immutable_tags_may_stay = args.registries.push_ignore_immutable_tag_errors;
    options.outputs = outputs(args, format);
    let cache = cache(args, destinations.first())?;
    let cache_name = cache.as_ref().and_then(|cache| match cache {
        PlaceOptions::Registry(name) => Some(name.clone()),
        _ => None,
    });
    let written: Vec<Reference> = destinations.iter().cloned().chain(cache_name).collect();
    args.registries.settle(&mut options.registry, &written)?;
    if let Some(file) = registries::credentials(args.kaniko_dir.as_deref()) {
        options.registry.docker_config = Some(file);
    }
    if let Some(place) = cache {
        let limit = READ_LIMIT;
        let source = CacheSource { place: place.clone(), limit, mounts: false, max_age: Some(args.cache_ttl) };
        options.cache_from.push(source);
        if !args.no_push_cache {
            let (mode, compression) = (Mode::Max, LayerFormat::Gzip);
            let target = ExportOptions { place, mode, compression, ignore_error: true, mounts: false };
            options.cache_to.push(CacheTarget::Place(Box::new(target)));
        }
    }
    options.tags = match destinations.is_empty() {
        true => parsed(&[NAMELESS.to_owned()])?,
        false => destinations,
    };
    Ok(options)
}

/// The address of the Dockerfile, if it has one.
pub(super) fn dockerfile_url(args: &Args) -> Option<&str> {
    args.dockerfile.as_deref().filter(|name| urls::is_http_url(name))
}

/// The variable overrides the flag.
fn no_push(args: &Args) -> Result<bool, CliError> {
    let Ok(text) = std::env::var("KANIKO_NO_PUSH") else { return Ok(args.no_push) };
    crate::base::boolean(&text).ok_or_else(|| CliError::new(format!("KANIKO_NO_PUSH is true or false, not `{text}`")))
}

fn check(args: &Args, pushes: bool, destinations: &[Reference]) -> Result<(), CliError> {
    if pushes && destinations.is_empty() {
        return Err(CliError::new("you must provide --destination, or use --no-push"));
    }
    if args.cache && args.cache_repo.is_none() && !pushes {
        return Err(CliError::new("if using cache with --no-push, specify cache repo with --cache-repo"));
    }
    let named = [
        (&args.image_name_with_digest_file, "--image-name-with-digest-file"),
        (&args.image_name_tag_with_digest_file, "--image-name-tag-with-digest-file"),
    ];
    match named.into_iter().find(|(file, _)| file.is_some() && destinations.is_empty()) {
        Some((_, flag)) => Err(CliError::new(format!("you must provide --destination if setting {flag}"))),
        None => Ok(()),
    }
}

fn parsed(names: &[String]) -> Result<Vec<Reference>, CliError> {
    let parse = |name: &String| {
        let name: Reference = name.parse().map_err(|error: InvalidReference| CliError::from(error))?;
        match name.digest() {
            Some(_) => Err(CliError::new(format!("the destination `{}` has a digest", name.familiar()))),
            None => Ok(name),
        }
    };
    names.iter().map(parse).collect()
}

/// A value from the environment if none is given; it may be unset.
fn build_arg(text: &str) -> (String, String) {
    match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (text.to_owned(), std::env::var(text).unwrap_or_default()),
    }
}

/// Looks for the given file here, and then in the context.
fn dockerfile(args: &Args, context: &ContextSource) -> Result<DockerfileSource, CliError> {
    let Some(name) = args.dockerfile.as_deref().filter(|name| !name.is_empty()) else {
        return Ok(DockerfileSource::Default);
    };
    let path = Path::new(name);
    Ok(match context {
        _ if urls::is_http_url(name) => DockerfileSource::Default,
        ContextSource::Directory(_) if path.is_file() => DockerfileSource::Path(path.to_owned()),
        ContextSource::Directory(folder) => DockerfileSource::Path(folder.join(path)),
        _ if path.is_file() => DockerfileSource::Inline(String::from_utf8_lossy(&input::named(path)?).into_owned()),
        _ => DockerfileSource::Path(path.to_owned()),
    })
}

fn format(args: &Args) -> Result<LayerFormat, CliError> {
    let level = args.compression_level;
    match (args.compression.as_deref(), level) {
        (None | Some("gzip"), -1) => Ok(LayerFormat::Gzip),
        (None | Some("gzip"), 0..=9) => Ok(LayerFormat::GzipAt(level)),
        (Some(_), -1) => Ok(LayerFormat::Zstd),
        (Some(_), 0..=22) => Ok(LayerFormat::ZstdAt(level)),
        _ => Err(CliError::new(format!("--compression-level {level}: it is 0 to 9 for gzip, and 0 to 22 for zstd"))),
    }
}

fn outputs(args: &Args, format: LayerFormat) -> Vec<Output> {
    let output = |kind, path: &PathBuf| Output {
        kind,
        destination: path.clone(),
        split_platforms: true,
        format,
        names: Vec::new(),
        deletes: false,
    };
    let layout = args.oci_layout_path.iter().map(|path| output(OutputKind::OciFolder, path));
    layout.chain(args.tar_path.iter().map(|path| output(OutputKind::Docker, path))).collect()
}

/// The place of the cache, if enabled. Without RUN layers it would not be worth a request.
fn cache(args: &Args, destination: Option<&Reference>) -> Result<Option<PlaceOptions>, CliError> {
    if !args.cache || !args.cache_run_layers {
        return Ok(None);
    }
    let repository = match (&args.cache_repo, destination) {
        (Some(repository), _) => repository.clone(),
        (None, Some(destination)) => format!("{}/cache", destination.repository()),
        (None, None) => return Ok(None),
    };
    if let Some(folder) = repository.strip_prefix("oci:") {
        let (path, tag) = (PathBuf::from(folder), CACHE_TAG.to_owned());
        return Ok(Some(PlaceOptions::Folder { path, tag, digest: None }));
    }
    let wrong = |error: InvalidReference| CliError::from(error).context("invalid --cache-repo");
    Ok(Some(PlaceOptions::Registry(format!("{repository}:{CACHE_TAG}").parse().map_err(wrong)?)))
}
