//! The root filesystem of a step, entered once more: with the environment, the user, the mounts and the network that its
//! program had.

use std::os::fd::OwnedFd;
use std::path::Path;

use crate::base::foreign;
use crate::base::io_error::AtPath as _;
use crate::container::sandbox::{self, Container, CreatedMountPoint, Level, Running, SandboxError, Stdio};
use crate::language::plan::RunStep;
use crate::store::snapshot::{Draft, Stack, View, merge_tree, process_user};

use super::error::StepError;
use super::layers::Made;
use super::mounts::{MountPlace, Prepared};
use super::run::Place;
use super::settings::Solver;
use super::{devices, trust};

/// A step that is entered.
pub struct EnteredStep<'a> {
    pub run: &'a RunStep,
    /// What is below.
    pub parent: &'a Stack,
    /// What its mounts begin with, in their order.
    pub mounts: &'a [Option<Stack>],
    /// What has been changed in it: a folder that is there, and that nobody else uses.
    pub upper: &'a Path,
}

/// What a program leaves behind, beside its changes.
#[derive(Default)]
pub struct LeftBehind {
    /// The mount points that were made for it.
    created: Vec<CreatedMountPoint>,
    /// Where its changes are, if that is not the folder above.
    scratch: Option<OwnedFd>,
}

impl LeftBehind {
    /// To be asked while it runs.
    pub fn by(running: &mut Running) -> Self {
        Self { created: running.created_mount_points().to_vec(), scratch: running.take_scratch() }
    }

    /// Lets the layer's folder have what the program changed, and nothing that was made for it.
    pub(super) fn keep_changes(self, upper: &Path) -> Result<(), StepError> {
        let Some(scratch) = self.scratch else { return Ok(sandbox::remove_mount_points(upper, &self.created)?) };
        let watched = self.created.iter().filter_map(|point| point.identity).collect();
        let found = merge_tree(scratch, upper, &watched)?;
        let created = self.created.into_iter().map(|point| {
            let identity = point.identity.and_then(|identity| found.get(&identity).copied());
            CreatedMountPoint { identity, ..point }
        });
        Ok(sandbox::remove_mount_points(upper, &created.collect::<Vec<_>>())?)
    }
}

/// Starts a program with these streams.
pub type Start<'a> = dyn Fn(Stdio) -> Result<Running, SandboxError> + 'a;

/// Calls `prepare` with the container that the step's program had, and a look at its root, and `run` with what starts the
/// program of it then. What is changed stays in the upper folder. An upper folder without anything in it is made one that
/// looks like what is below.
pub fn enter<T, E: From<StepError>>(
    solver: &Solver<'_>,
    step: &EnteredStep<'_>,
    prepare: impl FnOnce(&View, &mut Container) -> Result<(), E>,
    run: impl FnOnce(&Start<'_>) -> Result<(T, LeftBehind), E>,
) -> Result<T, E> {
    let (staging, made) = (solver.store.staging().map_err(StepError::from)?, Made::new(solver.executed));
    let level = solver.run.isolation.level().map_err(|error| StepError::from(SandboxError::from(error)))?;
    if foreign::are_owners_recorded() {
        return Err(StepError::OwnersRecorded.into());
    }
    let lower = step.parent.unpacked(solver.store).map_err(StepError::from)?;
    let place = Place { lower: &lower, upper: step.upper, staging: &staging };
    let begin = || -> Result<_, StepError> {
        if std::fs::read_dir(step.upper).at("read", step.upper)?.next().is_none() {
            Draft::new(&lower, step.upper)?.finish()?;
        }
        let mounts = step.run.mounts.iter().enumerate();
        let mounts = mounts.map(|(at, mount)| Prepared::again(mount, step.mounts.get(at).cloned().flatten()));
        let mounts: Vec<Prepared<'_>> = mounts.collect();
        let mut mounted = solver.mount(&mounts, &MountPlace { staging: &staging, made: &made, ignore_cache: false })?;
        let view = View::of_container(&lower, Some(step.upper))?;
        let user = process_user(&view, &step.run.user)?;
        if let Some(authority) = &solver.run.authority {
            trust::add(authority, &view, &step.run.environment, &mut mounted)?;
        }
        let devices = devices::edits(&solver.run.devices, &step.run.devices, solver.progress)?;
        let mut container = solver.container(step.run, user, &mounted, (&place, level))?;
        devices::apply(&devices, &mut container, staging.path())?;
        Ok((view, container, mounted))
    };
    // What is mounted is there until the program has ended.
    let (view, mut container, _mounted) = begin()?;
    prepare(&view, &mut container)?;
    if level == Level::Chroot {
        return solver.enter_in_chroot(step.run, container, &place, run);
    }
    let (answer, left) = run(&|stdio| sandbox::spawn(&container, stdio))?;
    left.keep_changes(step.upper)?;
    Ok(answer)
}
