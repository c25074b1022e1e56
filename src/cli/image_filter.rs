//! The filters of `rbuild images`.

use super::CliError;
use super::image_info::ImageInfo;
use crate::image::Reference;
use crate::store::Store;

/// What images have to be to be shown. Filters of one kind are alternatives (but all labels have to be there); all kinds
/// have to agree.
#[derive(Default)]
pub struct Filters {
    dangling: Option<bool>,
    labels: Vec<(String, Option<String>)>,
    /// `label!=`: those that must not be there.
    other_labels: Vec<(String, Option<String>)>,
    /// Created before this second.
    before: Option<i64>,
    /// Created after this second.
    since: Option<i64>,
    references: Vec<String>,
}

impl Filters {
    /// Reads `--filter KEY=VALUE`s and the name given as an argument.
    pub fn parse(words: &[String], name: Option<&str>, store: &Store, images: &[ImageInfo]) -> Result<Self, CliError> {
        let mut filters = Self { references: name.map(str::to_owned).into_iter().collect(), ..Self::default() };
        let created = |word: &str| -> Result<Option<i64>, CliError> {
            let id = store.find_image(word)?.id;
            Ok(images.iter().find(|image| image.id() == id).map(ImageInfo::created_second))
        };
        for word in words {
            let (key, value) = word
                .split_once('=')
                .ok_or_else(|| CliError::new(format!("bad filter `{word}`: the form is KEY=VALUE")))?;
            match key {
                "dangling" => filters.dangling = Some(parse_bool(value)?),
                "label" => filters.labels.push(label(value)),
                "label!" => filters.other_labels.push(label(value)),
                "until" => filters.before = Some(super::buildx::prune::until(value)?),
                "before" => filters.before = created(value)?,
                "since" => filters.since = created(value)?,
                "reference" => filters.references.push(value.to_owned()),
                _ => {
                    return Err(CliError::new(format!("invalid filter `{key}`"))
                        .hint("there are: dangling, label, label!, until, before, since, reference"));
                }
            }
        }
        Ok(filters)
    }

    pub fn keep(&self, image: &ImageInfo) -> bool {
        let labels = &image.config.config.labels;
        let has_label = |(label, wanted): &(String, Option<String>)| {
            labels.get(label).is_some_and(|value| wanted.as_ref().is_none_or(|wanted| wanted == value))
        };
        self.dangling.is_none_or(|wanted| wanted == image.is_dangling())
            && self.labels.iter().all(has_label)
            && !self.other_labels.iter().any(has_label)
            && self.before.is_none_or(|second| image.created_second() < second)
            && self.since.is_none_or(|second| image.created_second() > second)
            && (self.references.is_empty() || image.tags.iter().chain(&image.digests).any(|name| self.shows(name)))
    }

    /// Whether a name of an image that is kept is shown.
    pub fn shows(&self, name: &Reference) -> bool {
        self.references.is_empty() || self.references.iter().any(|pattern| matches_name(pattern, name))
    }
}

fn label(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((label, value)) => (label.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    }
}

/// Docker's `reference.FamiliarMatch`: the pattern is held against the familiar name, with and without its tag.
fn matches_name(pattern: &str, name: &Reference) -> bool {
    let exact = pattern.parse::<Reference>().is_ok_and(|wanted| wanted == *name);
    exact
        || glob(pattern.as_bytes(), name.familiar().as_bytes())
        || glob(pattern.as_bytes(), name.familiar_repository().as_bytes())
}

fn parse_bool(value: &str) -> Result<bool, CliError> {
    match value {
        "true" | "1" | "t" | "True" | "TRUE" => Ok(true),
        "false" | "0" | "f" | "False" | "FALSE" => Ok(false),
        _ => Err(CliError::new(format!("bad filter `dangling={value}`: it is true or false"))),
    }
}

/// Go's `path.Match`: `*` and `?` stand for anything but a slash, `[a-z]` for one of a set.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            let reach = text.iter().position(|&byte| byte == b'/').unwrap_or(text.len());
            (0..=reach).any(|taken| glob(rest, &text[taken..]))
        }
        (Some((b'?', rest)), Some((&byte, text))) => byte != b'/' && glob(rest, text),
        (Some((b'[', rest)), Some((&byte, text))) => {
            let Some(end) = rest.iter().position(|&byte| byte == b']') else { return false };
            in_set(&rest[..end], byte) && glob(&rest[end + 1..], text)
        }
        (Some((b'\\', rest)), Some((byte, text))) if !rest.is_empty() => rest[0] == *byte && glob(&rest[1..], text),
        (Some((wanted, rest)), Some((byte, text))) => wanted == byte && glob(rest, text),
        _ => false,
    }
}

fn in_set(set: &[u8], byte: u8) -> bool {
    let (negated, mut set) = match set.split_first() {
        Some((b'^', rest)) => (true, rest),
        _ => (false, set),
    };
    let mut found = false;
    while let Some((&first, rest)) = set.split_first() {
        let (last, rest) = match rest {
            [b'-', last, rest @ ..] => (*last, rest),
            rest => (first, rest),
        };
        found |= (first..=last).contains(&byte);
        set = rest;
    }
    found != negated
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
