//! A build as OpenTelemetry spans in OTLP's JSON: one for the build and one for each of its steps.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Status;
use super::document::{Document, Step, StepState};

/// The trace to which the build belongs.
#[derive(Debug, Clone, Default)]
pub struct TraceContext {
    /// Attributes of the sender: `service.name` and others.
    pub resource: Vec<(String, String)>,
    /// The trace ID and the parent span's ID, in hex as in `TRACEPARENT`.
    pub parent: Option<(String, String)>,
}

/// OTLP's enum values (trace.proto).
const INTERNAL: u8 = 1;
const OK: u8 = 1;
const ERROR: u8 = 2;

/// The build as an `ExportTraceServiceRequest`.
pub fn trace(document: &Document, context: &TraceContext) -> Value {
    let build = &document.build;
    let (trace, above) = match &context.parent {
        Some((trace, span)) => (trace.clone(), Some(span.as_str())),
        None => (hex(&build.id, 16), None),
    };
    let began = u64::try_from(build.started.as_nanosecond()).unwrap_or(0);
    let root = hex(&format!("{} build", build.id), 8);
    let mut facts = vec![
        text("rbuild.build.id", &build.id),
        text("rbuild.build.name", &build.name),
        text("rbuild.build.dockerfile", &build.dockerfile),
        number("rbuild.build.steps", build.total as u64),
        number("rbuild.build.steps.cached", build.cached as u64),
    ];
    facts.extend(build.image.iter().map(|image| text("rbuild.build.image", image)));
    let mut whole = json!({
        "traceId": trace, "spanId": root, "name": format!("build {}", build.name), "kind": INTERNAL,
        "startTimeUnixNano": began.to_string(), "endTimeUnixNano": (began + build.nanoseconds).to_string(),
        "attributes": facts,
        "status": match (&build.failure, build.status) {
            (Some(failure), _) => json!({"code": ERROR, "message": failure.message}),
            (None, Status::Completed) => json!({"code": OK}),
            (None, _) => json!({"code": ERROR, "message": "canceled"}),
        },
    });
    if let Some(above) = above {
        whole["parentSpanId"] = json!(above);
    }
    let steps = document.steps.iter().enumerate().filter(|(_, step)| is_told(step)).map(|(place, step)| {
        let mut span = span_of(step, began);
        span["traceId"] = json!(trace);
        span["parentSpanId"] = json!(root);
        span["spanId"] = json!(hex(&format!("{} {place}", build.id), 8));
        span
    });
    let resource: Vec<Value> = context.resource.iter().map(|(name, value)| text(name, value)).collect();
    json!({"resourceSpans": [{
        "resource": {"attributes": resource},
        "scopeSpans": [{
            "scope": {"name": "rbuild", "version": env!("CARGO_PKG_VERSION")},
            "spans": std::iter::once(whole).chain(steps).collect::<Vec<_>>(),
        }],
    }]})
}

fn is_told(step: &Step) -> bool {
    !step.name.is_empty() && step.state != StepState::NotReached
}

fn span_of(step: &Step, began: u64) -> Value {
    let at = |microseconds: Option<u64>| (began + microseconds.unwrap_or(0) * 1000).to_string();
    let mut facts = vec![
        json!({"key": "rbuild.step.cached", "value": {"boolValue": step.state == StepState::Cached}}),
        number("rbuild.step.waited_us", step.waited),
    ];
    if !step.why.is_empty() {
        facts.push(text("rbuild.step.why", &step.why.join("; ")));
    }
    if let Some((first, _)) = step.lines {
        facts.push(number("code.line.number", u64::from(first)));
    }
    if let Some(used) = &step.resources {
        facts.extend([
            number("rbuild.step.cpu.user_us", used.user),
            number("rbuild.step.cpu.system_us", used.system),
            number("rbuild.step.memory.peak", used.peak_memory),
            number("rbuild.step.disk.read", used.read),
            number("rbuild.step.disk.written", used.written),
        ]);
        facts.extend(used.received.map(|bytes| number("rbuild.step.network.received", bytes)));
        facts.extend(used.sent.map(|bytes| number("rbuild.step.network.sent", bytes)));
    }
    if let Some(layer) = &step.layer {
        facts.extend([text("rbuild.step.layer", layer), number("rbuild.step.layer.size", step.layer_bytes)]);
    }
    let status = match step.state {
        StepState::Failed | StepState::Canceled => json!({"code": ERROR}),
        _ => json!({"code": OK}),
    };
    json!({
        "name": step.name, "kind": INTERNAL, "startTimeUnixNano": at(step.began),
        "endTimeUnixNano": at(step.ended.or(step.began)), "attributes": facts, "status": status,
    })
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// 64-bit numbers are strings in protobuf's JSON.
fn number(key: &str, value: u64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

fn hex(text: &str, bytes: usize) -> String {
    Sha256::digest(text).iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}
