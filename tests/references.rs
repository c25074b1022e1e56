//! Image names against all rows of the corpus.

mod support;

use rbuild::image::Reference;

#[test]
fn every_row_of_the_corpus_agrees() {
    let Some(rows) = support::corpus("references.jsonl") else { return };
    assert!(rows.len() > 100);
    for row in rows {
        let text = row["input"].as_str().unwrap();
        match (text.parse::<Reference>(), row["error"].as_str()) {
            (Err(error), Some(expected)) => {
                assert!(error.to_string().starts_with(expected), "{text}: {error}, not {expected}")
            }
            (Ok(reference), None) => {
                let field = |name: &str| row[name].as_str().unwrap().to_owned();
                assert_eq!(reference.domain(), field("domain"), "{text}");
                assert_eq!(reference.path(), field("path"), "{text}");
                assert_eq!(reference.tag().unwrap_or_default(), field("tag"), "{text}");
                assert_eq!(reference.digest().map_or("", |digest| digest.as_str()), field("digest"), "{text}");
                assert_eq!(reference.to_string(), field("string"), "{text}");
                assert_eq!(reference.familiar(), field("familiar"), "{text}");
            }
            (outcome, expected) => panic!("{text}: {outcome:?}, expected {expected:?}"),
        }
    }
}
