//! Who watches a build.

use crate::build::solve::Progress;
use crate::language::dockerfile::Dockerfile;
use crate::language::plan::Plan;
use crate::transport::registry;

use super::built::BuildResult;
use super::findings::Findings;

/// Whoever watches a build.
pub trait Observer: Progress {
    /// The Dockerfile was read; what it says is looked at next.
    fn read(&self, _: &Dockerfile) {}

    /// The plan is made; its steps are executed next.
    fn planned(&self, plan: &Plan);

    /// The lint has looked at the Dockerfile: whatever becomes of the build, that is to be said.
    fn found(&self, _: &Findings) {}

    /// What the steps did, and why, is kept in the store under this number.
    fn explained(&self, _: i64) {}

    /// The steps are done. The result goes where it is wanted when this returns, unless the build was cancelled meanwhile.
    fn built(&self, _: &BuildResult) {}

    /// Whether the names of what is pushed wait for other builds.
    fn holds_names(&self) -> bool {
        false
    }

    /// What is pushed is in its registries, and has no names there yet. It is named when this returns, unless the build was
    /// cancelled meanwhile.
    fn sent(&self) {}

    /// Whoever watches the result being pushed.
    fn transfers(&self) -> Box<dyn registry::Progress> {
        Box::new(registry::Silent)
    }
}
