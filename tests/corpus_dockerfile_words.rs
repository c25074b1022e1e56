//! Word expansion against every measured row of the corpus.

mod corpus;

use std::collections::BTreeMap;

use rbuild::language::dockerfile::words::Lexer;
use serde_json::Value;

#[test]
fn words() {
    compare("words.jsonl");
}

#[test]
fn words_modes() {
    compare("words_modes.jsonl");
}

fn compare(file: &str) {
    let Some(rows) = corpus::rows(file) else { return };
    let differences: Vec<String> = rows.iter().filter_map(difference).collect();
    assert!(differences.is_empty(), "{} rows differ:\n{}", differences.len(), differences.join("\n"));
}

fn difference(row: &Value) -> Option<String> {
    let input = row["input"].as_str()?;
    let variables: BTreeMap<String, String> =
        row["env"].as_object()?.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect();
    let lexer = lexer(row);
    let actual = match (lexer.expand(input, &variables), lexer.expand_words(input, &variables)) {
        (Ok(word), Ok(words)) => {
            serde_json::json!({"word": word.text, "words": words, "unmatched": word.unmatched})
        }
        (Err(error), Err(_)) => serde_json::json!({"error": error.to_string()}),
        (word, words) => panic!("the two ways disagree: {word:?}, {words:?}"),
    };
    let wanted: Value = ["word", "words", "unmatched", "error"]
        .into_iter()
        .filter_map(|key| row.get(key).map(|value| (key.to_owned(), value.clone())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    (actual != wanted).then(|| format!("{input:?} {}: {actual}, wanted {wanted}", row["env"]))
}

fn lexer(row: &Value) -> Lexer {
    let escape = row["escape"].as_str().and_then(|escape| escape.chars().next()).unwrap_or('\\');
    let mode = row["mode"].as_str().unwrap_or("");
    mode.split('+').filter(|mode| !mode.is_empty()).fold(Lexer::new(escape), |lexer, mode| match mode {
        "skip-process-quotes" => lexer.ignore_quotes(),
        "raw-quotes" => lexer.keep_quotes(),
        "raw-escapes" => lexer.keep_escapes(),
        "skip-unset" => lexer.keep_unset(),
        other => panic!("unknown mode {other}"),
    })
}
