//! Filters of a list of images.

use crate::base::{self, glob};
use crate::engine::image::ImageError;
use crate::engine::image::info::ImageInfo;
use crate::image::Reference;
use crate::store::Store;

/// The filters. Values of one key are alternatives (but all labels have to match); all keys have to match.
#[derive(Default)]
pub struct Filters {
    filters: base::Filters,
    dangling: Option<bool>,
    /// Created before this second.
    before: Option<i64>,
    /// Created after this second.
    since: Option<i64>,
    references: Vec<String>,
}

/// The known keys.
pub const KNOWN: [&str; 7] = ["dangling", "label", "label!", "before", "since", "reference", "until"];

impl Filters {
    /// Parses `--filter KEY=VALUE`s and the name given as an argument.
    pub fn parse(
        words: &[String],
        name: Option<&str>,
        store: &Store,
        images: &[ImageInfo],
    ) -> Result<Self, ImageError> {
        let filters = base::Filters::parse(words, &KNOWN)?;
        let dangling = filters.boolean("dangling")?;
        let times = filters.times()?.into_iter().map(jiff::Timestamp::as_second);
        let created = |key: &str| -> Result<Vec<i64>, ImageError> {
            let of = |word: &String| -> Result<i64, ImageError> {
                let id = store.find_image(word)?.id;
                Ok(images.iter().find(|image| image.id() == id).map_or(i64::MIN, ImageInfo::created_second))
            };
            filters.values(key).iter().map(of).collect()
        };
        let before = times.chain(created("before")?).min();
        let since = created("since")?.into_iter().max();
        let references: Vec<String> =
            filters.values("reference").iter().cloned().chain(name.map(str::to_owned)).collect();
        if references.iter().any(|pattern| glob::check(pattern.as_bytes()).is_err()) {
            return Err(ImageError::Pattern);
        }
        Ok(Self { filters, dangling, before, since, references })
    }

    /// Whether the image matches the filters.
    pub fn keep(&self, image: &ImageInfo) -> bool {
        self.dangling.is_none_or(|wanted| wanted == image.is_dangling())
            && self.filters.labels(&image.config.config.labels)
            && self.before.is_none_or(|second| image.created_second() < second)
            && self.since.is_none_or(|second| image.created_second() > second)
            && (self.references.is_empty() || image.tags.iter().chain(&image.digests).any(|name| self.shows(name)))
    }

    /// Whether a name of a matching image is shown.
    pub fn shows(&self, name: &Reference) -> bool {
        self.references.is_empty() || self.references.iter().any(|pattern| matches_name(pattern, name))
    }
}

/// Docker's `reference.FamiliarMatch`: matches the pattern with the familiar name, with and without its tag.
fn matches_name(pattern: &str, name: &Reference) -> bool {
    let matches = |name: &str| glob::matches(pattern.as_bytes(), name.as_bytes()) == Ok(true);
    let exact = pattern.parse::<Reference>().is_ok_and(|wanted| wanted == *name);
    exact || matches(&name.familiar()) || matches(&name.familiar_repository())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_familiar_names() {
        let name: Reference = "docker.io/library/busybox:1.36".parse().unwrap();
        for pattern in [
            "busybox",
            "busybox:1.36",
            "busy*",
            "busybox:1.*",
            "b?sybox",
            "[a-c]usybox",
            "docker.io/library/busybox:1.36",
        ] {
            assert!(matches_name(pattern, &name), "{pattern}");
        }
        for pattern in ["busy", "busybox:latest", "*/busybox", "[^b]usybox"] {
            assert!(!matches_name(pattern, &name), "{pattern}");
        }
    }
}
