//! A word expands or is an error, in every mode, and a word without special characters stays unchanged.

use std::collections::BTreeMap;

use rbuild::language::dockerfile::words::{Lexer, NoVariables, Variables};

pub const PIECES: super::Pieces = &[
    b"${", b"}", b"${A", b":-", b":+", b":?", b"#", b"##", b"%", b"/", b"//", b"\\", b"`", b"'", b"\"", b"$A", b"*",
    b"?", b"[", b"]",
];

pub fn run(word: &[u8]) -> String {
    let word = &*String::from_utf8_lossy(word);
    let set: BTreeMap<String, String> =
        [("A", "1 2"), ("PATH", "/bin:$A")].map(|(name, value)| (name.into(), value.into())).into();
    let all: [&dyn Variables; 2] = [&set, &NoVariables];
    let mut said = String::new();
    for escape in ['\\', '`'] {
        let lexer = Lexer::new(escape);
        for lexer in [lexer, lexer.ignore_quotes(), lexer.keep_quotes().keep_escapes().keep_unset()] {
            for variables in all {
                match lexer.expand(word, variables) {
                    Ok(_) => said.push_str("expanded "),
                    Err(error) => said.push_str(&super::chain(&error)),
                }
                let _ = lexer.expand_words(word, variables);
            }
        }
    }
    if word.chars().all(char::is_alphanumeric) {
        assert_eq!(Lexer::new('\\').expand(word, &NoVariables).expect("there is nothing to expand").text, word);
    }
    said
}

pub fn seeds() -> Vec<Vec<u8>> {
    super::texts(&[
        "${A:-${B:+\"c\"}}",
        "a'b $A'\"${PATH##*/}\"",
        "${A/1/${A}}${A//?/x}",
        "${A#1}${A%%2}\\$A",
        "${A:?no}",
        "plain",
    ])
}
