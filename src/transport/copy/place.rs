//! Locations of images, in skopeo's syntax.

use std::path::PathBuf;
use std::str::FromStr;

use crate::image::{InvalidReference, Reference};

/// The location of an image, as a source or a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `docker://NAME`
    Registry(Reference),
    /// `docker-archive:PATH[:NAME]`
    DockerArchive { path: PathBuf, name: Option<Reference> },
    /// `oci:PATH[:TAG]`
    Layout { path: PathBuf, tag: Option<String> },
    /// `oci-archive:PATH[:TAG]`
    LayoutArchive { path: PathBuf, tag: Option<String> },
    /// `store:NAME`, or a plain name.
    Store(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlace {
    #[error("`{text}` names no place: there are docker://, docker-archive:, oci:, oci-archive: and store:")]
    Transport { text: String },
    #[error("`{text}` has no path")]
    NoPath { text: String },
    #[error(transparent)]
    Name(#[from] InvalidReference),
}

impl FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        if let Some(name) = text.strip_prefix("docker://") {
            return Ok(Self::Registry(name.parse()?));
        }
        let split = |rest: &str| -> Result<(PathBuf, Option<String>), InvalidPlace> {
            let (path, rest) = rest.split_once(':').map_or((rest, None), |(path, rest)| (path, Some(rest)));
            if path.is_empty() {
                return Err(InvalidPlace::NoPath { text: text.to_owned() });
            }
            Ok((PathBuf::from(path), rest.filter(|rest| !rest.is_empty()).map(str::to_owned)))
        };
        if let Some((transport, rest)) = text.split_once(':') {
            match transport {
                "docker-archive" => {
                    let (path, name) = split(rest)?;
                    return Ok(Self::DockerArchive { path, name: name.map(|name| name.parse()).transpose()? });
                }
                "oci" => return split(rest).map(|(path, tag)| Self::Layout { path, tag }),
                "oci-archive" => return split(rest).map(|(path, tag)| Self::LayoutArchive { path, tag }),
                "store" => return Ok(Self::Store(rest.to_owned())),
                "dir" | "docker-daemon" | "containers-storage" | "atomic" | "sif" | "tarball" => {
                    return Err(InvalidPlace::Transport { text: text.to_owned() });
                }
                _ if rest.starts_with("//") => return Err(InvalidPlace::Transport { text: text.to_owned() }),
                _ => {}
            }
        }
        Ok(Self::Store(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_by_their_transports() {
        let of = |text: &str| text.parse::<Place>();
        assert_eq!(of("docker://r.example/a"), Ok(Place::Registry("r.example/a:latest".parse().unwrap())));
        assert_eq!(of("oci:a/b:1.0"), Ok(Place::Layout { path: "a/b".into(), tag: Some("1.0".to_owned()) }));
        assert_eq!(of("oci-archive:a.tar"), Ok(Place::LayoutArchive { path: "a.tar".into(), tag: None }));
        let archive = Place::DockerArchive { path: "a.tar".into(), name: Some("b:1".parse().unwrap()) };
        assert_eq!(of("docker-archive:a.tar:b:1"), Ok(archive));
        for text in ["store:a:1", "a:1"] {
            assert_eq!(of(text), Ok(Place::Store("a:1".to_owned())), "{text}");
        }
        assert!(of("oci:").is_err() && of("dir:x").is_err() && of("http://x").is_err());
    }
}
