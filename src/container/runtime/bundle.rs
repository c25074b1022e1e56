//! A container that another runtime manages.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::command::Caller;
use super::console::Console;
use super::error::RuntimeError;
use super::program::Runtime;
use crate::base::identity::{self, Identity};
use crate::base::io_error::AtPath;
use crate::container::sandbox::{
    self, CapabilitySet, Container, Keeper, Limits, Mount, MountSource, MountedRoot, NetworkIsolation, Places, Process,
    Propagation, Running, Stdio,
};

/// A container's bundle and its runtime's state.
#[derive(Debug, Clone)]
pub struct Bundle {
    runtime: Runtime,
    folder: PathBuf,
    id: String,
}

/// A container whose program runs. Its root filesystem is mounted while this exists.
#[derive(Debug)]
pub struct Created {
    bundle: Bundle,
    root: MountedRoot,
    _keeper: Keeper,
}

impl Bundle {
    /// `folder` is for this container only; it need not exist yet.
    pub fn new(runtime: Runtime, folder: &Path, id: &str) -> Self {
        Self { runtime, folder: folder.to_owned(), id: id.to_owned() }
    }

    /// Starts the container. Leftovers of an earlier run are killed and removed first.
    pub fn create(
        &self,
        container: &Container,
        annotations: &BTreeMap<String, String>,
        console_size: (u16, u16),
        stdio: Stdio,
    ) -> Result<(Created, Running), RuntimeError> {
        self.check(container)?;
        self.delete()?;
        let root_folder = self.folder.join("rootfs");
        std::fs::create_dir_all(&root_folder).at("create", &root_folder)?;
        let mut container = self.with_init(container)?;
        let root = MountedRoot::mount(&mut container, &root_folder)?;
        self.describe(&container, &root_folder, (annotations, console_size))?;
        sandbox::take_in_orphans()?;
        let console = self.console(&container.process)?;
        let pid_file = self.folder.join("pid");
        let address = console.as_ref().map(Console::address);
        let mut arguments = vec!["create".as_ref(), "--bundle".as_ref(), self.folder.as_os_str()];
        arguments.extend(["--pid-file".as_ref(), pid_file.as_os_str()]);
        if let Some(address) = &address {
            arguments.extend(["--console-socket".as_ref(), address.as_os_str()]);
        }
        arguments.push(self.id.as_ref());
        let pid = self.caller().start(&arguments, stdio, &pid_file);
        let pid = pid.inspect_err(|_| self.forget())?;
        let started = self.follow(pid, console);
        let (running, keeper) = started.inspect_err(|_| self.forget())?;
        Ok((Created { bundle: self.clone(), root, _keeper: keeper }, running))
    }

    /// Waits until the program of a created container runs.
    fn follow(&self, pid: i32, console: Option<Console>) -> Result<(Running, Keeper), RuntimeError> {
        let mut running = Running::adopt(pid)?;
        let state = self.folder.join("state");
        let words = ["--root".as_ref(), state.as_os_str(), "delete".as_ref(), "--force".as_ref(), self.id.as_ref()];
        let cleanup: Vec<&OsStr> = std::iter::once(self.runtime.program.as_os_str()).chain(words).collect();
        let keeper = sandbox::keep(&running.handle(), &cleanup)?;
        if let Some(console) = console {
            running.set_terminal(console.receive()?);
        }
        self.caller().call(&["start".as_ref(), self.id.as_ref()])?;
        Ok((running, keeper))
    }

    /// Starts another program in the container, as a child of this process.
    pub fn exec(
        &self,
        process: &Process,
        (capabilities, no_new_privileges): (CapabilitySet, bool),
        stdio: Stdio,
    ) -> Result<Running, RuntimeError> {
        sandbox::take_in_orphans()?;
        // Several processes and threads may start programs at once.
        let text = serde_json::to_vec(&sandbox::process_specification(process, capabilities, no_new_privileges))?;
        let file = tempfile::Builder::new().prefix("exec-").tempfile_in(&self.folder).at("write in", &self.folder)?;
        std::fs::write(file.path(), text).at("write", file.path())?;
        let pid_file = file.path().with_extension("pid");
        let console = self.console(process)?;
        let address = console.as_ref().map(Console::address);
        let mut arguments = vec!["exec".as_ref(), "--detach".as_ref(), "--process".as_ref(), file.path().as_os_str()];
        arguments.extend(["--pid-file".as_ref(), pid_file.as_os_str()]);
        if let Some(address) = &address {
            arguments.extend(["--console-socket".as_ref(), address.as_os_str()]);
        }
        arguments.push(self.id.as_ref());
        let pid = self.caller_of(&pid_file.with_extension("log")).start(&arguments, stdio, &pid_file);
        // It only has content after a failure, and the error contains that.
        let _ = std::fs::remove_file(pid_file.with_extension("log"));
        let mut running = Running::adopt(pid?)?;
        if let Some(console) = console {
            running.set_terminal(console.receive()?);
        }
        Ok(running)
    }

    /// Kills it if it runs, and removes the runtime's state. Does nothing if the runtime does not know it.
    pub fn delete(&self) -> Result<(), RuntimeError> {
        let state = self.folder.join("state");
        if state.join(&self.id).exists() {
            self.caller().call(&["delete".as_ref(), "--force".as_ref(), self.id.as_ref()])?;
        }
        match std::fs::remove_dir_all(&state) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => Ok(removed.at("remove", &state)?),
        }
    }

    /// For cleaning up after another error, which matters more than this one's.
    fn forget(&self) {
        let _ = self.delete();
    }

    fn caller(&self) -> Caller<'_> {
        self.caller_of(&self.folder.join("log.json"))
    }

    fn caller_of(&self, log: &Path) -> Caller<'_> {
        Caller { runtime: &self.runtime, state: self.folder.join("state"), log: log.to_owned() }
    }

    fn console(&self, process: &Process) -> Result<Option<Console>, RuntimeError> {
        if process.terminal { Console::listen(&self.folder).map(Some) } else { Ok(None) }
    }

    /// Refuses what can't be expressed for another runtime, or what it can't do here.
    fn check(&self, container: &Container) -> Result<(), RuntimeError> {
        let is_shared =
            |mount: &Mount| matches!(mount.source, MountSource::Bind { propagation: Propagation::Shared, .. });
        let what = if container.mounts.iter().any(is_shared) {
            "mounts that travel from the container to the host (shared)"
        } else if container.mounts.iter().any(|mount| matches!(mount.source, MountSource::TmpfsOfProcess { .. })) {
            "a tmpfs volume that another container has mounted"
        } else if matches!(container.isolation.namespaces.ipc, sandbox::Namespace::OfProcess(_)) {
            "the IPC namespace of another container, whose /dev/shm only rbuild's own runtime can mount"
        } else {
            return Ok(());
        };
        Err(RuntimeError::Refused { name: self.runtime.name.clone(), what })
    }

    /// Wraps the program in rbuild's init, if requested.
    fn with_init(&self, container: &Container) -> Result<Container, RuntimeError> {
        let mut container = container.clone();
        if container.process.init {
            let own = identity::program().at("find", "rbuild itself")?;
            let path = std::fs::canonicalize(own).at("find", own)?;
            let source = MountSource::Bind { path, recursive: false, propagation: Propagation::Private };
            container.mounts.push(Mount {
                target: Identity::SmallInit.name().into(),
                source,
                read_only: true,
                shallow: true,
                lasting: false,
            });
            container.process.arguments.insert(0, Identity::SmallInit.name().into());
        }
        Ok(container)
    }

    fn describe(
        &self,
        container: &Container,
        root: &Path,
        (annotations, console_size): (&BTreeMap<String, String>, (u16, u16)),
    ) -> Result<(), RuntimeError> {
        use std::os::fd::AsRawFd as _;
        let network = match &container.isolation.network {
            NetworkIsolation::Namespace(namespace) => {
                Some(format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd()))
            }
            NetworkIsolation::Empty | NetworkIsolation::Host => None,
        };
        let parent = container.isolation.limits.parent.as_deref();
        // An ordinary user may not use the default one; the runtime then chooses, or does without.
        let parent = parent.or(sandbox::user_namespace::entered().is_none().then_some("rbuild"));
        let cgroup = parent.map(|parent| format!("/{}/{}", parent.trim_matches('/'), self.id));
        let places = Places { root, network, cgroup, annotations, console_size };
        let specification = specification(container, &places, &self.folder)?;
        let path = self.folder.join("config.json");
        Ok(std::fs::write(&path, serde_json::to_vec(&specification)?).at("write", &path)?)
    }

    /// Writes a bundle that does not depend on this process. The caller provides the folder `rootfs`.
    pub fn write(container: &Container, folder: &Path) -> Result<(), RuntimeError> {
        let (annotations, root) = (BTreeMap::new(), Path::new("rootfs"));
        let places = Places { root, network: None, cgroup: None, annotations: &annotations, console_size: (0, 0) };
        let path = folder.join("config.json");
        let specification = specification(container, &places, folder)?;
        Ok(std::fs::write(&path, serde_json::to_vec(&specification)?).at("write", &path)?)
    }
}

/// Files with inline content are written to `folder`.
fn specification(container: &Container, places: &Places<'_>, folder: &Path) -> Result<Value, RuntimeError> {
    let mut number = 0;
    sandbox::specification(container, places, |content, mode| {
        number += 1;
        let path = folder.join(format!("file-{number}"));
        std::fs::write(&path, content).at("write", &path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).at("set the mode of", &path)?;
        Ok(path.display().to_string())
    })
}

impl Created {
    /// The mount points that had to be created in the root filesystem.
    pub fn created_mount_points(&self) -> &[sandbox::CreatedMountPoint] {
        self.root.created_mount_points()
    }

    /// Sends a signal to the container's first process.
    pub fn signal(&self, number: i32) -> Result<(), RuntimeError> {
        let (id, text) = (self.bundle.id.as_str(), number.to_string());
        self.bundle.caller().call(&["kill".as_ref(), id.as_ref(), text.as_ref()])
    }

    /// Freezes or thaws all processes of the container.
    pub fn freeze(&self, frozen: bool) -> Result<(), RuntimeError> {
        let word = if frozen { "pause" } else { "resume" };
        self.bundle.caller().call(&[word.as_ref(), self.bundle.id.as_ref()])
    }

    /// Changes the container's limits; `None` leaves a limit unchanged.
    pub fn set_limits(&self, limits: &Limits) -> Result<(), RuntimeError> {
        if limits.is_empty() {
            return Ok(());
        }
        let path = self.bundle.folder.join("resources.json");
        std::fs::write(&path, serde_json::to_vec(&sandbox::resource_specification(limits))?).at("write", &path)?;
        self.bundle.caller().call(&[
            "update".as_ref(),
            "--resources".as_ref(),
            path.as_os_str(),
            self.bundle.id.as_ref(),
        ])
    }

    /// Lets the runtime forget a container that has ended.
    pub fn delete(self) -> Result<(), RuntimeError> {
        let Self { bundle, root, _keeper } = self;
        drop(root);
        bundle.delete()
    }
}
