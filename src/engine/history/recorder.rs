//! Watches a build, passes on what it is told, and writes down what is to be remembered.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use super::log::{Happening, Writer};
use super::{BuildRecord, Failure, Status};
use crate::base::io_error::chain;
use crate::base::redaction;
use crate::build::explain::Concealer;
use crate::build::solve::{Event, Progress, TaskEvent};
use crate::build::{BuildError, BuildOptions, BuildResult, Findings, Observer};
use crate::language::dockerfile::Dockerfile;
use crate::language::plan::{Operation, Plan, StepId};
use crate::store::{History, Store};
use crate::transport::registry;

/// Shorter values occur by chance.
const SHORTEST_SECRET: usize = 4;
const MARK: &[u8] = b"***";
/// A line that is longer is written down in pieces.
const LONGEST_LINE: usize = 64 << 10;

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
    /// Of the steps with a name, those of images not counted.
    total: usize,
    outcomes: HashMap<usize, Happening>,
    failed: Option<usize>,
    warnings: usize,
    report: Option<i64>,
    log: Option<Writer>,
    /// Begun lines of steps.
    lines: HashMap<usize, Vec<u8>>,
    secrets: Vec<Vec<u8>>,
}

impl<'a> Recorder<'a> {
    /// Watches a build, and passes on to `inner` what it is told.
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

    /// The build is over. What can't be written down is not remembered: the build is as good without.
    pub fn end(self, result: Result<&BuildResult, &BuildError>) {
        let mut state = self.lock();
        let rest = std::mem::take(&mut state.lines);
        for (step, line) in rest {
            self.write_line(&mut state, step, &line);
        }
        if let Some(log) = state.log.take() {
            log.finish();
        }
        let record = self.record(&state, result);
        if let Ok(line) = serde_json::to_string(&record) {
            let _ = self.history.add(&line);
        }
    }

    fn record(&self, state: &State, result: Result<&BuildResult, &BuildError>) -> BuildRecord {
        let mut concealer = Concealer::default();
        let build_args = &self.options.build_args;
        concealer.learn(build_args.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let (context, dockerfile) = self.options.places();
        let count = |what| state.outcomes.values().filter(|outcome| **outcome == what).count();
        let cached = count(Happening::Cached);
        let failed = state.failed.and_then(|step| state.names.get(step));
        let conceal = |map: &mut dyn Iterator<Item = (&String, &String)>| {
            map.map(|(name, value)| {
                (
                    name.clone(),
                    if crate::build::explain::looks_secret(name) { "***".to_owned() } else { concealer.conceal(value) },
                )
            })
            .collect()
        };
        BuildRecord {
            builder: self.options.reference.trim_end_matches(self.id).to_owned(),
            id: self.id.to_owned(),
            name: name(&context, &dockerfile, self.options.target.as_deref()),
            context: concealer.conceal(&context),
            dockerfile: concealer.conceal(&dockerfile),
            target: self.options.target.clone(),
            platforms: self.options.platforms.iter().map(ToString::to_string).collect(),
            started: self.started,
            nanoseconds: u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX),
            status: match result {
                Ok(_) => Status::Completed,
                Err(BuildError::Cancelled) => Status::Canceled,
                Err(_) => Status::Error,
            },
            failure: result.err().filter(|error| !matches!(error, BuildError::Cancelled)).map(|error| {
                let text = concealer.conceal(&chain(error));
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
            image: result.ok().map(|result| result.id().to_string()),
            report: state.report,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn microseconds(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The log is made when there is something in it: a build that finds all in the cache has none.
    fn note(&self, state: &mut State, what: Happening, step: usize, bytes: &[u8]) {
        let number = |step: usize| u32::try_from(step).unwrap_or(u32::MAX);
        if state.log.is_none() && what != Happening::Cached {
            let Ok(file) = self.history.new_log(self.id) else { return };
            let mut log = Writer::new(file);
            for (index, name) in state.names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
                log.add(Happening::Name, number(index), 0, name.as_bytes());
            }
            for (index, _) in state.outcomes.iter().filter(|(_, outcome)| **outcome == Happening::Cached) {
                log.add(Happening::Cached, number(*index), 0, &[]);
            }
            state.log = Some(log);
            state.secrets = self.secrets();
        }
        let at = self.microseconds();
        if let Some(log) = &mut state.log {
            log.add(what, number(step), at, bytes);
        }
    }

    /// Values that were given as secrets, the longest first.
    fn secrets(&self) -> Vec<Vec<u8>> {
        let run = &self.options.run;
        let given = run.secrets.keys().filter_map(|id| run.secret(id).ok().flatten());
        let arguments = self.options.build_args.iter();
        let arguments = arguments.filter(|(name, _)| crate::build::explain::looks_secret(name));
        let all = given.chain(arguments.map(|(_, value)| value.clone().into_bytes()));
        let mut all: Vec<Vec<u8>> = all.flat_map(|value| lines_of(&value)).collect();
        all.sort_by_key(|value| std::cmp::Reverse(value.len()));
        all
    }

    /// Secrets are looked for in whole lines: what a program writes may end anywhere.
    fn write(&self, state: &mut State, step: usize, bytes: &[u8]) {
        let mut line = state.lines.remove(&step).unwrap_or_default();
        line.extend_from_slice(bytes);
        let end = match line.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if line.len() > LONGEST_LINE => line.len(),
            None => 0,
        };
        let rest = line.split_off(end);
        if !rest.is_empty() {
            state.lines.insert(step, rest);
        }
        self.write_line(state, step, &line);
    }

    fn write_line(&self, state: &mut State, step: usize, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        // The log is made first: with it come the secrets.
        if state.log.is_none() {
            self.note(state, Happening::Output, step, &[]);
        }
        let hidden = without(line, &state.secrets);
        self.note(state, Happening::Output, step, &hidden);
    }
}

/// A secret as it is looked for in lines: a key of several lines is printed as several, and none with its end.
fn lines_of(secret: &[u8]) -> Vec<Vec<u8>> {
    let lines = secret.split(|byte| *byte == b'\n').map(|line| line.trim_ascii().to_vec());
    lines.filter(|line| line.len() >= SHORTEST_SECRET).collect()
}

fn without(line: &[u8], secrets: &[Vec<u8>]) -> Vec<u8> {
    let mut text = line.to_vec();
    for secret in secrets {
        if memchr::memmem::find(&text, secret).is_none() {
            continue;
        }
        let mut out = Vec::new();
        let mut from = 0;
        for at in memchr::memmem::find_iter(&text, secret) {
            out.extend_from_slice(&text[from..at]);
            out.extend_from_slice(MARK);
            from = at + secret.len();
        }
        out.extend_from_slice(&text[from..]);
        text = out;
    }
    text
}

/// As buildx calls a build: the context's last name, the Dockerfile where it is another than usual, the target.
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

    fn warn(&self, text: &str) {
        self.inner.warn(text);
    }
}

impl Recorder<'_> {
    fn ended(&self, state: &mut State, step: StepId, what: Happening) {
        if let Some(line) = state.lines.remove(&step.0) {
            self.write_line(state, step.0, &line);
        }
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
        state.total = state.names.iter().filter(|name| !name.is_empty()).count();
        drop(state);
        self.inner.planned(plan);
    }

    fn found(&self, findings: &Findings) {
        self.lock().warnings = findings.warnings.len();
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

    #[test]
    fn each_line_of_a_key_is_a_secret() {
        let secrets = lines_of(b"begin\r\nMIIEvQ\n}\n\nend of it\n");
        assert_eq!(secrets, [&b"begin"[..], b"MIIEvQ", b"end of it"]);
        assert_eq!(without(b"1 MIIEvQ\n", &secrets), b"1 ***\n");
    }

    #[test]
    fn secrets_are_left_out_of_lines() {
        let secrets = vec![b"sesame-open".to_vec(), b"sesame".to_vec()];
        assert_eq!(without(b"a sesame-open b sesame\n", &secrets), b"a *** b ***\n");
        assert_eq!(without(b"\xff\n", &secrets), b"\xff\n");
    }
}
