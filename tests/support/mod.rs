//! What integration tests share: the corpus that was measured with the reference, skipping with a reason, waiting for
//! conditions, and ports that nobody else uses.
#![allow(dead_code, reason = "not every test binary needs all of it")]

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

#[path = "http.rs"]
pub mod http;

/// Longer than anything takes, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Prints why a test is skipped; with `RBUILD_TEST_NO_SKIP=1` that is a failure.
pub fn skip(reason: &str) {
    assert!(std::env::var_os("RBUILD_TEST_NO_SKIP").is_none_or(|value| value != "1"), "may not be skipped: {reason}");
    eprintln!("skipped: {reason}");
}

/// Repeats `look` until it succeeds; fails the test, with its last error, if it never does.
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(instead) => assert!(begun.elapsed() < PATIENCE, "still not so: {what}: {instead}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// For `wait_for`: whether a list of what should be gone is empty.
pub fn none(left: &[String]) -> Result<(), String> {
    if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
}

#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    wait_for(what, || is_so().then_some(()).ok_or_else(String::new));
}

/// The first of thirty unused ports: below the kernel's ephemeral ports, so that no connection of another test uses
/// them, and given to one test only.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        // Another run of the tests starts elsewhere.
        let number = (std::process::id() + NEXT.fetch_add(1, Ordering::Relaxed)) % 600;
        let port = 12_000 + 30 * number as u16;
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

/// Compares with a file of `tests/golden`, piece by piece first; `RBUILD_BLESS=1` rewrites it.
#[track_caller]
pub fn assert_golden(name: &str, found: &str, between: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("RBUILD_BLESS").is_some() {
        std::fs::write(&path, found).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    for (found, golden) in found.split(between).zip(golden.split(between)) {
        assert_eq!(found, golden);
    }
    assert_eq!(found, golden);
}

/// The folder `shared` beside the repository (or beside the folder of its worktrees).
pub fn shared(path: &str) -> Option<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().skip(1).map(|folder| folder.join("shared").join(path)).find(|found| found.exists())
}

/// The rows of a corpus file.
pub fn corpus(name: &str) -> Option<Vec<serde_json::Value>> {
    let Some(path) = shared(&format!("corpus/{name}")) else {
        skip(&format!("no shared/corpus/{name} beside the repository"));
        return None;
    };
    let text = std::fs::read_to_string(path).expect("the corpus can be read");
    Some(text.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect())
}
