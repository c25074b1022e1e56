//! The observer of a build.

use crate::build::solve::{Event, Progress, TaskEvent};
use crate::language::dockerfile::Dockerfile;
use crate::language::plan::Plan;
use crate::transport::registry;

use super::built::BuildResult;
use super::findings::Findings;

/// Observes a build.
pub trait Observer: Progress {
    /// The Dockerfile was read; planning follows.
    fn read(&self, _: &Dockerfile) {}

    /// The plan is made; its steps are executed next.
    fn planned(&self, plan: &Plan);

    /// The lint has checked the Dockerfile. Its findings are to be shown whatever the result of the build.
    fn found(&self, _: &Findings) {}

    /// What the steps did, and why, is in the store under this number.
    fn explained(&self, _: i64) {}

    /// The steps are done. When this returns, the result is written to its outputs, unless the build was cancelled
    /// meanwhile.
    fn built(&self, _: &BuildResult) {}

    /// Whether pushed names wait for other builds.
    fn holds_names(&self) -> bool {
        false
    }

    /// What is pushed is in its registries, but not named yet. It is named when this returns, unless the build was
    /// cancelled meanwhile.
    fn sent(&self) {}

    /// Observes the push of the result.
    fn transfers(&self) -> Box<dyn registry::Progress> {
        Box::new(registry::Silent)
    }
}

/// Is told everything, and tells nothing.
pub struct Quiet;

impl Progress for Quiet {
    fn event(&self, _: Event<'_>) {}
    fn task(&self, _: TaskEvent<'_>) {}
    fn warn(&self, _: &str) {}
}

impl Observer for Quiet {
    fn planned(&self, _: &Plan) {}
}
