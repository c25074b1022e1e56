//! Builds several targets as one: in parallel, with everything that they share done once.
//!
//! A target starts as soon as the targets that are its contexts are built. Held results are not written anywhere before
//! all steps of all targets are done.

mod answer;
mod held;
mod request;
mod run;

use std::sync::Arc;

use crate::base::rights;
use crate::build::solve::Cancellation;
use crate::build::{Batch, BuildError, BuildOptions};
use crate::store::Store;

pub use answer::{Answer, Outcome, Watcher};
pub use request::{Execution, Request, Target, USUAL_JOBS};

use run::Run;

/// Builds the targets.
///
/// # Errors
/// If nothing could be started. An error of a target is its outcome.
pub fn bake(
    store: &Store,
    request: &Request,
    watcher: &dyn Watcher,
    cancellation: &Cancellation,
) -> Result<Answer, BuildError> {
    let builds: Vec<&BuildOptions> = request.targets.iter().map(|target| &target.options).collect();
    let batch = Batch::new(store, rights::held()?, &builds)?;
    // A failed target stops the others, but not the caller.
    let stop = Arc::new(Cancellation::default());
    let stopped = stop.clone();
    let _interrupt = cancellation.on_cancel(move || stopped.cancel());
    let answer = Run::new((store, &batch), request, watcher, &stop).finish();
    let is_whole = answer.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Built(_)));
    let warnings = if is_whole { batch.warnings_of_unused() } else { Vec::new() };
    Ok(Answer { warnings, ..answer })
}
