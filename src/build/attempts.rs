//! Executes a plan and writes the result, and tries again if a layer that a cache promised does not exist: a cache may
//! make a build faster, but never fail it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::base::digest::DiffId;
use crate::build::remote_cache::Imports;
use crate::build::solve::{
    self, Cancellation, Explainer, Results, RunSettings, SolveError, Solved, Solver, SshAgents, WorkingRoots,
};
use crate::language::plan::{Operation, Plan};
use crate::store::FetchError;

use super::batch::Batch;
use super::contexts::BuildContexts;
use super::dockerfile::File;
use super::error::BuildError;
use super::observer::Observer;
use super::shared_cache::{Records, chain};

/// What stays the same in every attempt.
pub(super) struct Attempts<'a> {
    pub batch: &'a Batch<'a>,
    pub file: &'a File,
    pub plan: &'a Plan,
    pub contexts: &'a BuildContexts<'a>,
    pub run: &'a RunSettings,
    pub agents: &'a SshAgents,
    pub explainer: &'a Explainer<'a>,
    pub imports: &'a Imports,
    pub results: &'a dyn Results,
    pub observer: &'a dyn Observer,
    pub cancellation: &'a Cancellation,
}

enum Failure {
    Solve(SolveError),
    Build(BuildError),
    /// Nobody has the layer.
    Lost(DiffId),
}

impl Attempts<'_> {
    /// Executes the plan and lets `write` make the result from it.
    pub fn run<T>(&self, write: impl Fn(&Solved) -> Result<T, BuildError>) -> Result<(Solved, T), BuildError> {
        let mut distrusted = HashSet::new();
        loop {
            let failure = match self.attempt(&distrusted, &write) {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            let lost = failure.lost_layer().filter(|diff_id| !self.is_of_a_base(diff_id));
            match lost {
                Some(diff_id) if !self.cancellation.is_cancelled() && distrusted.insert(diff_id) => {
                    self.observer.warn(&format!("{}; what made it is executed again", failure.text()));
                    self.batch.work()?.distrust_layer(&diff_id)?;
                }
                _ => return Err(failure.into_error(self.file, self.plan)),
            }
        }
    }

    fn attempt<T>(
        &self,
        distrusted: &HashSet<DiffId>,
        write: &impl Fn(&Solved) -> Result<T, BuildError>,
    ) -> Result<(Solved, T), Failure> {
        // A failed step cancels all others, which must be distinguished from a cancellation by the user.
        let cancellation = Arc::new(Cancellation::default());
        let of_user = cancellation.clone();
        let _guard = self.cancellation.on_cancel(move || of_user.cancel());
        let work = self.batch.steps_work();
        let solver = Solver {
            plan: self.plan,
            store: self.batch.store,
            work,
            contexts: self.contexts,
            roots: &WorkingRoots::default(),
            run: self.run,
            agents: self.agents,
            network: &self.batch.network,
            progress: self.observer,
            cancellation: &cancellation,
            explainer: self.explainer,
            remote: &Records { store: work.map(|work| work.store), imports: self.imports },
            distrusted,
            executed: &self.batch.executed,
            results: self.results,
        };
        let solved = solve::solve(self.plan, &solver).map_err(Failure::Solve)?;
        for layer in solved.stacks.iter().flat_map(|stack| &stack.layers) {
            let is_there = self.batch.store.can_have_layer(&layer.diff_id);
            if !is_there.map_err(|error| Failure::Build(error.into()))? {
                return Err(Failure::Lost(layer.diff_id));
            }
        }
        let written = write(&solved).map_err(Failure::Build)?;
        Ok((solved, written))
    }

    /// No step can make a base's layer again.
    fn is_of_a_base(&self, diff_id: &DiffId) -> bool {
        self.plan.steps.iter().any(|step| match &step.operation {
            Operation::Base { layers, .. } => layers.contains(diff_id),
            _ => false,
        })
    }
}

impl Failure {
    fn lost_layer(&self) -> Option<DiffId> {
        match self {
            Self::Lost(diff_id) => Some(*diff_id),
            Self::Solve(SolveError::Step { error, .. }) => FetchError::among(error.as_ref()).map(|error| error.diff_id),
            Self::Solve(SolveError::Cancelled) => None,
            Self::Build(error) => FetchError::among(error).map(|error| error.diff_id),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Lost(diff_id) => format!("no cache has the layer {diff_id}"),
            Self::Solve(SolveError::Step { error, .. }) => chain(error.as_ref()),
            Self::Solve(error) => chain(error),
            Self::Build(error) => chain(error),
        }
    }

    fn into_error(self, file: &File, plan: &Plan) -> BuildError {
        match self {
            Self::Solve(error) => file.solve_error(error, plan),
            Self::Build(error) => error,
            Self::Lost(diff_id) => crate::store::StoreError::NoLayer(diff_id).into(),
        }
    }
}
