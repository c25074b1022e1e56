//! Checks that the tests named in SECURITY.md and docs/security-cves.md exist.

use std::path::{Path, PathBuf};

use regex::Regex;

/// Whether `area::part::test` exists: in a file of the area's folder, in the area's own file, or as a fuzz target.
fn exists(name: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let parts: Vec<&str> = name.split("::").collect();
    let has = |path: PathBuf, test: &str| {
        std::fs::read_to_string(root.join(path)).is_ok_and(|text| text.contains(&format!("fn {test}(")))
    };
    match parts.as_slice() {
        ["fuzz", target] => root.join(format!("fuzz/targets/{target}.rs")).exists(),
        ["src", path @ .., test] => has(format!("src/{}.rs", path.join("/")).into(), test),
        [area, part, test] => has(format!("tests/{area}/{part}.rs").into(), test),
        [area, test] => has(format!("tests/{area}.rs").into(), test),
        _ => false,
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let names = Regex::new(r"`([a-z_0-9]+(?:::[a-z_0-9]+)+)`").unwrap();
    let promise = Regex::new(r"(?m)^\| [^|]*\| [^|]*\|([^|]*)\|$").unwrap();
    for page in ["SECURITY.md", "docs/security-cves.md"] {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let missing: Vec<&str> = names
            .captures_iter(&text)
            .map(|found| found.get(1).unwrap().as_str())
            .filter(|name| !exists(name))
            .collect();
        assert!(missing.is_empty(), "{page} names tests that are not there: {missing:#?}");
        let rows = promise.captures_iter(&text).map(|row| row.get(1).unwrap().as_str().trim());
        let empty = rows.filter(|last| last.is_empty()).count();
        assert_eq!(empty, 0, "{page} has a promise without a test or a reason");
    }
}
