//! A Dockerfile and the configs of its base images → a DAG of steps, with every variable expanded and without the
//! stages that the target does not need.
//!
//! Pure: the only question to the outside world is what a base name stands for, through [`Bases`]. Must not know how a
//! step runs. Hop 4 of a build (and hop 3's question).

mod bases;
mod changes;
mod check;
mod chmod;
mod circles;
mod copy;
mod epoch;
mod error;
mod expand;
mod globals;
mod history;
mod instructions;
mod join;
mod part;
mod ports;
mod request;
mod run;
mod stages;
mod step;
#[cfg(test)]
mod tests;
mod title;
mod unneeded;
mod windows;

pub use changes::{ChangeError, apply_changes};
pub use check::check;
pub use chmod::Chmod;
pub use epoch::{EpochSource, EpochValue, epoch};
pub use error::{PlanError, PlanErrorKind};
pub use expand::Environment;
pub use globals::predefined as predefined_args;
pub use part::{Part, Parts};
pub use request::{BaseError, BaseImage, Bases, Epoch, NamedContext, NoCache, PlanRequest};
pub use stages::plan;
pub use step::{
    BaseIdentity, CopySource, CopyStep, DirectoryStep, MountSource, NetworkMode, Operation, Plan, PlannedImage,
    RunMount, RunStep, Step, StepId, TreeSource,
};
