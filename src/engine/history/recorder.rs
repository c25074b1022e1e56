//! Observes a build, forwards its events, and records them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use super::lines::Lines;
use super::log::{Happening, Writer};
use super::{BuildRecord, Failure, Status};
use crate::base::io_error::chain;
use crate::base::redaction;
use crate::build::explain::{BuildReport, Concealer, ReportWarning, Resources, Source, StepReport, looks_secret};
use crate::build::solve::{Event, Progress, TaskEvent};
use crate::build::{BuildError, BuildOptions, BuildResult, Findings, Observer};
use crate::language::dockerfile::Dockerfile;
use crate::language::plan::{Operation, Plan, StepId};
use crate::store::{History, Store};
use crate::transport::registry;

/// One build.
pub struct Recorder<'a> {
    inner: &'a dyn Observer,
    history: History,
    options: &'a BuildOptions,
    id: &'a str,
    started: Timestamp,
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    names: Vec<String>,
    /// The number of named steps, except those of images.
    total: usize,
    outcomes: HashMap<usize, Happening>,
    failed: Option<usize>,
    warnings: usize,
    report: Option<i64>,
    log: Log,
    lines: Lines,
    /// For each step, its inputs and its lines.
    plan: Vec<(Vec<usize>, (u32, u32))>,
    file: Option<Source>,
    found: Vec<ReportWarning>,
}

/// Created when there is something to log.
#[derive(Default)]
enum Log {
    #[default]
    None,
    Open(Writer),
    /// Why it could not be created.
    Failed(String),
}

impl<'a> Recorder<'a> {
    /// Observes a build, and forwards its events to `inner`.
    pub fn begin(store: &Store, options: &'a BuildOptions, inner: &'a dyn Observer) -> Self {
        Self {
            inner,
            history: History::of(store.root()),
            options,
            id: options.reference.rsplit('/').next().unwrap_or_default(),
            started: Timestamp::now(),
            begun: Instant::now(),
            state: Mutex::default(),
        }
    }

    /// Records the end of the build. If that fails, the build is not in the history, but as good without.
    pub fn end(self, result: Result<&BuildResult, &BuildError>) -> BuildRecord {
        let mut state = self.lock();
        for step in state.lines.steps() {
            self.end_lines(&mut state, step);
        }
        if result.is_err() && matches!(state.log, Log::None) {
            state.lines.conceal(self.secrets());
        }
        let record = self.record(&state, Some(result));
        if let Ok(line) = serde_json::to_string(&record) {
            // Without its line, the log would look like that of a killed build.
            for gone in self.history.add(&line).unwrap_or_default() {
                if let Some(gone) = BuildRecord::parse(&gone) {
                    let _ = self.history.remove_log(&gone.id);
                }
            }
        }
        // Closed last: at any time, the build is found in one of the two places.
        state.log = Log::None;
        record
    }

    /// The build's record as of now; `None` for `result` while it runs.
    fn record(&self, state: &State, result: Option<Result<&BuildResult, &BuildError>>) -> BuildRecord {
        let mut concealer = Concealer::default();
        let build_args = &self.options.build_args;
        concealer.learn(build_args.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let (context, dockerfile) = self.options.remembered_places();
        let count = |what| state.outcomes.values().filter(|outcome| **outcome == what).count();
        let cached = count(Happening::Cached);
        let failed = state.failed.and_then(|step| state.names.get(step));
        let conceal = |map: &mut dyn Iterator<Item = (&String, &String)>| {
            let value = |name: &str, value: &str| match looks_secret(name) {
                true => "***".to_owned(),
                false => concealer.conceal(value),
            };
            map.map(|(name, given)| (name.clone(), value(name, given))).collect()
        };
        let error = result.and_then(Result::err).filter(|error| !matches!(error, BuildError::Cancelled));
        BuildRecord {
            builder: self.options.reference.trim_end_matches(self.id).to_owned(),
            id: self.id.to_owned(),
            name: name(&context, &dockerfile, self.options.target.as_deref()),
            context,
            dockerfile,
            target: self.options.target.clone(),
            platforms: self.options.platforms.iter().map(ToString::to_string).collect(),
            started: self.started,
            nanoseconds: u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX),
            status: match result {
                None => Status::Running,
                Some(Ok(_)) => Status::Completed,
                Some(Err(BuildError::Cancelled)) => Status::Canceled,
                Some(Err(_)) => Status::Error,
            },
            failure: error.map(|error| {
                let text = state.lines.hide(&concealer.conceal(&chain(error)));
                let (message, excerpt) = text.split_once('\n').unwrap_or((&text, ""));
                Failure { message: message.to_owned(), step: failed.cloned(), excerpt: excerpt.to_owned() }
            }),
            total: state.total,
            completed: cached + count(Happening::Done),
            cached,
            warnings: state.warnings,
            tags: self.options.tags.iter().map(ToString::to_string).collect(),
            build_args: conceal(&mut build_args.iter()),
            labels: conceal(&mut self.options.labels.iter().map(|(name, value)| (name, value))),
            image: result.and_then(Result::ok).map(|result| result.id().to_string()),
            report: state.report,
            has_log: matches!(state.log, Log::Open(_)),
            log_error: match &state.log {
                Log::Failed(why) => Some(why.clone()),
                _ => None,
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn microseconds(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The log is created for its first entry: a fully cached build has none.
    fn note(&self, state: &mut State, what: Happening, step: usize, bytes: &[u8]) {
        if matches!(state.log, Log::None) && what != Happening::Cached {
            self.begin_log(state);
        }
        let at = self.microseconds();
        if let Log::Open(log) = &mut state.log {
            log.add(what, number(step), at, bytes);
        }
    }

    fn begin_log(&self, state: &mut State) {
        state.lines.conceal(self.secrets());
        let mut log = match self.history.new_log(self.id) {
            Ok(file) => Writer::new(file),
            Err(error) => {
                state.log = Log::Failed(chain(&error));
                return;
            }
        };
        let record = BuildRecord { has_log: true, ..self.record(state, None) };
        log.add(Happening::Build, 0, 0, &serde_json::to_vec(&record).unwrap_or_default());
        let mut concealer = Concealer::default();
        let build_args = self.options.build_args.iter();
        concealer.learn(build_args.map(|(name, value)| (name.as_str(), value.as_str())));
        let plan = skeleton(state, |text| state.lines.hide(&concealer.conceal(text)));
        log.add(Happening::Plan, 0, 0, &serde_json::to_vec(&plan).unwrap_or_default());
        for (index, name) in state.names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let shown = state.lines.hide(&concealer.conceal(name));
            log.add(Happening::Name, number(index), 0, shown.as_bytes());
        }
        let cached = state.outcomes.iter().filter(|(_, outcome)| **outcome == Happening::Cached);
        for index in cached.map(|(index, _)| *index) {
            log.add(Happening::Cached, number(index), 0, &[]);
        }
        log.head_is_written();
        state.log = Log::Open(log);
    }

    /// The values of secrets.
    fn secrets(&self) -> impl Iterator<Item = Vec<u8>> {
        let run = &self.options.run;
        let given = run.secrets.keys().filter_map(|id| run.secret(id).ok().flatten());
        let arguments = self.options.build_args.iter();
        let arguments = arguments.filter(|(name, _)| looks_secret(name));
        given.chain(arguments.map(|(_, value)| value.clone().into_bytes()))
    }

    fn write(&self, state: &mut State, step: usize, bytes: &[u8]) {
        if matches!(state.log, Log::None) {
            // The secrets are known from here on.
            self.begin_log(state);
        }
        let text = state.lines.push(step, bytes);
        if !text.is_empty() {
            self.note(state, Happening::Output, step, &text);
        }
    }

    fn end_lines(&self, state: &mut State, step: usize) {
        let rest = state.lines.end(step);
        if !rest.is_empty() {
            self.note(state, Happening::Output, step, &rest);
        }
    }
}

/// The planned steps, in case the end is never recorded.
fn skeleton(state: &State, conceal: impl Fn(&str) -> String) -> BuildReport {
    let steps = state.names.iter().zip(&state.plan).map(|(name, (inputs, lines))| StepReport {
        name: conceal(name),
        inputs: inputs.clone(),
        lines: Some(*lines).filter(|(first, _)| *first > 0),
        ..StepReport::default()
    });
    let file = state.file.as_ref();
    BuildReport {
        dockerfile: file.map(|file| Source { name: file.name.clone(), text: conceal(&file.text) }),
        warnings: state.found.clone(),
        steps: steps.collect(),
        ..BuildReport::default()
    }
}

fn number(step: usize) -> u32 {
    u32::try_from(step).unwrap_or(u32::MAX)
}

/// buildx's name of a build: the context's last component, the Dockerfile unless it is the default, the target.
fn name(context: &str, dockerfile: &str, target: Option<&str>) -> String {
    let plain = redaction::in_text(context);
    let path = plain.split(['#', '?']).next().unwrap_or_default().trim_end_matches('/');
    let mut name = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".git").to_owned();
    let file = dockerfile.rsplit('/').next().unwrap_or_default();
    if !matches!(file, "" | "-" | "Dockerfile") {
        name = format!("{name}/{file}");
    }
    match target.filter(|target| !target.is_empty()) {
        Some(target) => format!("{name} ({target})"),
        None => name,
    }
}

impl Progress for Recorder<'_> {
    fn event(&self, event: Event<'_>) {
        {
            let mut state = self.lock();
            let state = &mut *state;
            match event {
                Event::Started { step, .. } => self.note(state, Happening::Started, step.0, &[]),
                Event::Output { step, bytes } => self.write(state, step.0, bytes),
                Event::Cached { step } => self.ended(state, step, Happening::Cached),
                Event::Done { step, .. } => self.ended(state, step, Happening::Done),
                Event::Failed { step, .. } => {
                    state.failed.get_or_insert(step.0);
                    self.ended(state, step, Happening::Failed);
                }
                Event::Canceled { step } => self.ended(state, step, Happening::Canceled),
            }
        }
        self.inner.event(event);
    }

    fn task(&self, event: TaskEvent<'_>) {
        self.inner.task(event);
    }

    fn used(&self, step: StepId, resources: &Resources) {
        let text = serde_json::to_vec(resources).unwrap_or_default();
        self.note(&mut self.lock(), Happening::Used, step.0, &text);
        self.inner.used(step, resources);
    }

    fn warn(&self, text: &str) {
        self.inner.warn(text);
    }
}

impl Recorder<'_> {
    fn ended(&self, state: &mut State, step: StepId, what: Happening) {
        self.end_lines(state, step.0);
        self.note(state, what, step.0, &[]);
        if state.names.get(step.0).is_some_and(|name| !name.is_empty()) {
            state.outcomes.insert(step.0, what);
        }
    }
}

impl Observer for Recorder<'_> {
    fn read(&self, file: &Dockerfile) {
        self.inner.read(file);
    }

    fn built(&self, result: &BuildResult) {
        self.inner.built(result);
    }

    fn planned(&self, plan: &Plan) {
        let mut state = self.lock();
        let is_shown = |operation: &Operation| !matches!(operation, Operation::Base { image: None, .. });
        let names = plan.steps.iter().map(|step| match is_shown(&step.operation) {
            true => step.title.clone(),
            false => String::new(),
        });
        state.names = names.collect();
        let places = plan.steps.iter().map(|step| {
            let inputs = step.operation.inputs().into_iter().map(|input| input.0).collect();
            (inputs, (step.lines.first, step.lines.last))
        });
        state.plan = places.collect();
        state.total = state.names.iter().filter(|name| !name.is_empty()).count();
        drop(state);
        self.inner.planned(plan);
    }

    fn found(&self, findings: &Findings) {
        let mut state = self.lock();
        state.warnings = findings.warnings.len();
        let (file, warnings) = findings.kept();
        (state.file, state.found) = (Some(file), warnings);
        drop(state);
        self.inner.found(findings);
    }

    fn explained(&self, report: i64) {
        self.lock().report = Some(report);
        self.inner.explained(report);
    }

    fn holds_names(&self) -> bool {
        self.inner.holds_names()
    }

    fn sent(&self) {
        self.inner.sent();
    }

    fn transfers(&self) -> Box<dyn registry::Progress> {
        self.inner.transfers()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_are_called_as_buildx_calls_them() {
        assert_eq!(name("/home/me/app", "/home/me/app/Dockerfile", None), "app");
        assert_eq!(name("/home/me/app/", "/home/me/app/dev.Dockerfile", Some("web")), "app/dev.Dockerfile (web)");
        assert_eq!(name("https://example.com/owner/project.git#main:sub", "Dockerfile", None), "project");
        assert_eq!(name("-", "-", None), "-");
    }
}
