//! Recognizes that the program is called in place of kaniko.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The name of kaniko's program.
const NAME: &str = "executor";

/// The same after a restart: see `crate::cli::anew`.
pub const ANEW: &str = "executor-anew";

/// Whether this process was started under kaniko's name.
pub fn is_called() -> bool {
    std::env::args_os().next().is_some_and(|name| is_name(&name))
}

fn is_name(name: &OsStr) -> bool {
    Path::new(name).file_name().is_some_and(|name| name == NAME || name == ANEW)
}

/// Converts the arguments to rbuild's. An image has a single entry point: arguments that begin with a command of rbuild
/// run that command, all others are kaniko's.
pub fn are_words_of(mut typed: Vec<OsString>, is_command: fn(&str) -> bool) -> Vec<OsString> {
    let is_own = typed
        .get(1)
        .and_then(|word| word.to_str())
        .is_some_and(|word| matches!(word, "help" | "--version") || is_command(word));
    if !is_own {
        let place = typed.len().min(1);
        typed.insert(place, OsString::from("kaniko"));
    }
    typed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_ends_with_the_name_is_the_program() {
        for (name, is_it) in
            [("/kaniko/executor", true), ("executor", true), ("executor-anew", true), ("rbuild", false)]
        {
            assert_eq!(is_name(OsStr::new(name)), is_it, "{name}");
        }
        let words = |words: &[&str]| are_words_of(words.iter().map(OsString::from).collect(), |word| word == "build");
        assert_eq!(words(&["executor", "--no-push"]), ["executor", "kaniko", "--no-push"]);
        assert_eq!(words(&["executor", "nope"]), ["executor", "kaniko", "nope"]);
        assert_eq!(words(&["executor"]), ["executor", "kaniko"]);
        assert_eq!(words(&["executor", "build", "."]), ["executor", "build", "."]);
        assert_eq!(words(&["executor", "help"]), ["executor", "help"]);
        assert_eq!(words(&["executor", "--version"]), ["executor", "--version"]);
    }
}
