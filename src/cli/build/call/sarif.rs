//! Checks as SARIF 2.1.0 (OASIS Static Analysis Results Interchange Format), which code hosts and editors read.

use serde_json::{Value, json};

use super::check::range;
use super::pretty;
use crate::build::{Checked, Fault};
use crate::language::dockerfile::Lines;
use crate::language::dockerfile::lint::{RULES, Rule, Warning};

/// The rule name for a Dockerfile that can't be built.
const FAULT: &str = "BuildError";

pub(super) fn report(checked: &Checked) -> String {
    let file = &checked.findings.file_name;
    let rules: Vec<Value> = RULES.iter().map(|rule| described(rule)).chain([fault_rule()]).collect();
    let warnings = checked.findings.warnings.iter().map(|found| warning(found, file));
    let results: Vec<Value> = warnings.chain(checked.fault.iter().map(|found| fault(found, file))).collect();
    pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "rbuild", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "results": results,
        }],
    }))
}

fn described(rule: &Rule) -> Value {
    json!({
        "id": rule.name,
        "shortDescription": { "text": rule.description },
        "helpUri": rule.url(),
        "defaultConfiguration": { "enabled": !rule.experimental, "level": "warning" },
    })
}

fn fault_rule() -> Value {
    json!({
        "id": FAULT,
        "shortDescription": { "text": "the Dockerfile can be built" },
        "defaultConfiguration": { "level": "error" },
    })
}

fn warning(warning: &Warning, file: &str) -> Value {
    json!({
        "ruleId": warning.rule.name,
        "ruleIndex": RULES.iter().position(|rule| *rule == warning.rule),
        "level": "warning",
        "message": { "text": warning.detail },
        "locations": [place(file, Some(range(warning)))],
    })
}

fn fault(fault: &Fault, file: &str) -> Value {
    json!({
        "ruleId": FAULT,
        "ruleIndex": RULES.len(),
        "level": "error",
        "message": { "text": fault.message },
        "locations": [place(file, fault.lines)],
    })
}

/// An error without lines is in the file as a whole.
fn place(file: &str, lines: Option<Lines>) -> Value {
    let mut place = json!({ "artifactLocation": { "uri": file } });
    if let Some(lines) = lines {
        place["region"] = json!({ "startLine": lines.first, "endLine": lines.last });
    }
    json!({ "physicalLocation": place })
}
