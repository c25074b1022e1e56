//! Enters a step of an earlier build again.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use crate::base::digest::{CacheKey, DiffId};
use crate::base::rights;
use crate::build::context::Context;
use crate::build::solve::{
    self, BuildNetwork, Cancellation, Contexts, EnteredStep, Executed, LeftBehind, NothingKept, OpenContextError,
    Progress, RemoteRecord, RemoteRecords, RunSettings, Solver, SshAgents, Start, StepError, Work, WorkingRoots,
};
use crate::container::sandbox::{self, Container};
use crate::language::plan::Plan;
use crate::store::Store;
use crate::store::snapshot::View;

use super::explained;
use super::findings::Findings;
use super::options::{BuildOptions, ContextSource};

/// Calls `prepare` with the container of the step's program and a view of its root, then `run` with the command that
/// starts the program; changes stay in the folder `step.upper`.
pub fn enter_step<T, E: From<StepError>>(
    store: &Store,
    settings: &RunSettings,
    step: &EnteredStep<'_>,
    progress: &dyn Progress,
    prepare: impl FnOnce(&View, &mut Container) -> Result<(), E>,
    run: impl FnOnce(&Start<'_>) -> Result<(T, LeftBehind), E>,
) -> Result<T, E> {
    let rootless = sandbox::user_namespace::entered().is_some();
    let plan = Plan { steps: Vec::new(), images: Vec::new(), epoch: None };
    let options = BuildOptions::of_source(ContextSource::StandardInput);
    let findings = Findings::default();
    let solver = Solver {
        plan: &plan,
        store,
        work: Some(Work { store, rights: rights::held().map_err(StepError::from)? }),
        contexts: &Nothing,
        run: settings,
        network: &BuildNetwork::new(store.root().to_owned(), rootless),
        roots: &WorkingRoots::default(),
        agents: &SshAgents::default(),
        progress,
        cancellation: &Cancellation::default(),
        explainer: &explained::explainer(store, &options, &plan, &findings),
        remote: &Nothing,
        distrusted: &HashSet::new(),
        executed: &Executed::default(),
        results: &NothingKept,
    };
    solve::enter(&solver, step, prepare, run)
}

/// No contexts and no remote caches: the content of a step's mounts is in the store.
struct Nothing;

impl Contexts for Nothing {
    fn open(&self, _: Option<&str>) -> Result<Arc<Context>, OpenContextError> {
        Err(OpenContextError { message: "the build context is gone".to_owned() })
    }

    fn is_sent_in_parts(&self, _: Option<&str>) -> bool {
        false
    }

    fn is_ignored(&self, _: &str) -> bool {
        false
    }
}

impl RemoteRecords for Nothing {
    fn find(&self, _: &CacheKey) -> Option<RemoteRecord> {
        None
    }

    fn outline(&self, _: &DiffId) -> Option<Result<Vec<u8>, String>> {
        None
    }

    fn fill_mount(&self, _: &str, _: &Path) -> Option<Result<(), String>> {
        None
    }
}
