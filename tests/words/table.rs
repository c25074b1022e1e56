//! Tables of command lines: the arguments, the exit code, and what is on standard output and standard error.
//!
//! One row per line, with columns separated by tabs: exit code, arguments, a part of standard output, a part of
//! standard error. Arguments are as in a shell, with double quotes. A `!` precedes what must not occur; a lone `!`
//! means no output at all. `\n` is a newline in the output.

use super::common::TestStore;

pub struct Row {
    line: usize,
    code: i32,
    words: Vec<String>,
    stdout: String,
    stderr: String,
}

pub fn rows(text: &'static str) -> Vec<Row> {
    let is_row = |line: &str| !line.starts_with('#') && !line.trim().is_empty();
    let rows = text.lines().enumerate().filter(|(_, line)| is_row(line));
    rows.map(|(index, line)| {
        let mut columns = line.split('\t');
        let code = columns.next().and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no code: {line}"));
        let words = split(columns.next().unwrap_or_default());
        let mut text = || columns.next().unwrap_or_default().replace("\\n", "\n");
        let (stdout, stderr) = (text(), text());
        Row { line: index + 1, code, words, stdout, stderr }
    })
    .collect()
}

/// The words of a line. Double quotes keep blanks, and an empty pair is an empty word.
fn split(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for letter in text.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// Runs all rows in order in one store, and reports all differences.
pub fn check(store: &TestStore, rows: &[Row]) {
    let mut wrong = Vec::new();
    for row in rows {
        let words: Vec<&str> = row.words.iter().map(String::as_str).collect();
        let answer = super::run(store, &words, &[]);
        let (stdout, stderr) = (answer.stdout(), answer.stderr());
        if answer.code() != Some(row.code) || !suits(&stdout, &row.stdout) || !suits(&stderr, &row.stderr) {
            let (line, code) = (row.line, answer.code());
            wrong.push(format!("line {line}: {words:?}: {code:?}\nstdout: {stdout}\nstderr: {stderr}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

fn suits(found: &str, wanted: &str) -> bool {
    match wanted.strip_prefix('!') {
        Some("") => found.is_empty(),
        Some(unwanted) => !found.contains(unwanted),
        None => found.contains(wanted),
    }
}
