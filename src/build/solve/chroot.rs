//! `RUN` without namespaces: in a working copy of the root filesystem, which is the program's root. What would be
//! mounted is copied in, and removed afterwards; the changes are the layer.

use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use crate::base::foreign::{Folder, Handle};
use crate::base::io_error::AtPath as _;
use crate::container::sandbox::{self, Container, Isolation, Mount, MountSource, Rootfs};
use crate::language::plan::{NetworkMode, RunStep, StepId};
use crate::store::snapshot::{Draft, Scan, View, WorkingRoot, copy_folder};

use super::entered::{LeftBehind, Start};
use super::error::StepError;
use super::run::Place;
use super::settings::Solver;

/// A cache folder of the store, to which its copy is written back.
struct Cache {
    kept: PathBuf,
    /// Its number among what was placed.
    number: usize,
}

impl Solver<'_> {
    /// Runs the container's program, and writes its changes into the layer's folder.
    pub(super) fn run_in_folder(
        &self,
        id: StepId,
        step: &RunStep,
        mut container: Container,
        place: &Place<'_>,
    ) -> Result<(), StepError> {
        let (mut root, caches, before) = self.make_root(&mut container, place)?;
        let has_network = step.network != NetworkMode::None;
        let spawn = |container: &Container, stdio| sandbox::spawn_in_folder(container, place.level, has_network, stdio);
        let ran = self.run_program(id, step, &container, &spawn);
        // Also after a failure, as if the cache had been mounted.
        let written = caches.iter().try_for_each(|cache| cache.write_back(&root, place.staging.path()));
        let ran = ran?;
        let changed = root.write_layer(&before, &View::of_layers(place.lower)?, place.upper);
        if let Some(mut failure) = ran.failure {
            if let StepError::Failed { refused, .. } = &mut failure {
                *refused = sandbox::take_refused(&root.path());
            }
            return Err(failure);
        }
        written?;
        changed?;
        root.take_back()?;
        root.is_now(place.upper)?;
        self.roots.give_back(root);
        Ok(())
    }

    /// Runs the user's program in the step. Earlier changes are already in the layer's folder, and stay there.
    pub(super) fn enter_in_folder<T, E: From<StepError>>(
        &self,
        step: &RunStep,
        mut container: Container,
        place: &Place<'_>,
        run: impl FnOnce(&Start<'_>) -> Result<(T, LeftBehind), E>,
    ) -> Result<T, E> {
        let staging = place.staging.path();
        let (new, old) = (staging.join("changes"), staging.join("changes-before"));
        let begin = |container: &mut Container| -> Result<_, StepError> {
            std::fs::create_dir(&new).at("create", &new)?;
            Draft::new(place.lower, &new)?.finish()?;
            let made = self.make_root(container, &Place { upper: &new, ..*place })?;
            // Added after the scan, so that all of it counts as a difference to the layers below.
            made.0.add(place.upper)?;
            Ok(made)
        };
        let (root, caches, before) = begin(&mut container)?;
        let has_network = step.network != NetworkMode::None;
        let ran = run(&|stdio| sandbox::spawn_in_folder(&container, place.level, has_network, stdio));
        let end = || -> Result<_, StepError> {
            caches.iter().try_for_each(|cache| cache.write_back(&root, staging))?;
            root.write_layer(&before, &View::of_layers(place.lower)?, &new)?;
            std::fs::rename(place.upper, &old).at("rename", place.upper)?;
            Ok(std::fs::rename(&new, place.upper).at("rename", &new)?)
        };
        let (answer, _) = ran?;
        end()?;
        Ok(answer)
    }

    /// Makes a root for the container, with the content of its mounts. Returns it with the cache folders to write back,
    /// and its state before the program begins.
    fn make_root(
        &self,
        container: &mut Container,
        place: &Place<'_>,
    ) -> Result<(WorkingRoot, Vec<Cache>, Scan), StepError> {
        check(&container.isolation)?;
        self.network.say_level(place.level, self.progress);
        let mut root = self.roots.take(place.lower)?.map_or_else(|| WorkingRoot::new(self.work()?.store), Ok)?;
        root.bring_to(place.lower)?;
        // The working directory, if it had to be made.
        root.add(place.upper)?;
        root.place_standard()?;
        let mut caches = Vec::new();
        // Outer mounts come before those inside them.
        let mounts = std::mem::take(&mut container.mounts);
        for mount in &mounts {
            caches.extend(self.place_mount(&mut root, mount)?);
        }
        let before = root.scan()?;
        container.rootfs = Rootfs::Directory(root.path());
        Ok((root, caches, before))
    }

    /// Copies the content of a mount into the root. Returns what must be written back.
    fn place_mount(&self, root: &mut WorkingRoot, mount: &Mount) -> Result<Option<Cache>, StepError> {
        match &mount.source {
            MountSource::File { content, mode, uid, gid, .. } => {
                root.place_file(&mount.target, content, (*mode, *uid, *gid))?;
            }
            MountSource::Tmpfs(options) => {
                root.place_folder(&mount.target, (options.mode, options.uid, options.gid))?;
            }
            MountSource::Stack { stack, path } => {
                root.place_layers(self.work()?.store, &mount.target, (&stack.lower, path))?;
            }
            MountSource::Own(kept) => {
                let (source, number) = (Handle::open(kept)?, root.count_placed());
                root.place_copy(&mount.target, &source)?;
                let is_cache = !mount.read_only && source.kind()? == FileType::Directory;
                return Ok(is_cache.then(|| Cache { kept: kept.clone(), number }));
            }
            MountSource::Bind { path, .. } => {
                root.place_copy(&mount.target, &Handle::open(path)?)?;
            }
            MountSource::Within { .. } | MountSource::TmpfsOfProcess { .. } => {
                return Err(StepError::NeedsNamespaces { what: "such a mount" });
            }
        }
        Ok(None)
    }
}

/// Checks that the isolation is possible without namespaces.
fn check(isolation: &Isolation) -> Result<(), StepError> {
    let asked = [
        (isolation.privileged, "all rights (security.insecure)"),
        (isolation.users.is_some(), "users of its own (--userns=remap)"),
        (!isolation.devices.is_empty(), "devices"),
    ];
    match asked.iter().find(|(is_asked, _)| *is_asked) {
        Some((_, what)) => Err(StepError::NeedsNamespaces { what }),
        None => Ok(()),
    }
}

impl Cache {
    /// Replaces the cache by its copy; another step may still be using the old folder. If a program has put something
    /// else in the folder's place, the cache is unchanged.
    fn write_back(&self, root: &WorkingRoot, staging: &Path) -> Result<(), StepError> {
        let Some(copy) = root.folder_placed(self.number)? else { return Ok(()) };
        let name = self.kept.file_name().unwrap_or_default();
        let [new, old] = ["new", "old"].map(|which| staging.join(format!("cache-{which}-{}", name.display())));
        std::fs::create_dir(&new).at("create", &new)?;
        copy_folder(&copy, Folder::open(&new)?)?;
        std::fs::rename(&self.kept, &old).at("rename", &self.kept)?;
        std::fs::rename(&new, &self.kept).at("rename", &new)?;
        crate::base::foreign::remove_tree(&old)?;
        Ok(())
    }
}
