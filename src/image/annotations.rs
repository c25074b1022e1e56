//! Annotations that a user gives an image: on its manifest, its index, or the descriptors that lead to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::platform::{InvalidPlatform, Platform};

/// What an annotation is written on (image-spec, annotations.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnnotationLevel {
    /// The manifest of an image.
    Manifest,
    /// The manifest's descriptor in an index or `index.json`.
    ManifestDescriptor,
    /// The index of several images.
    Index,
    /// The index's descriptor in `index.json`.
    IndexDescriptor,
}

/// Why a text is not an annotation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum InvalidAnnotation {
    #[error("invalid annotation `{text}`: the form is [LEVEL[PLATFORM]:]KEY=VALUE")]
    Form { text: String },
    #[error(
        "invalid annotation `{text}`: there is no level `{level}`; there are manifest, manifest-descriptor, index and index-descriptor"
    )]
    Level { text: String, level: String },
    #[error("invalid annotation `{text}`: an index covers all platforms, not one")]
    IndexPlatform { text: String },
    #[error("invalid annotation `{text}`")]
    Platform { text: String, source: InvalidPlatform },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Annotation {
    level: AnnotationLevel,
    /// Only for the image of this platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    key: String,
    value: String,
}

/// All annotations of one image or index. They are stored as JSON with its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Annotations {
    list: Vec<Annotation>,
}

impl Annotations {
    /// Reads buildx's form: `KEY=VALUE`, `LEVEL:KEY=VALUE`, `LEVEL[PLATFORM],LEVEL:KEY=VALUE`.
    pub fn parse_and_add(&mut self, text: &str) -> Result<(), InvalidAnnotation> {
        let form = || InvalidAnnotation::Form { text: text.to_owned() };
        let (name, value) = text.split_once('=').ok_or_else(form)?;
        let (levels, key) = name.split_once(':').unwrap_or(("manifest", name));
        if key.is_empty() {
            return Err(form());
        }
        for level in levels.split(',') {
            let (level, platform) = match level.split_once('[') {
                None => (level, None),
                Some((level, rest)) => (level, Some(rest.strip_suffix(']').ok_or_else(form)?)),
            };
            let unknown = || InvalidAnnotation::Level { text: text.to_owned(), level: level.to_owned() };
            let level = AnnotationLevel::named(level).ok_or_else(unknown)?;
            if platform.is_some() && level.is_of_index() {
                return Err(InvalidAnnotation::IndexPlatform { text: text.to_owned() });
            }
            let platform = platform.map(str::parse::<Platform>).transpose();
            let platform = platform.map_err(|source| InvalidAnnotation::Platform { text: text.to_owned(), source })?;
            self.add(level, platform.as_ref(), key, value);
        }
        Ok(())
    }

    /// The last one with the same key, level and platform wins.
    pub fn add(&mut self, level: AnnotationLevel, platform: Option<&Platform>, key: &str, value: &str) {
        let platform = platform.map(|platform| platform.normalized().to_string());
        self.list.retain(|other| other.level != level || other.platform != platform || other.key != key);
        self.list.push(Annotation { level, platform, key: key.to_owned(), value: value.to_owned() });
    }

    /// The annotations at that level of the image of `platform`. One for this platform overrides one for all.
    pub fn of(&self, level: AnnotationLevel, platform: &Platform) -> BTreeMap<String, String> {
        let platform = platform.normalized().to_string();
        let at_level = || self.list.iter().filter(|annotation| annotation.level == level);
        let general = at_level().filter(|annotation| annotation.platform.is_none());
        let own = at_level().filter(|annotation| annotation.platform.as_ref() == Some(&platform));
        general.chain(own).map(|annotation| (annotation.key.clone(), annotation.value.clone())).collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether any of them is for an index.
    pub fn speak_of_index(&self) -> bool {
        self.list.iter().any(|annotation| annotation.level.is_of_index())
    }

    /// The text that a store keeps; `None` if there are no annotations.
    pub fn to_json(&self) -> Option<String> {
        let text = || serde_json::to_string(self).expect("a list of texts, and writing to memory does not fail");
        (!self.is_empty()).then(text)
    }

    /// Reads what the store keeps.
    pub fn from_json(text: Option<&str>) -> Result<Self, serde_json::Error> {
        text.map_or_else(|| Ok(Self::default()), serde_json::from_str)
    }
}

impl AnnotationLevel {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "" | "manifest" => Self::Manifest,
            "manifest-descriptor" => Self::ManifestDescriptor,
            "index" => Self::Index,
            "index-descriptor" => Self::IndexDescriptor,
            _ => return None,
        })
    }

    fn is_of_index(self) -> bool {
        matches!(self, Self::Index | Self::IndexDescriptor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Annotations {
        let mut annotations = Annotations::default();
        for text in texts {
            annotations.parse_and_add(text).unwrap();
        }
        annotations
    }

    #[test]
    fn levels_and_platforms_are_told_apart() {
        let annotations = parse(&[
            "a=1",
            "manifest[linux/arm64]:a=2",
            "index,index-descriptor:b=x=y",
            "manifest-descriptor:c=3",
            "a=4",
        ]);
        let (amd64, arm64) = (Platform::new("linux", "amd64", ""), Platform::new("linux", "arm64", "v8"));
        let of = |level, platform| {
            let found = annotations.of(level, platform);
            found.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(AnnotationLevel::Manifest, &amd64), "a=4");
        assert_eq!(of(AnnotationLevel::Manifest, &arm64), "a=2");
        assert_eq!(of(AnnotationLevel::Index, &amd64), "b=x=y");
        assert_eq!(of(AnnotationLevel::IndexDescriptor, &arm64), "b=x=y");
        assert_eq!(of(AnnotationLevel::ManifestDescriptor, &arm64), "c=3");
        assert!(annotations.speak_of_index());
        let again = Annotations::from_json(annotations.to_json().as_deref()).unwrap();
        assert_eq!(again, annotations);
        assert_eq!(Annotations::default().to_json(), None);
    }

    #[test]
    fn what_is_no_annotation_is_refused() {
        for text in ["a", "nope:a=1", "manifest[linux/amd64:a=1", "manifest[x y]:a=1", "index[linux/amd64]:a=1", "=1"] {
            assert!(Annotations::default().parse_and_add(text).is_err(), "{text}");
        }
    }
}
