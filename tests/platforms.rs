//! Platforms against all rows of the corpus.

mod support;

use rbuild::image::Platform;
use serde_json::{Value, json};

fn row(platform: &Platform) -> Value {
    json!({
        "os": platform.os,
        "architecture": platform.architecture,
        "variant": platform.variant,
        "os_version": platform.os_version,
        "os_features": platform.os_features,
        "format": platform.to_string(),
        "format_all": platform.full(),
    })
}

/// Rows without an architecture were measured on linux/amd64.
fn depends_on_host(text: &str) -> bool {
    cfg!(not(target_arch = "x86_64")) && !text.contains('/')
}

#[test]
fn every_row_of_the_corpus_agrees() {
    let Some(rows) = support::corpus("platforms.jsonl") else { return };
    assert!(rows.len() > 100);
    for expected in rows {
        let text = expected["input"].as_str().unwrap();
        if depends_on_host(text) {
            continue;
        }
        match text.parse::<Platform>() {
            Err(error) => assert!(expected["error"].is_string(), "{text}: {error}"),
            Ok(platform) => {
                assert_eq!(row(&platform), expected["parsed"], "{text}");
                assert_eq!(row(&platform.normalized()), expected["normalized"], "{text}");
            }
        }
    }
}
