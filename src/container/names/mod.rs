//! Names of containers: those that users choose, and generated ones.

mod taken;
mod words;

use super::error::ContainerError;
use words::{ADJECTIVES, NOUNS};

/// Refuses the names that docker refuses.
pub(in crate::container) fn check(name: &str) -> Result<(), ContainerError> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric();
    let is_valid = name.len() > 1
        && name.bytes().next().is_some_and(is_word)
        && name.bytes().all(|byte| is_word(byte) || matches!(byte, b'_' | b'.' | b'-'));
    if is_valid { Ok(()) } else { Err(ContainerError::InvalidName { name: name.to_owned() }) }
}

/// Two words, followed by a number after the first attempts.
fn made_up(seed: &[u8], attempt: usize) -> String {
    let byte = |index: usize| usize::from(seed.get(index + attempt).copied().unwrap_or_default());
    let number = |index: usize| byte(index) << 8 | byte(index + 1);
    let name = format!("{}_{}", ADJECTIVES[number(0) % ADJECTIVES.len()], NOUNS[number(2) % NOUNS.len()]);
    if attempt < 4 { name } else { format!("{name}{}", attempt - 3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["web", "a1", "A_b.c-d"] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in ["", "a", "-web", "a/b", "a b", "ä1"] {
            assert!(check(name).is_err(), "{name}");
        }
        assert_eq!(made_up(&[0, 0, 0, 1], 0), "able_adams");
        let all = |words: &[&str]| {
            words.iter().all(|word| check(word).is_ok() && word.bytes().all(|c| c.is_ascii_lowercase()))
        };
        assert!(all(&ADJECTIVES) && all(&NOUNS) && ADJECTIVES.is_sorted() && NOUNS.is_sorted());
        assert!(check(&made_up(&[7; 32], 9)).is_ok());
    }
}
