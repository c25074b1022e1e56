//! The order of names in docker's lists: numbers within names compare as numbers, and sort before letters.

use std::cmp::Ordering;

/// `vol2` before `vol10`.
pub fn natural_order(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while let (Some(&first), Some(&second)) = (left.first(), right.first()) {
        match (first.is_ascii_digit(), second.is_ascii_digit()) {
            (true, true) => {
                let ((one, rest), (other, other_rest)) = (number(left), number(right));
                match one.cmp(&other) {
                    Ordering::Equal => (left, right) = (rest, other_rest),
                    unequal => return unequal,
                }
            }
            (false, false) if first == second => (left, right) = (&left[1..], &right[1..]),
            (false, false) => return first.cmp(&second),
            (is_digit, _) => return if is_digit { Ordering::Less } else { Ordering::Greater },
        }
    }
    left.len().cmp(&right.len())
}

/// The number at the start of a text as a sort key (how many digits it has, which digits, how many leading zeros), and
/// the rest of the text.
fn number(text: &[u8]) -> ((usize, &[u8], usize), &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().take_while(|&&byte| byte == b'0').count();
    ((digits.len() - zeros, &digits[zeros..], zeros), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_as_numbers() {
        let sorted = ["1", "a", "a1", "a01", "a2", "a2b", "a10", "a-", "b", "vol1", "vol2", "vol10", "vol-a"];
        let mut names = sorted;
        names.sort();
        names.sort_by(|left, right| natural_order(left, right));
        assert_eq!(names, sorted);
    }
}
