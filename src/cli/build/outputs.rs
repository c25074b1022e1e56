//! The values of `--output`.

use std::path::{Path, PathBuf};

use super::values::fields;
use crate::base::{self, boolean};
use crate::build::{Output, OutputKind};
use crate::cli::CliError;
use crate::image::{Annotations, InvalidReference, Reference};
use crate::transport::transfer::LayerFormat;

/// The combined value of all `--output` flags.
#[derive(Debug, Default)]
pub(in crate::cli) struct Outputs {
    pub outputs: Vec<Output>,
    /// `type=image`: the result is kept in the store.
    pub keep: bool,
    /// That was requested explicitly: an image that is pushed need not stay.
    pub is_kept: bool,
    /// The names in `type=image`, besides those of `--tag`.
    pub names: Vec<Reference>,
    pub annotations: Annotations,
    /// Push the result to the registries of its names, with layers of this format.
    pub push: Option<LayerFormat>,
    /// Repositories that get the result without a tag.
    pub push_by_digest: Vec<Reference>,
    /// Also name what is pushed by its digest.
    pub name_canonical: bool,
    /// Convert all layers to this format, including those of the base.
    pub force: Option<LayerFormat>,
    /// Unpack all layers.
    pub unpack: bool,
    /// Allow plain HTTP for the registries of `names`.
    pub insecure: bool,
    /// `type=cacheonly`: execute the steps, and keep only their cache records.
    pub cache_only: bool,
    /// `rewrite-timestamp`, the same as `--reproducible`.
    pub reproducible: bool,
    /// `oci-mediatypes=false`
    pub docker_media_types: bool,
}

/// The fields of one flag.
#[derive(Default)]
struct Fields {
    kind: Option<String>,
    destination: Option<PathBuf>,
    /// Whether given explicitly; an OCI layout may be a folder.
    tar: Option<bool>,
    split: Option<bool>,
    names: Vec<String>,
    annotations: Vec<String>,
    push: Option<bool>,
    compression: Option<LayerFormat>,
    force: bool,
    by_digest: bool,
    canonical: bool,
    unpack: bool,
    insecure: bool,
    deletes: bool,
    level: Option<i32>,
    reproducible: bool,
    oci: Option<bool>,
}

impl Fields {
    /// The compression, with its level.
    fn leveled(&self) -> Result<Option<LayerFormat>, String> {
        let Some(level) = self.level else { return Ok(self.compression) };
        match self.compression {
            None | Some(LayerFormat::Gzip) if (0..=9).contains(&level) => Ok(Some(LayerFormat::GzipAt(level))),
            Some(LayerFormat::Zstd) if (0..=22).contains(&level) => Ok(Some(LayerFormat::ZstdAt(level))),
            Some(LayerFormat::Tar) => Err("compression-level: what is not compressed has no level".to_owned()),
            _ => Err("compression-level is 0 to 9 for gzip, and 0 to 22 for zstd".to_owned()),
        }
    }

    fn references(&self) -> Result<Vec<Reference>, String> {
        self.names.iter().map(|name| name.parse().map_err(|error: InvalidReference| error.to_string())).collect()
    }

    /// The first given field that is only valid for images in stores and registries.
    fn of_images_only(&self) -> Option<&'static str> {
        [
            (self.push.is_some(), "push"),
            (self.by_digest, "push-by-digest"),
            (self.canonical, "name-canonical"),
            (self.unpack, "unpack"),
            (self.insecure, "registry.insecure"),
        ]
        .into_iter()
        .find_map(|(given, name)| given.then_some(name))
    }

    /// The kind of output files, for types other than images in stores and registries.
    fn written_kind(&self) -> Result<OutputKind, String> {
        Ok(match self.kind.as_deref() {
            Some("docker") => OutputKind::Docker,
            Some("oci") if self.tar == Some(false) => OutputKind::OciFolder,
            Some("oci") => OutputKind::Oci,
            Some("tar") => OutputKind::Tar,
            Some("local") => OutputKind::Local,
            Some(other) => {
                return Err(format!(
                    "there is no type `{other}`; there are cacheonly, docker, image, local, oci, registry and tar"
                ));
            }
            None => return Err("it needs a type: docker, image, local, oci, registry or tar".to_owned()),
        })
    }

    /// Refuses fields that make no sense for files of that kind.
    fn check_written(&self, kind: OutputKind) -> Result<(), String> {
        let refuse = |text: &str| Err(text.to_owned());
        if let Some(name) = self.of_images_only() {
            return Err(format!("{name} is for type=image and type=registry"));
        }
        match (kind, self.compression) {
            (OutputKind::Oci | OutputKind::OciFolder, _) | (_, None) => {}
            (OutputKind::Docker, Some(LayerFormat::Tar)) => {}
            (OutputKind::Docker, _) => {
                return refuse("docker's archives have uncompressed layers; type=oci has compressed ones");
            }
            _ => return refuse("what is written as files has no layers to compress"),
        }
        if self.deletes && kind != OutputKind::Local {
            return refuse("mode is for type=local");
        }
        if self.split.is_some() && !matches!(kind, OutputKind::Local | OutputKind::Tar) {
            return refuse("platform-split is for type=local and type=tar");
        }
        Ok(())
    }
}

/// A folder, or a tar on standard output.
fn output_at(place: &str) -> Output {
    Output {
        kind: if place == "-" { OutputKind::Tar } else { OutputKind::Local },
        destination: PathBuf::from(place),
        split_platforms: true,
        format: LayerFormat::Gzip,
        names: Vec::new(),
        deletes: false,
    }
}

/// Files in a folder need the name of one.
fn check_folder(kind: OutputKind, destination: &Path) -> Result<(), String> {
    match destination.to_str() {
        Some("") if kind == OutputKind::Local => Err("it needs a folder: dest=PATH".to_owned()),
        Some("-") if kind == OutputKind::Local => {
            Err("files in a folder cannot go to standard output; type=tar can".to_owned())
        }
        _ => Ok(()),
    }
}

impl Outputs {
    /// Adds the value of one flag: `type=KIND,dest=PATH`, a folder, or `-` for a tar on standard output.
    pub fn add(&mut self, text: &str) -> Result<(), CliError> {
        let wrong = |message: String| CliError::new(format!("invalid --output `{text}`: {message}"));
        let fields = base::fields(text).map_err(|error| wrong(error.to_string()))?;
        // One word is a place, whatever it looks like.
        if !text.starts_with("type=") && fields == [text] {
            self.outputs.push(output_at(text));
            return Ok(());
        }
        let given = read_fields(text).map_err(wrong)?;
        for annotation in &given.annotations {
            self.annotations.parse_and_add(annotation)?;
        }
        self.reproducible |= given.reproducible;
        let given = Fields { compression: given.leveled().map_err(wrong)?, ..given };
        if given.oci == Some(false) && given.kind.as_deref() != Some("docker") {
            if !given.annotations.is_empty() {
                return Err(wrong("docker's media types have no annotations: oci-mediatypes=true".to_owned()));
            }
            self.docker_media_types = true;
        }
        match given.kind.as_deref() {
            Some("cacheonly") => {
                self.cache_only = true;
                return Ok(());
            }
            Some("image") => return self.add_image(given).map_err(wrong),
            Some("registry") => {
                return self.add_image(Fields { push: given.push.or(Some(true)), ..given }).map_err(wrong);
            }
            _ => {}
        }
        let kind = given.written_kind().map_err(wrong)?;
        given.check_written(kind).map_err(wrong)?;
        let format = given.compression.unwrap_or(LayerFormat::Gzip);
        if given.force && matches!(kind, OutputKind::Oci | OutputKind::OciFolder) {
            self.force = Some(format);
        }
        let split_platforms = given.split.unwrap_or(true);
        let names = match kind {
            OutputKind::Docker | OutputKind::Oci | OutputKind::OciFolder => given.references().map_err(wrong)?,
            OutputKind::Tar | OutputKind::Local => Vec::new(),
        };
        let destination = match given.destination {
            Some(destination) => {
                check_folder(kind, &destination).map_err(wrong)?;
                destination
            }
            None if matches!(kind, OutputKind::Local | OutputKind::OciFolder) => {
                return Err(wrong("it needs a folder: dest=PATH".to_owned()));
            }
            // The same as `--load`.
            None if kind == OutputKind::Docker => {
                (self.keep, self.is_kept) = (true, true);
                self.names.extend(names);
                return Ok(());
            }
            None => PathBuf::from("-"),
        };
        self.outputs.push(Output { kind, destination, split_platforms, format, names, deletes: given.deletes });
        Ok(())
    }

    /// Refuses to delete files in a folder unless that is allowed, or the folder is below the working directory.
    pub fn check_deletion(&self, is_allowed: bool) -> Result<(), CliError> {
        let here = std::env::current_dir().and_then(|folder| folder.canonicalize());
        for output in self.outputs.iter().filter(|output| output.deletes && !is_allowed) {
            let place = real_path(&output.destination);
            let is_below = here.as_ref().is_ok_and(|here| place.starts_with(here) && place != *here);
            if !is_below {
                let text = format!("--output mode=delete would delete what is in `{}`", output.destination.display());
                return Err(CliError::new(text).hint("allow it with --allow buildx.local.delete"));
            }
        }
        Ok(())
    }

    fn add_image(&mut self, given: Fields) -> Result<(), String> {
        if given.destination.is_some() || given.tar.is_some() || given.split.is_some() {
            return Err(
                "what goes into the store or a registry takes name, push, compression and annotations only".to_owned()
            );
        }
        match (given.push, given.compression) {
            (Some(true), format) => self.push = Some(format.unwrap_or(LayerFormat::Gzip)),
            (_, Some(_)) => return Err("compression is for what is pushed".to_owned()),
            _ if given.by_digest => return Err("push-by-digest is for what is pushed: push=true".to_owned()),
            _ if given.canonical => {
                return Err("name-canonical is for what is pushed: it has a digest only then".to_owned());
            }
            _ => {}
        }
        if given.by_digest && given.names.is_empty() {
            return Err("push-by-digest needs a repository: name=NAME".to_owned());
        }
        if given.by_digest {
            for name in &given.names {
                let name = Reference::parse_without_default_tag(name);
                let name = name.map_err(|error: InvalidReference| error.to_string())?;
                if name.tag().is_some() || name.digest().is_some() {
                    return Err(format!("push-by-digest pushes without a tag, and `{}` has one", name.familiar()));
                }
                self.push_by_digest.push(name);
            }
        } else {
            self.names.extend(given.references()?);
        }
        self.force = self.push.filter(|_| given.force).or(self.force);
        self.name_canonical |= given.canonical;
        self.unpack |= given.unpack;
        self.insecure |= given.insecure;
        self.is_kept |= given.push != Some(true);
        self.keep = true;
        Ok(())
    }
}

/// The path with links resolved, as far as it exists.
fn real_path(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut missing = Vec::new();
    for ancestor in whole.ancestors() {
        if let Ok(real) = ancestor.canonicalize() {
            return missing.iter().rev().fold(real, |place, name: &&std::ffi::OsStr| place.join(name));
        }
        // The target of `..` after a missing name is unknown.
        match ancestor.file_name() {
            Some(name) => missing.push(name),
            None => return PathBuf::from("/"),
        }
    }
    whole
}

fn read_fields(text: &str) -> Result<Fields, String> {
    let mut given = Fields::default();
    for (key, value) in fields(text).map_err(|error| error.to_string())? {
        match key.as_str() {
            "type" => given.kind = Some(value),
            "dest" => given.destination = Some(PathBuf::from(value)),
            "tar" => given.tar = Some(truth(&key, &value)?),
            "platform-split" => given.split = Some(truth(&key, &value)?),
            "push" => given.push = Some(said(&key, &value)?),
            "push-by-digest" => given.by_digest = said(&key, &value)?,
            "name-canonical" => given.canonical = said(&key, &value)?,
            "force-compression" => given.force = said(&key, &value)?,
            "unpack" => given.unpack = said(&key, &value)?,
            "registry.insecure" => given.insecure = said(&key, &value)?,
            "oci-mediatypes" => given.oci = Some(said(&key, &value)?),
            "rewrite-timestamp" => given.reproducible |= said(&key, &value)?,
            "compression-level" => {
                given.level = Some(value.parse().map_err(|_| format!("`{value}` is not a compression level"))?);
            }
            "mode" => {
                given.deletes = match value.as_str() {
                    "copy" => false,
                    "delete" => true,
                    _ => return Err("mode is copy or delete".to_owned()),
                };
            }
            "store" if said(&key, &value)? => {}
            "prefer-nondist-layers" | "oci-artifact" if !said(&key, &value)? => {}
            _ if refusal(&key).is_some() => return Err(refusal(&key).unwrap_or_default().to_owned()),
            "compression" => {
                given.compression = Some(match value.as_str() {
                    "gzip" => LayerFormat::Gzip,
                    "zstd" => LayerFormat::Zstd,
                    "uncompressed" => LayerFormat::Tar,
                    _ => return Err("compression is gzip, zstd or uncompressed".to_owned()),
                });
            }
            "name" => given.names.extend(value.split(',').map(str::to_owned)),
            _ => match key.strip_prefix("annotation").and_then(|rest| rest.split_once('.')) {
                // `annotation.KEY` and `annotation-LEVEL[PLATFORM].KEY`.
                Some((level, name)) => {
                    let level = level.strip_prefix('-').map(|level| format!("{level}:")).unwrap_or_default();
                    given.annotations.push(format!("{level}{name}={value}"));
                }
                None => {
                    return Err(format!(
                        "there is no `{key}`; it takes type, dest, name, push, push-by-digest, name-canonical, compression, \
                         force-compression, unpack, registry.insecure, tar, platform-split and annotations"
                    ));
                }
            },
        }
    }
    Ok(given)
}

/// Why a key of buildx is not supported.
fn refusal(key: &str) -> Option<&'static str> {
    Some(match key {
        "dangling-name-prefix" => "dangling-name-prefix: an image without a name is known by its ID",
        "store" => "store=false: what is pushed is in the store; `rbuild rmi` removes it",
        "prefer-nondist-layers" => "prefer-nondist-layers: a layer keeps the media type that it came with",
        "oci-artifact" => "oci-artifact: rbuild makes no attestations",
        "context" | "buildinfo" | "buildinfo-attrs" | "name-tag" => "it is of an older buildx, and no longer there",
        _ => return None,
    })
}

/// A key alone means true.
fn said(key: &str, value: &str) -> Result<bool, String> {
    truth(key, if value.is_empty() { "true" } else { value })
}

fn truth(key: &str, value: &str) -> Result<bool, String> {
    boolean(value).ok_or_else(|| format!("{key} is true or false, not `{value}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(text: &str) -> Result<Outputs, CliError> {
        let mut outputs = Outputs::default();
        outputs.add(text).map(|()| outputs)
    }

    #[test]
    fn forms_of_outputs() {
        let of = |text| add(text).unwrap().outputs.remove(0);
        let wanted = |kind, destination: &str| Output {
            kind,
            destination: destination.into(),
            split_platforms: true,
            format: LayerFormat::Gzip,
            names: Vec::new(),
            deletes: false,
        };
        assert_eq!(of("out"), wanted(OutputKind::Local, "out"));
        assert_eq!(of("-"), wanted(OutputKind::Tar, "-"));
        assert_eq!(of("type=oci,dest=a.tar"), wanted(OutputKind::Oci, "a.tar"));
        assert_eq!(of("type=oci,tar=false,dest=d"), wanted(OutputKind::OciFolder, "d"));
        assert_eq!(of("type=local,\"dest=a,b\""), wanted(OutputKind::Local, "a,b"));
        assert!(!of("type=tar,platform-split=false").split_platforms);
        assert_eq!(of("type=oci,name=a/b:1").names[0].familiar(), "a/b:1");
        assert_eq!(add("type=docker,name=a/b:1").unwrap().names[0].familiar(), "a/b:1");
        for wrong in [
            "type=local",
            "type=nope,dest=x",
            "type=oci,dst=x",
            "type=oci,platform-split=false",
            "type=image,dest=x",
            "type=image,name=UPPER",
            "type=oci,name=UPPER",
            "type=tar,platform-split=maybe",
            "type=oci,annotation-nope.a=b",
            "type=oci,push=true,dest=x",
            "type=docker,compression=zstd",
            "type=tar,compression=gzip",
            "type=image,compression=zstd",
            "type=image,name=a,push-by-digest=true",
            "type=registry,push-by-digest=true",
            "type=registry,name=a:1,push-by-digest=true",
            "type=image,name=a,name-canonical=true",
            "type=registry,annotation.a=b,oci-mediatypes=false",
            "type=tar,mode=delete",
            "type=local,dest=x,mode=move",
            "type=registry,store=false",
            "type=registry,compression-level=10",
            "type=oci,compression=uncompressed,compression-level=1",
            "type=image,dangling-name-prefix=x",
        ] {
            assert!(add(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_buildx_knows_is_done_or_refused_in_words() {
        let pushed =
            add("type=registry,name=r.example/a,push-by-digest=true,compression=zstd,force-compression").unwrap();
        assert_eq!((pushed.push, pushed.force), (Some(LayerFormat::Zstd), Some(LayerFormat::Zstd)));
        assert!(pushed.names.is_empty() && pushed.push_by_digest[0].tag().is_none());
        assert_eq!(add("type=oci,dest=x,compression=zstd").unwrap().outputs[0].format, LayerFormat::Zstd);
        let same =
            add("type=image,name=a,push,name-canonical,unpack=true,store=true,oci-mediatypes,rewrite-timestamp=0");
        assert!(same.is_ok_and(|given| given.unpack && given.name_canonical && given.force.is_none()));
        for (text, words) in [("type=registry,store=false", "rbuild rmi"), ("type=oci,nope=1", "there is no `nope`")] {
            let said = format!("{:?}", add(text).unwrap_err());
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn what_buildx_can_ask_for_is_done() {
        assert!(add("type=cacheonly").unwrap().cache_only);
        assert!(add("type=oci,dest=x,rewrite-timestamp=true").unwrap().reproducible);
        assert!(add("type=registry,oci-mediatypes=false").unwrap().docker_media_types);
        assert_eq!(add("type=registry,compression-level=9").unwrap().push, Some(LayerFormat::GzipAt(9)));
        let zstd = add("type=oci,dest=x,compression=zstd,compression-level=19").unwrap().outputs[0].format;
        assert_eq!(zstd, LayerFormat::ZstdAt(19));
        let deletes = add("type=local,dest=out,mode=delete").unwrap();
        assert!(deletes.outputs[0].deletes && deletes.check_deletion(false).is_ok());
        for outside in ["/tmp/out", ".", "out/../.."] {
            let outside = add(&format!("type=local,dest={outside},mode=delete")).unwrap();
            assert!(outside.check_deletion(false).is_err() && outside.check_deletion(true).is_ok());
        }
    }

    #[test]
    fn an_image_has_names_and_any_output_annotations() {
        let outputs = add("type=image,\"name=a:1,example.com/b\",annotation.x=1,annotation-index.y=2").unwrap();
        assert!(outputs.keep && outputs.outputs.is_empty());
        assert_eq!(outputs.names.iter().map(Reference::familiar).collect::<Vec<_>>(), ["a:1", "example.com/b:latest"]);
        assert!(outputs.annotations.speak_of_index());
    }
}
