//! The tags that somebody may have meant.

const SHOWN: usize = 3;
/// Longer lists are not searched.
const LIMIT: usize = 5000;

/// The tags nearest to `wanted`, the nearest first; none when nothing is near.
pub fn nearest(wanted: &str, tags: &[String]) -> Vec<String> {
    let near = |tag: &&String| tag.starts_with(wanted) || wanted.starts_with(tag.as_str());
    let mut found: Vec<(usize, &String)> = tags
        .iter()
        .take(LIMIT)
        .map(|tag| (distance(wanted, tag), tag))
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

/// How many letters have to be changed, added or left out (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
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
