//! Matches the instructions of an earlier build with those of this one.

/// For each of `new` the index of its counterpart in `old`: the same text in the same order, or, between two such
/// pairs, an edited instruction of the same kind.
pub fn counterparts(old: &[&str], new: &[&str]) -> Vec<Option<usize>> {
    let common = longest_common(old, new);
    let mut found = vec![None; new.len()];
    let (mut from_old, mut from_new) = (0, 0);
    for (in_old, in_new) in common.into_iter().chain([(old.len(), new.len())]) {
        pair_edited((old, from_old..in_old), (new, from_new..in_new), &mut found);
        if in_new < new.len() {
            found[in_new] = Some(in_old);
        }
        (from_old, from_new) = (in_old + 1, in_new + 1);
    }
    found
}

type Part<'a> = (&'a [&'a str], std::ops::Range<usize>);

/// Pairs instructions at the same position if they are of the same kind.
fn pair_edited((old, old_range): Part<'_>, (new, new_range): Part<'_>, found: &mut [Option<usize>]) {
    let mut next = old_range.start;
    for index in new_range {
        let same_kind = (next..old_range.end).find(|candidate| keyword(old[*candidate]) == keyword(new[index]));
        if let Some(candidate) = same_kind {
            found[index] = Some(candidate);
            next = candidate + 1;
        }
    }
}

fn keyword(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

/// Pairs of indexes with equal texts, increasing in both.
fn longest_common(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    let mut lengths = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i * width + j] = if old[i] == new[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::new();
    while i < old.len() && j < new.len() {
        if old[i] == new[j] {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_insertions_and_removals_are_told_apart() {
        let old = ["FROM a", "RUN one", "COPY x /", "RUN two"];
        let cases: [(&[&str], &[Option<usize>]); 5] = [
            (&["FROM a", "RUN one", "COPY x /", "RUN two"], &[Some(0), Some(1), Some(2), Some(3)]),
            (&["FROM a", "RUN 1", "COPY x /", "RUN two"], &[Some(0), Some(1), Some(2), Some(3)]),
            (&["FROM a", "RUN one", "ADD y /", "COPY x /", "RUN two"], &[Some(0), Some(1), None, Some(2), Some(3)]),
            (&["FROM a", "COPY x /", "RUN two"], &[Some(0), Some(2), Some(3)]),
            (&["FROM b", "COPY x2 /", "RUN two", "RUN three"], &[Some(0), Some(2), Some(3), None]),
        ];
        for (new, wanted) in cases {
            assert_eq!(counterparts(&old, new), wanted, "{new:?}");
        }
    }
}
