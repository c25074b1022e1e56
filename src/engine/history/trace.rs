//! A build as spans in Jaeger's JSON, which buildx prints and trace viewers read.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{BuildRecord, Entry, Happening};

/// The build as a trace: a span for itself, and one for each step.
pub fn spans(record: &BuildRecord, log: impl Iterator<Item = Entry>) -> Value {
    let trace = hex(&record.id, 16);
    let began = u64::try_from(record.started.as_microsecond()).unwrap_or(0);
    let root = hex(&format!("{} build", record.id), 8);
    let span = |id: &str, name: &str, start: u64, took: u64, is_step: bool, failed: bool| {
        let references =
            if is_step { vec![json!({"refType": "CHILD_OF", "traceID": trace, "spanID": root})] } else { Vec::new() };
        json!({
            "traceID": trace, "spanID": id, "operationName": name, "references": references, "startTime": start,
            "duration": took, "tags": [{"key": "error", "type": "bool", "value": failed}], "logs": [],
            "processID": "p1", "warnings": null,
        })
    };
    let failed = record.failure.is_some();
    let mut spans = vec![span(&root, &record.name, began, record.nanoseconds / 1_000, false, failed)];
    let (mut names, mut starts) = (std::collections::HashMap::new(), std::collections::HashMap::new());
    for entry in log {
        let Entry { what, step, microseconds, bytes } = entry;
        match what {
            Happening::Name => drop(names.insert(step, String::from_utf8_lossy(&bytes).into_owned())),
            Happening::Started => drop(starts.insert(step, microseconds)),
            Happening::Cached | Happening::Done | Happening::Failed | Happening::Canceled => {
                let start = starts.get(&step).copied().unwrap_or(microseconds);
                let name = names.get(&step).cloned().unwrap_or_default();
                let id = hex(&format!("{} {step}", record.id), 8);
                spans.push(span(&id, &name, began + start, microseconds - start, true, what == Happening::Failed));
            }
            Happening::Build | Happening::Plan | Happening::Output | Happening::Used | Happening::Full => {}
        }
    }
    json!({"data": [{
        "traceID": trace, "spans": spans, "warnings": null,
        "processes": {"p1": {"serviceName": "rbuild", "tags": []}},
    }]})
}

fn hex(text: &str, bytes: usize) -> String {
    Sha256::digest(text).iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}
