//! The parser against every measured file of the corpus.

mod corpus;

use rbuild::language::dockerfile::report::Report;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Rows that may differ, because the reference has a defect there: it reads flags byte by byte, so that `target=/é`
/// becomes two other characters.
const DIFFERENT: [&str; 3] = ["flags-65", "flags-66", "flags-67"];

#[test]
fn real_files() {
    let Some(rows) = corpus::rows("ast.jsonl") else { return };
    compare(&rows);
}

#[test]
fn oddities() {
    let Some(rows) = corpus::rows("edge.jsonl") else { return };
    compare(&rows);
}

#[test]
fn differences_are_documented() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/differences.md")).unwrap();
    for name in DIFFERENT {
        assert!(text.contains(&format!("| edge `{name}` |")), "{name} is missing");
    }
    assert_eq!(text.matches("| edge `").count(), DIFFERENT.len());
}

fn compare(rows: &[Value]) {
    let differences: Vec<String> = rows.iter().flat_map(differences).collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

fn differences(row: &Value) -> Vec<String> {
    let name = corpus::name(row);
    let source = corpus::source(row);
    let parse = rbuild::language::dockerfile::parse(&source);
    let report = Report::new(&parse);
    let mut differences = Vec::new();
    let hash: String = Sha256::digest(report.canonical().unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
    if row["canonical_sha256"] != hash.as_str() && !DIFFERENT.contains(&name.as_str()) {
        differences.push(format!("{name}: {}", first_difference(&row["ast"], &serde_json::to_value(&report).unwrap())));
    }
    let actual = serde_json::to_value(&report).unwrap();
    for key in ["error_line", "error_phase"] {
        if row["ast"].get(key) != actual.get(key) {
            differences.push(format!("{name}: {key} is {:?}, wanted {:?}", actual.get(key), row["ast"].get(key)));
        }
    }
    if let (Some(wanted), Some(actual)) = (row["ast"]["error"].as_str(), report.error.as_deref()) {
        let class = class(wanted);
        if !actual.to_lowercase().contains(class) {
            differences.push(format!("{name}: the error is {actual:?}, wanted {class:?} for {wanted:?}"));
        }
        let rendered = parse.result.as_ref().unwrap_err().render("Dockerfile", &source);
        assert!(rendered.starts_with("Dockerfile"), "{rendered}");
    }
    differences
}

/// Our text for a text of the reference.
fn class(wanted: &str) -> &'static str {
    const CLASSES: &[(&str, &str)] = &[
        ("unknown instruction", "unknown instruction"),
        ("unknown flag", "unknown flag"),
        ("missing a value on flag", "needs a value"),
        ("duplicate flag", "given twice"),
        ("expecting boolean value", "true or false"),
        ("two arguments, but", "at least two arguments"),
        ("at least one argument", "at least one argument"),
        ("exactly one argument", "exactly one argument"),
        ("either one or three arguments", "either one or three arguments"),
        ("must have two arguments", "needs a name and a value"),
        ("can't find =", "no = in"),
        ("names can not be blank", "names can not be blank"),
        ("comprised of strings only", "strings only"),
        ("arguments to be in JSON form", "json form"),
        ("unterminated heredoc", "is not closed"),
        ("cannot accept a heredoc", "heredoc as its destination"),
        ("no build stage", "before the first from"),
        ("no instructions", "no instructions"),
        ("parser directive can be used", "given twice"),
        ("invalid escape token", "escape character must be"),
        ("greater than max allowed size", "more than 65535 bytes"),
        ("invalid name for build stage", "invalid stage name"),
        ("can not be an empty string", "can not be blank"),
        ("Chaining ONBUILD", "another onbuild"),
        ("ONBUILD trigger", "onbuild trigger"),
        ("Missing command after HEALTHCHECK", "needs a command"),
        ("HEALTHCHECK NONE takes no arguments", "healthcheck none takes no arguments"),
        ("Unknown type", "unknown type"),
        ("missing unit in duration", "invalid duration"),
        ("cannot be less than 1ms", "under 1ms"),
        ("--retries cannot be negative", "--retries can not be negative"),
        ("strconv.ParseInt", "invalid number"),
        ("invalid network mode", "invalid network mode"),
        ("security \"x\"", "invalid security mode"),
        ("must be a key=value pair", "must be key=value"),
        ("variable expansion", "no variables"),
        ("failed to parse csv mounts", "--mount"),
    ];
    let found = CLASSES.iter().find(|(theirs, _)| wanted.contains(theirs));
    found.map(|(_, ours)| *ours).unwrap_or_else(|| panic!("no class for {wanted:?}"))
}

/// The first place where the rows differ, for a reader.
fn first_difference(wanted: &Value, actual: &Value) -> String {
    for key in ["error", "directives", "stages"] {
        if wanted[key] != actual[key] {
            return format!("{key} is {}, wanted {}", actual[key], wanted[key]);
        }
    }
    let empty = Vec::new();
    let wanted = wanted["instructions"].as_array().unwrap_or(&empty);
    let actual = actual["instructions"].as_array().unwrap_or(&empty);
    let differing = wanted.iter().zip(actual).find(|(wanted, actual)| wanted != actual);
    match differing {
        Some((wanted, actual)) => format!("{actual}, wanted {wanted}"),
        None => format!("{} instructions, wanted {}", actual.len(), wanted.len()),
    }
}
