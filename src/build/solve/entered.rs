//! Enters the root filesystem of a step again, with the environment, user, mounts and network of its program.

use std::os::fd::OwnedFd;
use std::path::Path;

use crate::base::io_error::AtPath as _;
use crate::container::sandbox::{self, Container, CreatedMountPoint, Running, SandboxError, Stdio};
use crate::language::plan::RunStep;
use crate::store::snapshot::{Draft, Stack, View, merge_tree, process_user};

use super::error::StepError;
use super::layers::Made;
use super::mounts::{MountPlace, Prepared};
use super::run::Place;
use super::settings::Solver;
use super::{devices, trust};

/// A step to enter.
pub struct EnteredStep<'a> {
    pub run: &'a RunStep,
    /// The layers below.
    pub parent: &'a Stack,
    /// The initial content of its mounts, in their order.
    pub mounts: &'a [Option<Stack>],
    /// The changes in it: an existing folder that nothing else uses.
    pub upper: &'a Path,
}

/// What a program leaves behind, besides its changes.
#[derive(Default)]
pub struct LeftBehind {
    /// The mount points that were made for it.
    created: Vec<CreatedMountPoint>,
    /// The folder of its changes, if that is not the upper folder.
    scratch: Option<OwnedFd>,
}

impl LeftBehind {
    /// Call this while the program runs.
    pub fn by(running: &mut Running) -> Self {
        Self { created: running.created_mount_points().to_vec(), scratch: running.take_scratch() }
    }

    /// Moves the program's changes into the layer's folder, without the mount points that were made for it.
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

/// Calls `prepare` with the container of the step's program and a view of its root, then `run` with a function that
/// starts the program. Changes stay in the upper folder; an empty one gets the root attributes of the layers below.
pub fn enter<T, E: From<StepError>>(
    solver: &Solver<'_>,
    step: &EnteredStep<'_>,
    prepare: impl FnOnce(&View, &mut Container) -> Result<(), E>,
    run: impl FnOnce(&Start<'_>) -> Result<(T, LeftBehind), E>,
) -> Result<T, E> {
    let store = solver.work().map_err(StepError::from)?.store;
    let (staging, made) = (store.staging().map_err(StepError::from)?, Made::new(solver.executed));
    let level = solver.run.isolation.level().map_err(|error| StepError::from(SandboxError::from(error)))?;
    let lower = step.parent.unpacked(store).map_err(StepError::from)?;
    let place = Place { lower: &lower, upper: step.upper, staging: &staging, level };
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
        let mut container = solver.container(step.run, user, &mounted, &place)?;
        devices::apply(&devices, &mut container, staging.path())?;
        Ok((view, container, mounted))
    };
    // The mounts last until the program has ended.
    let (view, mut container, _mounted) = begin()?;
    prepare(&view, &mut container)?;
    if !level.has_namespaces() {
        return solver.enter_in_folder(step.run, container, &place, run);
    }
    let (answer, left) = run(&|stdio| sandbox::spawn(&container, stdio))?;
    left.keep_changes(step.upper)?;
    Ok(answer)
}
