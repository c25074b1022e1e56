//! The nearest known name to a misspelt one.

/// The nearest of the known names, where one is near: at most two edits (a swap of neighbours is one), and fewer than
/// half of the letters. Of equally near names the first.
pub fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let letters = written.chars().count();
    known
        .iter()
        .map(|name| (distance(&written.to_lowercase(), &name.to_lowercase()), *name))
        .filter(|(distance, name)| *distance <= 2 && *distance * 2 < letters.max(name.chars().count()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Edits from one word to the other: insert, delete, replace, swap neighbours.
fn distance(from: &str, to: &str) -> usize {
    // No name is that long; a word of a megabyte is not worth a table.
    if from.len() > 64 || to.len() > 64 {
        return usize::MAX / 4;
    }
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mut rows = vec![vec![0; to.len() + 1]; from.len() + 1];
    for i in 0..=from.len() {
        for j in 0..=to.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i.max(j)
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
                let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[from.len()][to.len()]
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
