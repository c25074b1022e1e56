//! An ignore file, whose first line is also the path to match. The root is never excluded.

use rbuild::build::context::IgnorePatterns;

pub const PIECES: super::Pieces =
    &[b"**/", b"**", b"*", b"?", b"[a-z]", b"[^", b"]", b"!", b"/", b"..", b"\\", b"\n", b"# ", b"."];

pub fn run(input: &[u8]) -> String {
    let (path, text) = input.iter().position(|byte| *byte == b'\n').map_or((input, &[][..]), |end| input.split_at(end));
    match IgnorePatterns::parse(text) {
        Ok(patterns) => {
            assert!(!patterns.matches(b"."));
            assert!(!patterns.is_empty() || !patterns.matches(path));
            format!("{} {}", patterns.is_empty(), patterns.matches(path))
        }
        Err(error) => super::chain(&error),
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    super::texts(&[
        "a/b/c\n**/c\n!a/b\n",
        "x.rs\n*.rs\n!x.rs\n[a-x]*\n",
        "d/e\n# no\nd\n!d/e\n\\#x\n",
        "a\n**/**/**/b/*/?\n",
    ])
}
