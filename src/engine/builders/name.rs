//! Names of builders, and references of builds.

use super::BuilderError;

/// The pattern of valid names, for messages.
pub const PATTERN: &str = "[a-zA-Z][a-zA-Z0-9._-]*";

const MANNERS: &[&str] = &[
    "brisk", "calm", "clever", "eager", "early", "gentle", "handy", "keen", "lively", "nimble", "plain", "quick",
    "ready", "silent", "steady", "swift",
];
const TOOLS: &[&str] = &[
    "adze", "anvil", "awl", "bellows", "chisel", "crane", "file", "gauge", "hammer", "lathe", "level", "mallet",
    "plane", "pulley", "trowel", "winch",
];

/// The name as it is stored: in lower case.
pub(super) fn checked(name: &str) -> Result<String, BuilderError> {
    let is_letter = |letter: char| letter.is_ascii_alphabetic();
    let may_follow = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if name.starts_with(is_letter) && name.chars().all(may_follow) {
        return Ok(name.to_ascii_lowercase());
    }
    Err(BuilderError::InvalidName { name: name.to_owned() })
}

/// An unused generated name.
pub(super) fn made_up(is_free: impl Fn(&str) -> bool) -> String {
    for round in 0.. {
        let [manner, tool] = random::<2>().map(usize::from);
        let mut name = format!("{}_{}", MANNERS[manner % MANNERS.len()], TOOLS[tool % TOOLS.len()]);
        if round > 8 {
            name += &round.to_string();
        }
        if is_free(&name) {
            return name;
        }
    }
    unreachable!("one of so many names is free")
}

/// A new build reference: as long as BuildKit's, with the same letters.
pub fn new_reference() -> String {
    const LETTERS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    random::<25>().iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}

fn random<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_buildx_has_them() {
        assert_eq!(checked("Builder-1.x_y").ok().as_deref(), Some("builder-1.x_y"));
        for wrong in ["", "1a", "a b", "a/b", "../a", "é", ".a", "a\n"] {
            assert!(checked(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn made_up_names_are_free_and_right() {
        let name = made_up(|name| name.ends_with('9'));
        assert!(name.ends_with('9') && checked(&name).is_ok_and(|same| same == name), "{name}");
        assert!(new_reference().len() == 25 && new_reference() != new_reference());
    }
}
