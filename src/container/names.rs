//! Names of containers: those that people give, and those made up for them.

use super::error::ContainerError;

const ADJECTIVES: [&str; 24] = [
    "able", "brave", "bright", "calm", "clear", "cosy", "eager", "fair", "gentle", "happy", "honest", "jolly", "keen",
    "kind", "lively", "lucky", "merry", "mild", "neat", "proud", "quick", "quiet", "sunny", "wise",
];

const NOUNS: [&str; 24] = [
    "babbage", "banach", "bohr", "boole", "church", "curie", "darwin", "dijkstra", "einstein", "euler", "fermi",
    "gauss", "germain", "goedel", "hopper", "kepler", "knuth", "lamarr", "lovelace", "meitner", "noether", "pascal",
    "ritchie", "turing",
];

/// Refuses what docker refuses.
pub(super) fn check(name: &str) -> Result<(), ContainerError> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric();
    let is_valid = name.len() > 1
        && name.bytes().next().is_some_and(is_word)
        && name.bytes().all(|byte| is_word(byte) || matches!(byte, b'_' | b'.' | b'-'));
    if is_valid { Ok(()) } else { Err(ContainerError::InvalidName { name: name.to_owned() }) }
}

/// Two words; with a number behind them when the first tries were taken.
pub(super) fn made_up(seed: &[u8], attempt: usize) -> String {
    let byte = |index: usize| usize::from(seed.get(index + attempt).copied().unwrap_or_default());
    let name = format!("{}_{}", ADJECTIVES[byte(0) % ADJECTIVES.len()], NOUNS[byte(1) % NOUNS.len()]);
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
        assert_eq!(made_up(&[0, 23], 0), "able_turing");
        assert!(check(&made_up(&[7; 32], 9)).is_ok());
    }
}
