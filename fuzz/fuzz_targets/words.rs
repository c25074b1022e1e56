//! A word expands or is an error, in every mode, and a word without anything special stays as it is.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use rbuild::dockerfile::words::{Lexer, NoVariables, Variables};

fuzz_target!(|word: &str| {
    let set: BTreeMap<String, String> = [("A", "1 2"), ("PATH", "/bin:$A")].map(|(name, value)| (name.into(), value.into())).into();
    let all: [&dyn Variables; 2] = [&set, &NoVariables];
    for escape in ['\\', '`'] {
        let lexer = Lexer::new(escape);
        for lexer in [lexer, lexer.ignore_quotes(), lexer.keep_quotes().keep_escapes().keep_unset()] {
            for variables in all {
                let _ = lexer.expand(word, variables);
                let _ = lexer.expand_words(word, variables);
            }
        }
    }
    if word.chars().all(char::is_alphanumeric) {
        assert_eq!(Lexer::new('\\').expand(word, &NoVariables).expect("there is nothing to expand").text, word);
    }
});
