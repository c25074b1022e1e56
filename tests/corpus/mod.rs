//! Where the shared corpus is, and its rows. Without it the tests say so and pass, unless RBUILD_TEST_NO_SKIP=1.

use std::path::PathBuf;

use serde_json::Value;

/// The corpus folder: beside the repository, or what RBUILD_CORPUS names.
pub fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("RBUILD_CORPUS").map(PathBuf::from);
    let above = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let beside = above.ancestors().skip(1).map(|parent| parent.join("shared/corpus"));
    let found = named.into_iter().chain(beside).find(|folder| folder.is_dir());
    if found.is_none() {
        assert!(std::env::var_os("RBUILD_TEST_NO_SKIP").is_none(), "the shared corpus is missing");
        println!("skipped: the shared corpus is not there");
    }
    found
}

/// The rows of one of the corpus' files.
pub fn rows(file: &str) -> Option<Vec<Value>> {
    let text = std::fs::read_to_string(folder()?.join(file)).expect("the corpus file can be read");
    Some(text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect())
}

/// The name of a row of `ast.jsonl` or `edge.jsonl`.
#[allow(dead_code, reason = "not every test binary needs it")]
pub fn name(row: &Value) -> String {
    row.get("file").or(row.get("name")).and_then(Value::as_str).expect("each row has a name").to_owned()
}

/// The Dockerfile of a row.
#[allow(dead_code, reason = "not every test binary needs it")]
pub fn source(row: &Value) -> Vec<u8> {
    if let Some(file) = row.get("file").and_then(Value::as_str) {
        return std::fs::read(folder().expect("the rows came from it").join(file)).expect("the file can be read");
    }
    match (row["input"].as_str(), row["input_base64"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(text)) => decode_base64(text),
        (None, None) => panic!("no input in {row}"),
    }
}

fn decode_base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = text.bytes().filter(|byte| *byte != b'=').map(value).collect();
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}
