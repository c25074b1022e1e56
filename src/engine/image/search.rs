//! Searches images in a registry.

use super::ImageError;
use crate::base;
use crate::transport::registry::{Client, Found};

/// The request.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SearchRequest {
    /// A term; with a registry as its prefix, as in `localhost:5000/word`, that registry is searched.
    pub term: String,
    /// The maximum number of results.
    pub limit: usize,
    /// `KEY=VALUE`
    pub filters: Vec<String>,
}

/// The images that were found, in the registry's order.
pub fn search(client: &Client, request: &SearchRequest) -> Result<Vec<Found>, ImageError> {
    let filters = Filters::parse(&request.filters)?;
    let (host, word) = split(&request.term);
    let mut found = client.search(host, word, request.limit)?;
    found.retain(|found| filters.keep(found));
    Ok(found)
}

/// The registry and the search term.
fn split(term: &str) -> (&str, &str) {
    match term.split_once('/') {
        Some(("docker.io" | "index.docker.io", word)) => ("docker.io", word),
        Some((host, word)) if host == "localhost" || host.contains(['.', ':']) => (host, word),
        _ => ("docker.io", term),
    }
}

#[derive(Default)]
struct Filters {
    official: Option<bool>,
    automated: Option<bool>,
    stars: u64,
}

impl Filters {
    fn parse(words: &[String]) -> Result<Self, ImageError> {
        let filters = base::Filters::parse(words, &["is-official", "is-automated", "stars"])?;
        let mut stars = 0;
        for text in filters.values("stars") {
            let wrong = |_| ImageError::Stars { text: text.clone() };
            stars = text.parse::<u64>().map_err(wrong)?.max(stars);
        }
        Ok(Self { official: filters.boolean("is-official")?, automated: filters.boolean("is-automated")?, stars })
    }

    fn keep(&self, found: &Found) -> bool {
        self.official.is_none_or(|wanted| wanted == found.is_official)
            && self.automated.is_none_or(|wanted| wanted == found.is_automated)
            && found.star_count >= self.stars
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_stands_before_the_word() {
        assert_eq!(split("nginx"), ("docker.io", "nginx"));
        assert_eq!(split("bitnami/nginx"), ("docker.io", "bitnami/nginx"));
        assert_eq!(split("localhost:5000/a/b"), ("localhost:5000", "a/b"));
        assert_eq!(split("r.example/"), ("r.example", ""));
    }

    #[test]
    fn filters_are_all_to_agree() {
        let filters = Filters::parse(&["stars=3".to_owned(), "is-official=true".to_owned()]).unwrap();
        let found = |star_count, is_official| Found { star_count, is_official, ..Found::default() };
        assert!(filters.keep(&found(3, true)));
        assert!(!filters.keep(&found(2, true)) && !filters.keep(&found(3, false)));
        assert!(Filters::parse(&["size=3".to_owned()]).is_err());
    }
}
