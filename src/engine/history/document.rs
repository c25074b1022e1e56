//! Everything known about a build as one document, from which reports and lists of steps are made. Plain data, which
//! can be written and read again.

use serde::{Deserialize, Serialize};

use super::files::{LargeFile, LayerUse};
use super::graph::{self, Node};
use super::list::remains;
use super::log::{self, Happening};
use super::{BuildRecord, HistoryError, Status};
use crate::build::explain::{BuildReport, Outcome, ReportWarning, Resources, Source};
use crate::store::{History, Store};

/// Incremented when earlier documents can no longer be read.
const VERSION: u32 = 1;

/// Everything known about a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The version of this format.
    pub version: u32,
    /// Its record in the history.
    pub build: BuildRecord,
    /// What is missing, and why.
    pub notes: Vec<String>,
    /// The Dockerfile, if it was kept.
    pub dockerfile: Option<Source>,
    /// Warnings about the Dockerfile.
    pub warnings: Vec<ReportWarning>,
    /// Indexed by step number; those of `scratch` have no name.
    pub steps: Vec<Step>,
    /// The indexes of the steps on the critical path.
    pub critical_path: Vec<usize>,
    /// The duration of the critical path in microseconds.
    pub critical: u64,
    /// The maximum number of steps that were executed in parallel.
    pub workers: u32,
    /// The layers of the image; empty if they were not read.
    #[serde(default)]
    pub layers: Vec<LayerUse>,
    /// The largest files of the image.
    #[serde(default)]
    pub files: Vec<LargeFile>,
}

/// What happened to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Its result was in the cache.
    Cached,
    /// It was executed successfully.
    Executed,
    /// It failed.
    Failed,
    /// It was cancelled.
    Canceled,
    /// It was being executed when the log ended.
    Running,
    /// The build ended before it.
    NotReached,
}

/// A step of a build. Times are microseconds since the build's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// As shown by progress.
    pub name: String,
    /// What happened to it.
    pub state: StepState,
    /// Why it was executed.
    pub why: Vec<String>,
    /// The indexes of the steps whose results it needs.
    pub inputs: Vec<usize>,
    /// Its first and last line in the Dockerfile.
    pub lines: Option<(u32, u32)>,
    /// When its program, or its copying, started.
    pub began: Option<u64>,
    /// When that ended.
    pub ended: Option<u64>,
    /// The number of the worker that executed it.
    pub worker: Option<u32>,
    /// The last input to become available, and how long the step then waited: for a worker, or for another process.
    pub waited_for: Option<usize>,
    /// Microseconds.
    pub waited: u64,
    /// By how much the build's critical path would be shorter if this step was cached.
    pub would_save: u64,
    /// For a cached step: the microseconds that its execution took, if known.
    pub saved: u64,
    /// The resources that its program used.
    pub resources: Option<Resources>,
    /// The diffID of its layer.
    pub layer: Option<String>,
    /// The size of that layer's stream.
    pub layer_bytes: u64,
    /// The bytes that it printed.
    pub printed: u64,
    /// Why its output is incomplete; `None` if all of it was kept.
    pub log_end: Option<String>,
}

impl Step {
    /// Its duration in microseconds.
    pub fn took(&self) -> u64 {
        self.began.zip(self.ended).map_or(0, |(began, ended)| ended.saturating_sub(began))
    }
}

/// What is known about the build, without its layers and files.
pub fn document(store: &Store, record: &BuildRecord) -> Result<Document, HistoryError> {
    let mut notes = remains(store, record)?.notes();
    match record.status {
        Status::Killed => notes.push("the build was killed: this is what it had told until then".to_owned()),
        Status::Running => notes.push("the build is not over".to_owned()),
        _ => {}
    }
    let report = match super::report(store, record)? {
        Some(report) => Some(report),
        None => planned(store, record)?,
    };
    let mut steps = report.as_ref().map(|report| of_report(report, record)).unwrap_or_default();
    add_log(store, record, &mut steps)?;
    let (dockerfile, warnings) = report.map(|report| (report.dockerfile, report.warnings)).unwrap_or_default();
    let nodes: Vec<Node> = steps.iter().map(node).collect();
    let path = graph::critical_path(&nodes);
    for (place, saved) in graph::savings(&nodes).into_iter().enumerate() {
        (steps[place].waited_for, steps[place].waited) = graph::waiting(&nodes, place);
        steps[place].would_save = saved;
    }
    let workers = steps.iter().filter_map(|step| step.worker).max().map_or(0, |most| most + 1);
    let (version, build) = (VERSION, record.clone());
    let (critical_path, critical) = (path.places, path.microseconds);
    let (layers, files) = Default::default();
    Ok(Document { version, build, notes, dockerfile, warnings, steps, critical_path, critical, workers, layers, files })
}

fn node(step: &Step) -> Node {
    Node { inputs: step.inputs.clone(), took: step.took(), began: step.began, ended: step.ended }
}

/// The plan of a build that did not end.
fn planned(store: &Store, record: &BuildRecord) -> Result<Option<BuildReport>, HistoryError> {
    let Some(file) = History::of(store.root()).log(&record.id)? else { return Ok(None) };
    let plan = log::read(file).take(2).find(|entry| entry.what == Happening::Plan);
    Ok(plan.and_then(|entry| serde_json::from_slice(&entry.bytes).ok()))
}

fn of_report(report: &BuildReport, record: &BuildRecord) -> Vec<Step> {
    let offset = report.began - record.started.as_microsecond();
    let since = |time: u64| u64::try_from(i64::try_from(time).unwrap_or(i64::MAX).saturating_add(offset)).unwrap_or(0);
    let step = |step: &crate::build::explain::StepReport| Step {
        name: step.name.clone(),
        state: match step.outcome {
            Outcome::Cached => StepState::Cached,
            Outcome::Executed => StepState::Executed,
            Outcome::Failed => StepState::Failed,
            Outcome::NotReached => StepState::NotReached,
        },
        why: step.reasons.iter().map(ToString::to_string).collect(),
        inputs: step.inputs.iter().copied().filter(|input| *input < report.steps.len()).collect(),
        lines: step.lines,
        began: step.timing.map(|timing| since(timing.began)),
        ended: step.timing.map(|timing| since(timing.ended)),
        worker: step.timing.map(|timing| timing.worker),
        waited_for: None,
        waited: 0,
        would_save: 0,
        saved: step.saved_milliseconds * 1000,
        resources: step.resources.clone(),
        layer: step.layer.as_ref().map(ToString::to_string),
        layer_bytes: step.layer_bytes,
        printed: 0,
        log_end: None,
    };
    report.steps.iter().map(step).collect()
}

/// Adds times from the log, which are exact, and steps that did not end.
fn add_log(store: &Store, record: &BuildRecord, steps: &mut [Step]) -> Result<(), HistoryError> {
    let Some(file) = History::of(store.root()).log(&record.id)? else { return Ok(()) };
    let (mut used, mut ends) = (Vec::new(), Vec::new());
    for place in log::places(file) {
        let Some(step) = steps.get_mut(place.step as usize) else { continue };
        let ended = |step: &mut Step, state: StepState| {
            step.state = state;
            step.ended = step.began.map(|_| place.microseconds);
        };
        match place.what {
            Happening::Started => {
                (step.began, step.ended) = (Some(place.microseconds), None);
                step.state = StepState::Running;
            }
            Happening::Cached => step.state = StepState::Cached,
            Happening::Output => step.printed += u64::from(place.length),
            Happening::Used => used.push(place),
            Happening::Done => ended(step, StepState::Executed),
            Happening::Failed => ended(step, StepState::Failed),
            Happening::Canceled => ended(step, StepState::Canceled),
            Happening::Full => ends.push(place),
            Happening::Build | Happening::Plan | Happening::Name => {}
        }
    }
    let end = record.nanoseconds / 1000;
    for step in steps.iter_mut().filter(|step| step.began.is_some() && step.ended.is_none()) {
        step.ended = Some(end.max(step.began.unwrap_or(0)));
    }
    if let Some(file) = History::of(store.root()).log(&record.id)? {
        add_texts(&file, (&used, &ends), steps);
    }
    Ok(())
}

/// Reads the texts and JSON documents, which are in few places of a log.
fn add_texts(file: &std::fs::File, (used, ends): (&[log::Place], &[log::Place]), steps: &mut [Step]) {
    use std::os::unix::fs::FileExt as _;
    let text = |place: &log::Place| {
        let mut bytes = vec![0; place.length as usize];
        file.read_exact_at(&mut bytes, place.offset).ok().map(|()| bytes)
    };
    for place in used {
        let resources = text(place).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let (Some(step), Some(resources)) = (steps.get_mut(place.step as usize), resources) {
            step.resources = Some(resources);
        }
    }
    for place in ends {
        let why = text(place).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        if let Some(step) = steps.get_mut(place.step as usize) {
            step.log_end = why;
        }
    }
}
