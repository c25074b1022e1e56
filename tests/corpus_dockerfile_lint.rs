//! The lint against every measured file of the corpus: which rule fires on which line.

mod corpus;

use rbuild::image::{Platform, Reference};
use rbuild::language::dockerfile::lint::{BaseImage, LintErrorKind, LintOptions, World, lint, reading_warnings};
use serde_json::Value;

/// Every base image only sets `PATH`, as when the corpus was measured.
struct Stub;

impl World for Stub {
    fn base(&self, _name: &str, _platform: Option<&str>) -> BaseImage {
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned();
        BaseImage { environment: vec![("PATH".to_owned(), path)], ..BaseImage::default() }
    }

    fn is_image_name(&self, text: &str) -> bool {
        text.parse::<Reference>().is_ok()
    }

    fn platform(&self, text: &str) -> Option<(String, String)> {
        let platform = text.parse::<Platform>().ok()?;
        Some((platform.os, platform.architecture))
    }

    fn is_ignored(&self, _path: &str) -> bool {
        false
    }
}

fn options() -> LintOptions {
    let platform = |prefix: &str| {
        [("PLATFORM", "linux/amd64"), ("OS", "linux"), ("OSVERSION", ""), ("ARCH", "amd64"), ("VARIANT", "")]
            .map(|(name, value)| (format!("{prefix}{name}"), value.to_owned()))
    };
    let stage = [("TARGETSTAGE".to_owned(), "default".to_owned())];
    let predefined = platform("BUILD").into_iter().chain(platform("TARGET")).chain(stage).collect();
    LintOptions { predefined, ..LintOptions::default() }
}

#[test]
fn rules_and_lines() {
    let options = options();
    let mut differences = Vec::new();
    for row in ["ast.jsonl", "edge.jsonl"].into_iter().filter_map(corpus::rows).flatten() {
        let name = corpus::name(&row);
        let parse = rbuild::language::dockerfile::parse(&corpus::source(&row));
        let lint = lint(&parse, &Stub, &options);
        let mut actual: Vec<(u64, String)> =
            lint.warnings.iter().map(|warning| (warning.line.into(), warning.rule.name.to_owned())).collect();
        let mut wanted = pairs(&row["ast"]["lint"]["warnings"]);
        actual.sort();
        wanted.sort();
        if actual != wanted {
            let extra: Vec<_> = actual.iter().filter(|pair| !wanted.contains(pair)).collect();
            let missing: Vec<_> = wanted.iter().filter(|pair| !actual.contains(pair)).collect();
            differences.push(format!("{name}: too much {extra:?}, missing {missing:?}, {:?}", lint.error));
        }
        let fails = row["ast"]["lint"]["error"].as_str();
        if fails.is_some() != lint.error.is_some() && !fails.is_some_and(is_found_by_the_planner) {
            differences.push(format!("{name}: the error is {:?}, wanted {fails:?}", lint.error));
        }
        if let Some(error) = lint.error.filter(|error| !matches!(error.kind, LintErrorKind::Parse(_))) {
            // If the reference has no line, we may have one; if it has a choice, so have we.
            let wanted = row["ast"]["lint"]["error_line"].as_u64();
            let actual = error.lines.map(|lines| u64::from(lines.first));
            if wanted.is_some() && actual != wanted && !row["ast"]["lint"]["error_alternatives"].is_array() {
                differences.push(format!("{name}: the error is on {actual:?}, wanted {wanted:?}: {error}"));
            }
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn warnings_of_reading() {
    let mut differences = Vec::new();
    for row in ["ast.jsonl", "edge.jsonl"].into_iter().filter_map(corpus::rows).flatten() {
        let parse = rbuild::language::dockerfile::parse(&corpus::source(&row));
        let actual: Vec<(u64, String)> = reading_warnings(&parse)
            .iter()
            .map(|warning| (warning.line.into(), warning.rule.name.to_owned()))
            .collect();
        let wanted = pairs(&row["ast"]["warnings"]);
        if actual != wanted {
            differences.push(format!("{}: {actual:?}, wanted {wanted:?}", corpus::name(&row)));
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

fn pairs(warnings: &Value) -> Vec<(u64, String)> {
    let empty = Vec::new();
    let rows = warnings.as_array().unwrap_or(&empty).iter();
    rows.map(|row| (row["line"].as_u64().unwrap(), row["rule"].as_str().unwrap().to_owned())).collect()
}

/// Errors about ports, signals, checksums and devices are found when a build is planned, not by the lint.
fn is_found_by_the_planner(error: &str) -> bool {
    ["containerPort", "invalid signal", "invalid proto", "checksum requires", "device feature"]
        .iter()
        .any(|text| error.contains(text))
}
