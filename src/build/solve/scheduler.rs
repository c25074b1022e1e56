//! Executes the steps of a plan, each as soon as its inputs are ready.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard};

use crate::base::digest::CacheKey;
use crate::base::side_by_side::{STACK, with_deep_stack};
use crate::language::plan::{Operation, Plan, PlannedImage, StepId};
use crate::store::StepLayer;
use crate::store::snapshot::Stack;

use super::error::{SolveError, StepError};
use super::layers::Made;
use super::progress::Event;
use super::settings::Solver;

/// Stages that wait for a program or the network use no CPU, so there may be more of them than CPUs.
const MOST_AT_ONCE: usize = 16;

/// The result of a build: the layers of its root filesystems.
#[derive(Debug, Clone)]
pub struct Solved {
    /// One for each of the plan's images.
    pub stacks: Vec<Stack>,
    /// At least one step was executed.
    pub made_layers: bool,
    /// What each step made or was found to have made.
    pub records: Vec<(CacheKey, StepLayer)>,
    /// The folders of the store that steps used as cache mounts.
    pub cache_mounts: BTreeSet<String>,
}

/// Executes the plan. The first error ends it: running steps are stopped, and waiting ones do not begin.
pub fn solve(plan: &Plan, solver: &Solver<'_>) -> Result<Solved, SolveError> {
    let schedule = Schedule::new(plan, solver);
    // Steps of one stage wait for each other: more threads than stages would be idle.
    let stages = plan.steps.iter().filter(|step| matches!(step.operation, Operation::Base { .. })).count();
    let helpers = stages.clamp(1, MOST_AT_ONCE) - 1;
    if helpers == 0 {
        with_deep_stack(|| schedule.work());
    } else {
        std::thread::scope(|scope| {
            for _ in 0..helpers {
                // If no more threads are available, there are fewer.
                let _ = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || schedule.work());
            }
            with_deep_stack(|| schedule.work());
        });
    }
    schedule.result()
}

struct Schedule<'a> {
    plan: &'a Plan,
    solver: &'a Solver<'a>,
    made: Made<'a>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    steps: Vec<StepState>,
    error: Option<SolveError>,
}

enum StepState {
    Waiting,
    Started,
    Done(Stack),
}

impl<'a> Schedule<'a> {
    fn new(plan: &'a Plan, solver: &'a Solver<'a>) -> Self {
        let steps = plan.steps.iter().map(|_| StepState::Waiting).collect();
        Self {
            plan,
            solver,
            made: Made::new(solver.executed),
            state: Mutex::new(State { steps, error: None }),
            changed: Condvar::new(),
        }
    }

    /// Executes steps until none is left.
    fn work(&self) {
        while let Some((id, inputs)) = self.next() {
            let result = self.execute(id, &inputs);
            let mut state = self.lock();
            match result {
                Ok(stack) => {
                    self.solver.results.done(id, &stack);
                    state.steps[id.0] = StepState::Done(stack);
                }
                Err(error) => {
                    // A cancelled step is not the cause of the failure.
                    let first = state.error.is_none() && !matches!(error, StepError::Cancelled);
                    if first {
                        let (part, error) = error.split();
                        state.error = Some(SolveError::Step { step: id, part, error });
                    }
                    drop(state);
                    self.solver.cancellation.cancel();
                }
            }
            self.changed.notify_all();
        }
    }

    /// Waits for a step that can be executed; `None` if all are done or the build has ended.
    fn next(&self) -> Option<(StepId, Vec<Stack>)> {
        let mut state = self.lock();
        loop {
            if state.error.is_some() || self.solver.cancellation.is_cancelled() {
                return None;
            }
            let mut is_any_left = false;
            for index in 0..state.steps.len() {
                if !matches!(state.steps[index], StepState::Waiting) {
                    continue;
                }
                is_any_left = true;
                if let Some(inputs) = self.inputs(&state, index) {
                    state.steps[index] = StepState::Started;
                    return Some((StepId(index), inputs));
                }
            }
            if !is_any_left {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// The inputs of the step, if all of them are ready.
    fn inputs(&self, state: &State, index: usize) -> Option<Vec<Stack>> {
        let needed = self.plan.steps[index].operation.inputs();
        let result = |id: &StepId| match &state.steps[id.0] {
            StepState::Done(stack) => Some(stack.clone()),
            StepState::Waiting | StepState::Started => None,
        };
        needed.iter().map(result).collect()
    }

    /// `inputs` are the results of the operation's inputs, in order; the parent is the first.
    fn execute(&self, id: StepId, inputs: &[Stack]) -> Result<Stack, StepError> {
        let step = &self.plan.steps[id.0];
        let (solver, made) = (self.solver, &self.made);
        let parent = inputs.first().cloned().unwrap_or_default();
        match &step.operation {
            Operation::Base { layers, .. } => {
                solver.explainer.base(id);
                if !step.name.is_empty() {
                    solver.progress.event(Event::Cached { step: id });
                }
                Ok(Stack::of_image(layers))
            }
            Operation::Directory(directory) => solver.directory(made, id, directory, &parent, step.ignore_cache),
            Operation::Copy(copy) => solver.copy(made, id, copy, inputs, step.ignore_cache),
            Operation::Run(run) => solver.run(made, id, run, inputs, step.ignore_cache),
        }
    }

    fn result(self) -> Result<Solved, SolveError> {
        let state = self.state.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(error) = state.error {
            return Err(error);
        }
        let stack = |image: &PlannedImage| match &state.steps[image.step.0] {
            StepState::Done(stack) => Ok(stack.clone()),
            StepState::Waiting | StepState::Started => Err(SolveError::Cancelled),
        };
        let stacks = self.plan.images.iter().map(stack).collect::<Result<_, _>>()?;
        Ok(Solved {
            stacks,
            made_layers: !self.made.is_empty(),
            records: self.made.take_records(),
            cache_mounts: self.made.take_cache_mounts(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
