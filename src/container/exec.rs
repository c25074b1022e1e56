//! Runs another program in a running container.

use std::ffi::OsString;
use std::path::Path;

use super::chroot::{self, lacks_namespaces};
use super::directory::Entry;
use super::error::ContainerError;
use super::exec_ids::ExecId;
use super::foreign;
use super::launch;
use super::record::Record;
use super::state::Status;
use super::working;
use crate::container::sandbox::{
    self, CapabilitySet, Container, Inside, Isolation, Level, Process, Rootfs, Running, Stdio,
};
use crate::store::snapshot::{ProcessUser, View, process_user};

/// The program's options, beyond what the container sets.
#[derive(Debug, Clone, Default)]
pub struct ExecOptions {
    /// From [`new_exec_id`](super::new_exec_id).
    pub id: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// `NAME=VALUE`
    pub environment: Vec<String>,
    /// Who runs it; the container's user where nobody is named.
    pub user: Option<String>,
    /// Where it is run.
    pub directory: Option<String>,
    /// Whether it has a terminal.
    pub terminal: bool,
    /// Whether it has all rights.
    pub privileged: bool,
}

/// Starts the program without waiting for it.
pub fn exec_in_background(entry: &Entry, options: &ExecOptions) -> Result<(), ContainerError> {
    let (running, id) = exec(entry, options, Stdio::default())?;
    id.keep();
    running.detach();
    Ok(())
}

/// Starts the program as a child of this process.
pub(super) fn exec(entry: &Entry, options: &ExecOptions, stdio: Stdio) -> Result<(Running, ExecId), ContainerError> {
    let name = || entry.record.plain_name().to_owned();
    match entry.state.status {
        Status::Running => {}
        Status::Paused => return Err(ContainerError::ExecPaused { name: name() }),
        _ => return Err(ContainerError::NotRunning { name: name() }),
    }
    let folder = options.directory.as_deref().unwrap_or_default();
    if !folder.is_empty() && !folder.starts_with('/') {
        return Err(ContainerError::RelativeFolder { path: folder.into() });
    }
    let inside = (entry.state.cgroups.as_slice(), options);
    let running = start_inside(&entry.record, entry.folder(), entry.state.pid, inside, stdio)?;
    let id = ExecId::new(entry.folder(), running.pid(), &options.id);
    Ok((running, id))
}

/// The same for a container that the caller knows to be running.
pub(super) fn start_inside(
    record: &Record,
    folder: &Path,
    pid: i32,
    (cgroups, options): (&[String], &ExecOptions),
    stdio: Stdio,
) -> Result<Running, ContainerError> {
    let host = &record.host_config;
    let security = launch::security(host)?;
    let process = process(record, folder, options)?;
    if let Some(level) = chroot::level(record) {
        return beside(record, folder, (pid, cgroups, options), process, (level, security, stdio));
    }
    let capabilities = if options.privileged { CapabilitySet::ALL } else { launch::capabilities(host)? };
    let seccomp = if host.privileged { sandbox::Seccomp::Unconfined } else { security.seccomp };
    let no_new_privileges = security.no_new_privileges;
    if let Some(bundle) = foreign::bundle(record, folder)? {
        return Ok(bundle.exec(&process, (capabilities, no_new_privileges), stdio)?);
    }
    let inside = Inside {
        pid,
        cgroups,
        capabilities,
        no_new_privileges,
        seccomp: &seccomp,
        apparmor: security.apparmor.of_program(pid, options.privileged),
        reaches_sockets: security.reaches_sockets || host.privileged || options.privileged,
    };
    Ok(sandbox::spawn_in(&inside, &process, stdio)?)
}

/// Without namespaces to join: in the same root, for as long as the container's own program runs.
fn beside(
    record: &Record,
    folder: &Path,
    (pid, cgroups, options): (i32, &[String], &ExecOptions),
    process: Process,
    (level, security, stdio): (Level, launch::Security, Stdio),
) -> Result<Running, ContainerError> {
    let name = || record.plain_name().to_owned();
    if options.privileged {
        return Err(ContainerError::NoRights { name: name() });
    }
    let (root, lock) = working::of_running(folder)?.ok_or_else(|| ContainerError::NotRunning { name: name() })?;
    let isolation = Isolation {
        capabilities: launch::capabilities(&record.host_config)?,
        seccomp: security.seccomp,
        ..Isolation::default()
    };
    let container = Container { rootfs: Rootfs::Directory(root), mounts: Vec::new(), process, isolation };
    let host = sandbox::Host { pid, cgroups, lock: &lock };
    Ok(sandbox::spawn_beside(&host, &container, (level, launch::has_network(record)), stdio)?)
}

fn process(record: &Record, folder: &Path, options: &ExecOptions) -> Result<Process, ContainerError> {
    let run = &record.config.run;
    let mut layers = record.layer_paths();
    layers.push(folder.join("upper"));
    if lacks_namespaces(record) {
        layers = vec![working::root_in(folder)];
    }
    let view = View::open(&layers)?;
    let mut user: ProcessUser = process_user(&view, options.user.as_ref().unwrap_or(&run.user))?;
    for group in &record.host_config.group_add {
        launch::add_group(&mut user, process_user(&view, &format!("0:{group}"))?.gid);
    }
    let directory = options.directory.as_ref().unwrap_or(&run.working_dir);
    Ok(Process {
        arguments: options.command.iter().map(OsString::from).collect(),
        environment: environment(record, options, &user.home),
        directory: Path::new("/").join(directory),
        create_directory: false,
        user: sandbox::User { uid: user.uid, gid: user.gid, groups: user.groups },
        terminal: options.terminal,
        limits: launch::resource_limits(&record.host_config),
        oom_score_adjust: None,
        init: false,
    })
}

/// The container's environment, with the options' variables.
fn environment(record: &Record, options: &ExecOptions, home: &str) -> Vec<OsString> {
    let mut record = record.clone();
    record.config.tty = options.terminal;
    record.config.run.env.extend(options.environment.iter().cloned());
    launch::environment(&record, (&[], &[]), home)
}
