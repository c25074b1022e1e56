//! Tags that are close to a misspelt one.

const SHOWN: usize = 3;
/// Longer lists are not searched.
const LIMIT: usize = 5000;

/// The tags closest to `wanted`, closest first; none if nothing is close.
pub fn nearest(wanted: &str, tags: &[String]) -> Vec<String> {
    let near = |tag: &&String| tag.starts_with(wanted) || wanted.starts_with(tag.as_str());
    let mut found: Vec<(usize, &String)> = tags
        .iter()
        .take(LIMIT)
        .map(|tag| (strsim::levenshtein(wanted, tag), tag))
        .filter(|(distance, tag)| near(tag) || *distance <= 1 + wanted.len() / 3)
        .collect();
    found.sort();
    let mut names: Vec<String> = found.into_iter().map(|(_, tag)| tag.clone()).collect();
    if names.is_empty() && tags.len() <= SHOWN {
        names = tags.to_vec();
    }
    names.truncate(SHOWN);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_tags_are_found() {
        let tags = ["3.12", "3.11", "3.12-slim", "latest", "2"].map(str::to_owned);
        assert_eq!(nearest("3.13", &tags), ["3.11", "3.12"]);
        assert_eq!(nearest("3.12-slin", &tags), ["3.12-slim", "3.12"]);
        assert!(nearest("edge", &tags).is_empty());
        assert_eq!(nearest("edge", &tags[..1]), ["3.12"]);
    }
}
