//! Events as JSON for programs, one object per line: BuildKit's `SolveStatus` (client/graph.go), as buildx prints it
//! and Compose reads it. A step is a vertex; what has its own line below it is a status. What BuildKit has no field for
//! is in a vertex' `rbuild` field, which others ignore: why the step is executed, and the resources it used.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::shown::{Shown, Steps};
use super::summary::{Built, EXPORT, End, Outcome};
use crate::base::digest::BlobDigest;
use crate::build::Findings;
use crate::build::explain::Resources;
use crate::build::solve::{Event, Progress, TaskEvent};
use crate::cli::output;
use crate::cli::transfers::{Kind, words};
use crate::language::plan::StepId;
use crate::transport::registry;

/// BuildKit's vertex for reading the Dockerfile.
const READ: &str = "[internal] load build definition";
/// Both streams of a program are combined.
const STANDARD_OUTPUT: u8 = 1;
const STANDARD_ERROR: u8 = 2;

#[derive(Default)]
pub struct RawJson {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    names: Vec<String>,
    inputs: Vec<Vec<StepId>>,
    begun: HashMap<String, Timestamp>,
    used: HashMap<StepId, Resources>,
    /// The failed steps: the reason is known at the end.
    failed: Vec<(StepId, Timestamp)>,
}

impl RawJson {
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn say(status: &Value) {
    output::say_prepared(format!("{status}\n").as_bytes());
}

/// The digest that identifies a vertex.
pub fn digest(name: &str) -> String {
    BlobDigest::of(format!("rbuild-vertex-1\0{name}").as_bytes()).to_string()
}

impl State {
    fn step_digest(&self, step: StepId) -> String {
        digest(&format!("{} {}", step.0, self.names.get(step.0).map_or("", String::as_str)))
    }

    /// The named steps that it needs; those without a name are replaced by their own inputs.
    fn named_inputs(&self, step: StepId) -> Vec<String> {
        let mut named = Vec::new();
        for input in self.inputs.get(step.0).into_iter().flatten() {
            match self.names.get(input.0).is_none_or(String::is_empty) {
                true => named.extend(self.named_inputs(*input)),
                false => named.push(self.step_digest(*input)),
            }
        }
        named
    }

    /// The step as a vertex, with its start time.
    fn vertex(&mut self, step: StepId) -> Value {
        let digest = self.step_digest(step);
        let mut vertex = json!({ "digest": digest });
        let inputs = self.named_inputs(step);
        if !inputs.is_empty() {
            vertex["inputs"] = json!(inputs);
        }
        vertex["name"] = json!(self.names.get(step.0).map_or("", String::as_str));
        vertex["started"] = json!(self.begin(digest));
        vertex
    }

    /// The start time of the vertex with that digest.
    fn begin(&mut self, digest: String) -> Timestamp {
        *self.begun.entry(digest).or_insert_with(Timestamp::now)
    }

    fn ended(&mut self, step: StepId, error: &str) -> Value {
        let mut vertex = self.vertex(step);
        vertex["completed"] = json!(Timestamp::now());
        if !error.is_empty() {
            vertex["error"] = json!(error);
        }
        if let Some(used) = self.used.get(&step) {
            vertex["rbuild"] = json!({ "resources": used });
        }
        json!({ "vertexes": [vertex] })
    }

    /// How much of an archive has been sent, in buildx's form.
    fn sent(&mut self, task: &str, bytes: u64) -> Value {
        let vertex = digest(task);
        let id = "sending tarball";
        json!({ "statuses": [{
            "id": id, "vertex": vertex, "current": bytes, "timestamp": Timestamp::now(),
            "started": self.begin(digest(&format!("{task} {id}"))),
        }] })
    }

    /// The vertex of something other than a step.
    fn other(&mut self, name: &str, completed: Option<Duration>, error: &str) -> Value {
        let digest = digest(name);
        let mut vertex = json!({ "digest": digest, "name": name, "started": self.begin(digest) });
        if completed.is_some() {
            vertex["completed"] = json!(Timestamp::now());
        }
        if !error.is_empty() {
            vertex["error"] = json!(error);
        }
        json!({ "vertexes": [vertex] })
    }
}

impl Progress for RawJson {
    fn event(&self, event: Event<'_>) {
        let mut state = self.lock();
        let status = match event {
            Event::Started { step, why } => {
                let mut vertex = state.vertex(step);
                if !why.is_empty() {
                    vertex["rbuild"] = json!({ "why": why.iter().map(ToString::to_string).collect::<Vec<_>>() });
                }
                json!({ "vertexes": [vertex] })
            }
            Event::Cached { step } => {
                let mut status = state.ended(step, "");
                status["vertexes"][0]["cached"] = json!(true);
                status
            }
            Event::Output { step, bytes } => json!({ "logs": [{
                "vertex": state.step_digest(step),
                "stream": STANDARD_OUTPUT,
                "data": BASE64.encode(bytes),
                "timestamp": Timestamp::now(),
            }] }),
            Event::Done { step, .. } => state.ended(step, ""),
            Event::Failed { step, .. } => {
                state.failed.push((step, Timestamp::now()));
                return;
            }
            Event::Canceled { step } => state.ended(step, "context canceled"),
        };
        say(&status);
    }

    fn task(&self, event: TaskEvent<'_>) {
        let mut state = self.lock();
        say(&match event {
            TaskEvent::Started { task } => state.other(task, None, ""),
            TaskEvent::Note { task, text } => done(task, text),
            TaskEvent::Moved { task, bytes } => state.sent(task, bytes),
            TaskEvent::Done { task, took } => state.other(task, Some(took), ""),
            TaskEvent::Failed { task, message } => state.other(task, Some(Duration::ZERO), message),
        });
    }

    fn used(&self, step: StepId, resources: &Resources) {
        self.lock().used.insert(step, resources.clone());
    }

    fn warn(&self, text: &str) {
        say(&json!({ "warnings": [{ "level": 1, "short": BASE64.encode(text) }] }));
    }
}

/// A completed status.
fn done(vertex: &str, id: &str) -> Value {
    let now = Timestamp::now();
    json!({ "statuses": [{
        "id": id, "vertex": digest(vertex), "current": 0, "timestamp": now, "started": now, "completed": now,
    }] })
}

impl Shown for RawJson {
    fn add(&self, steps: &Steps) {
        let mut state = self.lock();
        let first = state.names.len();
        state.names.extend(steps.titles.iter().map(|title| title.replace('\n', " ")));
        let shifted = |inputs: &Vec<StepId>| inputs.iter().map(|input| StepId(first + input.0)).collect();
        state.inputs.extend(steps.inputs.iter().map(shifted));
    }

    fn transfers(&self, export: &str) -> Box<dyn registry::Progress> {
        say(&self.lock().other(export, None, ""));
        Box::new(Pushing { export: export.to_owned(), blobs: Mutex::default() })
    }

    fn end(&self, end: End) {
        let mut state = self.lock();
        match &end.outcome {
            Outcome::Built(built) => tell_built(&mut state, &end.named(EXPORT), built),
            Outcome::Failed(message) => {
                let (why, place) = message.split_once('\n').unwrap_or((message, ""));
                let (own, others): (Vec<_>, Vec<_>) =
                    std::mem::take(&mut state.failed).into_iter().partition(|(step, _)| end.steps.contains(&step.0));
                state.failed = others;
                if own.is_empty() && !place.is_empty() {
                    // An error of the Dockerfile belongs to no step.
                    let read = end.named(READ);
                    say(&state.other(&read, None, ""));
                    say(&excerpt(&digest(&read), place));
                    say(&state.other(&read, Some(Duration::ZERO), why));
                }
                for (step, at) in own {
                    let shown = state.names.get(step.0).map_or("", String::as_str);
                    // The step's output was already printed.
                    let is_title = |line: &str| line.strip_suffix(':').is_some_and(|title| end.named(title) == shown);
                    let place: Vec<&str> = place.lines().filter(|line| !is_title(line)).collect();
                    if !place.is_empty() {
                        say(&excerpt(&state.step_digest(step), &place.join("\n")));
                    }
                    let mut status = state.ended(step, why);
                    status["vertexes"][0]["completed"] = json!(at);
                    say(&status);
                }
            }
        }
        tell_findings(&end.findings);
    }
}

/// Lines of the Dockerfile as output of the vertex: this is how other displays show them.
fn excerpt(vertex: &str, lines: &str) -> Value {
    json!({ "logs": [{
        "vertex": vertex,
        "stream": STANDARD_ERROR,
        "data": BASE64.encode(format!("{lines}\n")),
        "timestamp": Timestamp::now(),
    }] })
}

/// Reports the result, under BuildKit's names.
fn tell_built(state: &mut State, export: &str, built: &Built) {
    say(&state.other(export, None, ""));
    for image in &built.images {
        say(&done(export, &format!("writing image {}", image.id)));
    }
    for name in &built.names {
        say(&done(export, &format!("naming to {name}")));
    }
    say(&state.other(export, Some(Duration::ZERO), ""));
}

fn tell_findings(findings: &Findings) {
    for warning in warnings(findings) {
        say(&json!({ "warnings": [warning] }));
    }
}

/// The lint's warnings as BuildKit's `VertexWarning`s.
pub fn warnings(findings: &Findings) -> Vec<Value> {
    let line = |number: u32| json!({ "line": number });
    let warnings = findings.warnings.iter().map(|warning| {
        json!({
            "vertex": digest(&findings.file_name),
            "level": 1,
            "short": BASE64.encode(format!("{}: {} (line {})", warning.rule.name, warning.detail, warning.line)),
            "detail": [BASE64.encode(warning.rule.description)],
            "url": warning.rule.url(),
            "sourceInfo": { "filename": findings.file_name, "data": BASE64.encode(&findings.source) },
            "range": [{ "start": line(warning.lines.first), "end": line(warning.lines.last) }],
        })
    });
    warnings.collect()
}

/// Blobs being pushed to a registry.
struct Pushing {
    /// The vertex that it belongs to.
    export: String,
    blobs: Mutex<HashMap<BlobDigest, (u64, Timestamp)>>,
}

impl registry::Progress for Pushing {
    fn event(&self, blob: &BlobDigest, event: registry::Event<'_>) {
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        let (total, started) = blobs.entry(*blob).or_insert_with(|| (0, Timestamp::now()));
        let now = Timestamp::now();
        let mut status = json!({
            "id": format!("pushing layer {blob}"), "vertex": digest(&self.export), "current": 0, "timestamp": now,
            "started": *started,
        });
        match event {
            registry::Event::Announced { size } => *total = size,
            registry::Event::Moved { bytes } => status["current"] = json!(bytes),
            event => {
                status["name"] = json!(words(Kind::Push, event));
                status["current"] = json!(*total);
                status["completed"] = json!(now);
            }
        }
        status["total"] = json!(*total);
        say(&json!({ "statuses": [status] }));
    }
}
