//! The values of `--output`.

use std::path::PathBuf;

use super::values::fields;
use crate::build::{Output, OutputKind};
use crate::cli::CliError;
use crate::image::{Annotations, Reference};
use crate::transfer::LayerFormat;

/// What all `--output` flags ask for together.
#[derive(Debug, Default)]
pub(in crate::cli) struct Outputs {
    pub outputs: Vec<Output>,
    /// `type=image`: the store is one of the places.
    pub keep: bool,
    /// What `type=image` calls the result, beside `--tag`.
    pub names: Vec<Reference>,
    pub annotations: Annotations,
    /// The result goes to the registries of its names, with layers of this format.
    pub push: Option<LayerFormat>,
}

/// The fields of one flag.
#[derive(Default)]
struct Fields {
    kind: Option<String>,
    destination: Option<PathBuf>,
    /// Said in so many words; an OCI layout may be a folder.
    tar: Option<bool>,
    split: Option<bool>,
    names: Vec<String>,
    annotations: Vec<String>,
    push: Option<bool>,
    compression: Option<LayerFormat>,
}

impl Outputs {
    /// Adds what one flag says: `type=KIND,dest=PATH`, a folder, or `-` for a tar on standard output.
    pub fn add(&mut self, text: &str) -> Result<(), CliError> {
        let wrong = |message: String| CliError::new(format!("invalid --output `{text}`: {message}"));
        if !text.contains('=') {
            let kind = if text == "-" { OutputKind::Tar } else { OutputKind::Local };
            self.outputs.push(Output { kind, destination: PathBuf::from(text), split_platforms: true });
            return Ok(());
        }
        let given = read_fields(text).map_err(wrong)?;
        for annotation in &given.annotations {
            self.annotations.parse_and_add(annotation)?;
        }
        let kind = match given.kind.as_deref() {
            Some("image") => return self.add_image(given).map_err(wrong),
            Some("registry") => {
                return self.add_image(Fields { push: given.push.or(Some(true)), ..given }).map_err(wrong);
            }
            Some("docker") => OutputKind::Docker,
            Some("oci") if given.tar == Some(false) => OutputKind::OciFolder,
            Some("oci") => OutputKind::Oci,
            Some("tar") => OutputKind::Tar,
            Some("local") => OutputKind::Local,
            Some(other) => {
                return Err(wrong(format!(
                    "there is no type `{other}`; there are docker, image, local, oci, registry and tar"
                )));
            }
            None => return Err(wrong("it needs a type: docker, image, local, oci, registry or tar".to_owned())),
        };
        if given.push.is_some() || given.compression.is_some() {
            return Err(wrong("push and compression are for type=image and type=registry".to_owned()));
        }
        let has_folders = matches!(kind, OutputKind::Local | OutputKind::Tar);
        if given.split.is_some() && !has_folders {
            return Err(wrong("platform-split is for type=local and type=tar".to_owned()));
        }
        let split_platforms = given.split.unwrap_or(true);
        let destination = match given.destination {
            Some(destination) => destination,
            None if matches!(kind, OutputKind::Local | OutputKind::OciFolder) => {
                return Err(wrong("it needs a folder: dest=PATH".to_owned()));
            }
            None => PathBuf::from("-"),
        };
        self.outputs.push(Output { kind, destination, split_platforms });
        Ok(())
    }

    fn add_image(&mut self, given: Fields) -> Result<(), String> {
        if given.destination.is_some() || given.tar.is_some() || given.split.is_some() {
            return Err(
                "what goes into the store or a registry takes name, push, compression and annotations only".to_owned()
            );
        }
        for name in &given.names {
            self.names.push(name.parse().map_err(|error: crate::image::InvalidReference| error.to_string())?);
        }
        match given.push {
            Some(true) => self.push = Some(given.compression.unwrap_or(LayerFormat::Gzip)),
            _ if given.compression.is_some() => return Err("compression is for what is pushed".to_owned()),
            _ => {}
        }
        self.keep = true;
        Ok(())
    }
}

fn read_fields(text: &str) -> Result<Fields, String> {
    let mut given = Fields::default();
    for (key, value) in fields(text) {
        match key.as_str() {
            "type" => given.kind = Some(value),
            "dest" => given.destination = Some(PathBuf::from(value)),
            "tar" => given.tar = Some(truth(&key, &value)?),
            "platform-split" => given.split = Some(truth(&key, &value)?),
            "push" => given.push = Some(truth(&key, if value.is_empty() { "true" } else { &value })?),
            "oci-mediatypes" if truth(&key, &value)? => {}
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
                        "there is no `{key}`; it takes type, dest, name, push, compression, tar, platform-split and annotations"
                    ));
                }
            },
        }
    }
    Ok(given)
}

fn truth(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("{key} is true or false")),
    }
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
        let wanted = |kind, destination: &str| Output { kind, destination: destination.into(), split_platforms: true };
        assert_eq!(of("out"), wanted(OutputKind::Local, "out"));
        assert_eq!(of("-"), wanted(OutputKind::Tar, "-"));
        assert_eq!(of("type=oci,dest=a.tar"), wanted(OutputKind::Oci, "a.tar"));
        assert_eq!(of("type=oci,tar=false,dest=d"), wanted(OutputKind::OciFolder, "d"));
        assert_eq!(of("type=local,\"dest=a,b\""), wanted(OutputKind::Local, "a,b"));
        assert!(!of("type=tar,platform-split=false").split_platforms);
        for wrong in [
            "type=local",
            "type=nope,dest=x",
            "dest=x",
            "type=oci,dst=x",
            "type=oci,platform-split=false",
            "type=image,dest=x",
            "type=image,name=UPPER",
            "type=tar,platform-split=maybe",
            "type=oci,annotation-nope.a=b",
        ] {
            assert!(add(wrong).is_err(), "{wrong}");
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
