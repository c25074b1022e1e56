//! Plans a Dockerfile only to check it.

use crate::language::dockerfile::Dockerfile;

use super::error::PlanError;
use super::request::{Bases, PlanRequest};
use super::stages::Planner;

/// Plans the request's target, or every stage if it names none, and returns the first error.
pub fn check(dockerfile: &Dockerfile, request: &PlanRequest, bases: &dyn Bases) -> Result<(), PlanError> {
    let mut planner = Planner::new(dockerfile, request, bases)?;
    planner.check_for_circles()?;
    let stages = match &request.target {
        Some(_) => vec![planner.target()?],
        None => (0..dockerfile.stages.len()).collect(),
    };
    for stage in stages {
        planner.build(stage)?;
    }
    planner.check_unneeded()?;
    Ok(())
}
