//! The Dockerfiles of the shared corpus.
#![allow(dead_code, unused_imports, reason = "not every test binary needs all of it")]

#[path = "../support/mod.rs"]
mod support;

use serde_json::Value;

pub use support::corpus as rows;

/// The name of a row of `ast.jsonl` or `edge.jsonl`.
pub fn name(row: &Value) -> String {
    row.get("file").or(row.get("name")).and_then(Value::as_str).expect("each row has a name").to_owned()
}

/// The Dockerfile of a row.
pub fn source(row: &Value) -> Vec<u8> {
    if let Some(file) = row.get("file").and_then(Value::as_str) {
        let path = support::shared(&format!("corpus/{file}")).expect("it is beside the rows");
        return std::fs::read(path).expect("the file can be read");
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
