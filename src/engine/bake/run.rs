//! Runs the targets: a thread for each one that is started, and shared state about the progress of all.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::answer::{Answer, Outcome, Watcher};
use super::held::held;
use super::request::{Execution, Request};
use crate::base::io_error::IoError;
use crate::base::side_by_side::STACK;
use crate::build::solve::{Cancellation, Event, Progress, TaskEvent};
use crate::build::{self, Batch, BuildError, BuildResult, BuiltImage, Findings, NamedContextSource, Observer};
use crate::engine::history::Recorder;
use crate::language::dockerfile::Dockerfile;
use crate::language::plan::Plan;
use crate::store::Store;
use crate::transport::registry;

pub(super) struct Run<'a> {
    store: &'a Store,
    request: &'a Request,
    batch: &'a Batch<'a>,
    watcher: &'a dyn Watcher,
    stop: &'a Arc<Cancellation>,
    /// The targets whose results are held until all are built.
    held: Vec<bool>,
    /// The names of each target's contexts, with the indexes of the targets that provide them.
    needs: Vec<Vec<(&'a str, usize)>>,
    progress: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something can be started, or nothing is left to start.
    changed: Condvar,
    /// A held result may be written.
    released: Condvar,
}

#[derive(Default)]
struct State {
    stages: Vec<Stage>,
    /// The images of each target, for those that have it as a context.
    images: Vec<Option<Vec<BuiltImage>>>,
    outcomes: Vec<Option<Outcome>>,
    /// Targets whose pushed content is in its registries, without tags.
    sent: Vec<bool>,
    failures: Vec<usize>,
    /// The number of targets that occupy a job slot.
    running: usize,
    /// The number of targets whose steps are not done.
    unbuilt: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Building,
    /// Its steps are done.
    Built,
    Over,
}

/// What to do next.
enum Next {
    Begin(usize),
    /// It needs a target that was not built.
    GiveUp(usize, String),
    Wait,
    End,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the threads that can continue in `state`.
    fn tell(&self, state: &State) {
        self.changed.notify_all();
        if state.unbuilt == 0 {
            // As many as there are job slots; the others keep waiting.
            self.released.notify_all();
        }
    }
}

impl State {
    /// Counts the target among those whose steps are done, or will never be.
    fn is_built(&mut self, index: usize) {
        if matches!(self.stages[index], Stage::Waiting | Stage::Building) {
            self.unbuilt -= 1;
        }
    }

    fn is_over(&mut self, index: usize, outcome: Outcome) {
        self.is_built(index);
        self.stages[index] = Stage::Over;
        if matches!(outcome, Outcome::Failed(_)) {
            self.failures.push(index);
        }
        self.outcomes[index] = Some(outcome);
    }
}

impl<'a> Run<'a> {
    pub(super) fn new(
        (store, batch): (&'a Store, &'a Batch<'a>),
        request: &'a Request,
        watcher: &'a dyn Watcher,
        stop: &'a Arc<Cancellation>,
    ) -> Self {
        let count = request.targets.len();
        let state = State {
            stages: vec![Stage::Waiting; count],
            images: vec![None; count],
            sent: vec![false; count],
            outcomes: (0..count).map(|_| None).collect(),
            unbuilt: count,
            ..State::default()
        };
        let places: HashMap<&str, usize> =
            request.targets.iter().enumerate().map(|(place, target)| (target.name.as_str(), place)).collect();
        let needs = request.targets.iter().map(|target| {
            let contexts = target.contexts.iter();
            contexts.filter_map(|(context, name)| Some((context.as_str(), *places.get(name.as_str())?))).collect()
        });
        let needs = needs.collect();
        let progress = Arc::new(Shared { state: Mutex::new(state), ..Shared::default() });
        Self { store, request, batch, watcher, stop, held: held(request), needs, progress }
    }

    /// Builds all targets, or as many as possible.
    pub(super) fn finish(&self) -> Answer {
        let progress = self.progress.clone();
        // Wakes all waiting threads to check again. The lock ensures that no thread is between checking and waiting.
        let _wake = self.stop.on_cancel(move || {
            drop(progress.lock());
            progress.changed.notify_all();
            progress.released.notify_all();
        });
        let run = self;
        std::thread::scope(|scope| {
            loop {
                match run.next() {
                    Next::Begin(index) => {
                        let thread = std::thread::Builder::new().stack_size(STACK);
                        if let Err(source) = thread.spawn_scoped(scope, move || run.build(index)) {
                            let path = run.request.targets[index].name.as_str().into();
                            let error = IoError { action: "start a thread for the target", path, source };
                            run.over(index, Outcome::Failed(error.into()));
                        }
                    }
                    Next::GiveUp(index, needs) => {
                        let mut state = run.progress.lock();
                        state.is_over(index, Outcome::NotBegun { needs: Some(needs) });
                        run.progress.tell(&state);
                    }
                    Next::Wait => {}
                    Next::End => break,
                }
            }
        });
        let mut state = self.progress.lock();
        let outcomes = std::mem::take(&mut state.outcomes).into_iter();
        let outcomes = outcomes.map(|outcome| outcome.unwrap_or(Outcome::NotBegun { needs: None })).collect();
        Answer { outcomes, failures: std::mem::take(&mut state.failures), warnings: Vec::new() }
    }

    /// Waits for something to do.
    fn next(&self) -> Next {
        let mut state = self.progress.lock();
        loop {
            if self.stop.is_cancelled() {
                return Next::End;
            }
            match self.look(&mut state) {
                Next::Wait => state = wait(&self.progress.changed, state),
                next => return next,
            }
        }
    }

    /// The first target that can be started takes a job slot.
    fn look(&self, state: &mut State) -> Next {
        let waiting = || state.stages.iter().enumerate().filter(|(_, stage)| **stage == Stage::Waiting);
        if waiting().next().is_none() {
            return Next::End;
        }
        for (index, _) in waiting() {
            let is_lost = |place: usize| state.stages[place] == Stage::Over && state.images[place].is_none();
            if let Some((_, lost)) = self.needs[index].iter().find(|(_, place)| is_lost(*place)) {
                return Next::GiveUp(index, self.request.targets[*lost].name.clone());
            }
            let is_ready = self.needs[index].iter().all(|(_, place)| state.images[*place].is_some());
            if is_ready && state.running < self.request.jobs {
                state.stages[index] = Stage::Building;
                state.running += 1;
                return Next::Begin(index);
            }
        }
        // Targets that need each other.
        let stuck = waiting().next().filter(|_| state.running == 0);
        match stuck.and_then(|(index, _)| Some((index, self.needs[index].first()?))) {
            Some((index, (_, needed))) => Next::GiveUp(index, self.request.targets[*needed].name.clone()),
            None => Next::Wait,
        }
    }

    fn build(&self, index: usize) {
        let target = &self.request.targets[index];
        let mut options = target.options.clone();
        for (context, place) in &self.needs[index] {
            let images = self.progress.lock().images[*place].clone().unwrap_or_default();
            options.named_contexts.push(((*context).to_owned(), NamedContextSource::Built(images)));
        }
        // A failed step first stops its own target.
        let own = Arc::new(Cancellation::default());
        let stopped = own.clone();
        let _stop = self.stop.on_cancel(move || stopped.cancel());
        let observer = Waiting { inner: self.watcher.begins(index), run: self, index, own: own.clone() };
        let recorder = Recorder::begin(self.store, &options, &observer);
        let built = build::build_in(self.batch, &options, &recorder, &own);
        recorder.end(built.as_ref());
        let outcome = match built {
            Ok(result) => Outcome::Built(Box::new(result)),
            Err(BuildError::Cancelled) => Outcome::Stopped,
            Err(error) => Outcome::Failed(error),
        };
        self.over(index, outcome);
    }

    /// Lets the targets that need this one start, and waits until its result may be written.
    fn built(&self, index: usize, result: &BuildResult) {
        let mut state = self.progress.lock();
        if state.stages[index] != Stage::Building {
            // It was built again because a layer was lost.
            return;
        }
        state.is_built(index);
        state.stages[index] = Stage::Built;
        state.images[index] = Some(result.images.clone());
        if !self.held[index] {
            return self.progress.tell(&state);
        }
        state.running -= 1;
        self.progress.tell(&state);
        while !self.stop.is_cancelled() && (state.unbuilt > 0 || state.running >= self.request.jobs) {
            state = wait(&self.progress.released, state);
        }
        state.running += 1;
    }

    /// Whether the target's pushed images are tagged together with those of others.
    fn holds_names(&self, index: usize) -> bool {
        self.held[index] && self.request.targets.iter().filter(|target| target.options.push.is_some()).count() > 1
    }

    /// Waits until all pushed content is in its registries. False if nothing is to be tagged, because something failed.
    fn sent(&self, index: usize) -> bool {
        if !self.holds_names(index) {
            return true;
        }
        let mut state = self.progress.lock();
        if !state.sent[index] {
            state.sent[index] = true;
            state.running -= 1;
            self.progress.tell(&state);
            let is_sent = |state: &State, place: usize| {
                state.sent[place]
                    || state.stages[place] == Stage::Over
                    || self.request.targets[place].options.push.is_none()
            };
            let count = self.request.targets.len();
            while !self.stop.is_cancelled()
                && state.failures.is_empty()
                && !(0..count).all(|place| is_sent(&state, place))
            {
                state = wait(&self.progress.released, state);
            }
            state.running += 1;
        }
        !self.stop.is_cancelled() && state.failures.is_empty()
    }

    fn over(&self, index: usize, outcome: Outcome) {
        let is_failure = matches!(outcome, Outcome::Failed(_));
        self.watcher.ends(index, &outcome);
        let mut state = self.progress.lock();
        state.running -= 1;
        state.is_over(index, outcome);
        self.progress.tell(&state);
        drop(state);
        if is_failure && self.request.execution != Execution::DeferError {
            self.stop.cancel();
        }
    }
}

fn wait<'s>(changed: &Condvar, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
    changed.wait(state).unwrap_or_else(PoisonError::into_inner)
}

/// A target's observer, which waits before the result is written.
struct Waiting<'a> {
    inner: &'a dyn Observer,
    run: &'a Run<'a>,
    index: usize,
    /// Stops the target's build.
    own: Arc<Cancellation>,
}

impl Progress for Waiting<'_> {
    fn event(&self, event: Event<'_>) {
        self.inner.event(event);
    }

    fn task(&self, event: TaskEvent<'_>) {
        self.inner.task(event);
    }

    fn warn(&self, text: &str) {
        self.inner.warn(text);
    }
}

impl Observer for Waiting<'_> {
    fn read(&self, dockerfile: &Dockerfile) {
        self.inner.read(dockerfile);
    }

    fn planned(&self, plan: &Plan) {
        self.inner.planned(plan);
    }

    fn found(&self, findings: &Findings) {
        self.inner.found(findings);
    }

    fn explained(&self, report: i64) {
        self.inner.explained(report);
    }

    fn built(&self, result: &BuildResult) {
        self.inner.built(result);
        self.run.built(self.index, result);
        if self.run.stop.is_cancelled() {
            self.own.cancel();
        }
    }

    fn holds_names(&self) -> bool {
        self.run.holds_names(self.index)
    }

    fn sent(&self) {
        self.inner.sent();
        if !self.run.sent(self.index) {
            self.own.cancel();
        }
    }

    fn transfers(&self) -> Box<dyn registry::Progress> {
        self.inner.transfers()
    }
}
