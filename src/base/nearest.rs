//! The known name that is closest to a misspelt one.

/// Names are not longer than this; a word of a megabyte is not worth comparing.
const LONGEST: usize = 64;

/// The closest of the known names, if one is close: at most two edits (swapping neighbours is one), and fewer than half
/// of the letters. The first of equally close names.
pub fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    if written.len() > LONGEST {
        return None;
    }
    let letters = written.chars().count();
    let distance = |name: &str| strsim::osa_distance(&written.to_lowercase(), &name.to_lowercase());
    known
        .iter()
        .filter(|name| name.len() <= LONGEST)
        .map(|name| (distance(name), *name))
        .filter(|(distance, name)| *distance <= 2 && *distance * 2 < letters.max(name.chars().count()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_near_names() {
        let known = ["RUN", "COPY", "ENTRYPOINT", "FROM"];
        assert_eq!(nearest("RUNN", &known), Some("RUN"));
        assert_eq!(nearest("cpoy", &known), Some("COPY"));
        assert_eq!(nearest("ENTYRPIONT", &known), Some("ENTRYPOINT"));
        assert_eq!(nearest("FOO", &known), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), &known), None);
    }
}
