//! What integration tests share: the corpus that was measured from the reference, and skipping with a reason.
#![allow(dead_code, reason = "not every test binary needs all of it")]

use std::path::PathBuf;

/// Says why a test does nothing here; with `RBUILD_TEST_NO_SKIP=1` that is a failure.
pub fn skip(reason: &str) {
    assert!(std::env::var_os("RBUILD_TEST_NO_SKIP").is_none_or(|value| value != "1"), "may not be skipped: {reason}");
    eprintln!("skipped: {reason}");
}

/// The folder `shared`, which stands beside the repository (or beside the folder of its worktrees).
pub fn shared(path: &str) -> Option<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().skip(1).map(|folder| folder.join("shared").join(path)).find(|found| found.exists())
}

/// The rows of a file of the corpus.
pub fn corpus(name: &str) -> Option<Vec<serde_json::Value>> {
    let Some(path) = shared(&format!("corpus/{name}")) else {
        skip(&format!("no shared/corpus/{name} beside the repository"));
        return None;
    };
    let text = std::fs::read_to_string(path).expect("the corpus can be read");
    Some(text.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect())
}
