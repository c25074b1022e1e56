//! `RUN`: a program in a sandbox, on top of the parent's layers; its changes are the new layer.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::base::digest::FieldHasher;
use crate::base::io_error::AtPath;
use crate::build::explain::Resources;
use crate::container::cdi;
use crate::container::sandbox::{
    self, Container, ExitStatus, Isolation, Level, NetworkIsolation, Process, Rootfs, Running, Stdio,
};
use crate::image::layer;
use crate::language::plan::{Part, RunStep, StepId};
use crate::store::Staging;
use crate::store::snapshot::{Draft, NewFolders, Owner, ProcessUser, Stack, View, process_user};

use super::entered::LeftBehind;
use super::error::StepError;
use super::layers::{LayerRequest, Made, NewLayer};
use super::mounts::{self, MountPlace, Mounted, Prepared};
use super::output::Output;
use super::progress::Event;
use super::results::FailedStep;
use super::settings::{RunSettings, Solver};
use super::{devices, foreign, key, network, trust};

/// BuildKit's hostname for RUN.
const HOSTNAME: &str = "buildkitsandbox";

impl Solver<'_> {
    /// `inputs`: the parent, then the stacks that mounts refer to, in order.
    pub(super) fn run(
        &self,
        made: &Made<'_>,
        id: StepId,
        step: &RunStep,
        inputs: &[Stack],
        ignore_cache: bool,
    ) -> Result<Stack, StepError> {
        let parent = inputs.first().cloned().unwrap_or_default();
        let devices = devices::edits(&self.run.devices, &step.devices, self.progress)?;
        let mut prepared = self.prepare_mounts(made, id, step, inputs.get(1..).unwrap_or_default())?;
        self.results.prepared(id, prepared.iter().map(|one| one.stack.clone()).collect());
        let key_of =
            |prepared: &[Prepared<'_>]| key::run(step, &parent, &mounts::digest(prepared), &settings_digest(self.run));
        // Other steps' results are first identified by how they were made; only if that is new are their files read.
        let shortcut = mounts::shows_steps(&prepared).then(|| key_of(&prepared));
        if let Some(key) = shortcut {
            if !ignore_cache && let Some(stack) = self.known_by_shortcut(made, id, key, &parent)? {
                return Ok(stack);
            }
            self.read_contents(&mut prepared)?;
        }
        let key = key_of(&prepared);
        let facts = || {
            let mut facts = self.explainer.run_facts(id, step, self.run);
            facts.extend(mounts::facts(&prepared));
            facts
        };
        let request = LayerRequest {
            step: id,
            parent: &parent,
            key,
            times: [step.epoch, None],
            ignore_cache,
            facts: Some(&facts),
        };
        let stack = self.layer(made, &request, |staging, directory| {
            let lower = parent.unpacked(self.work()?.store)?;
            let mounted = self.mount(&prepared, &MountPlace { staging, made, ignore_cache })?;
            let level = self.run.isolation.level().map_err(sandbox::SandboxError::from)?;
            let place = Place { lower: &lower, upper: directory, staging, level };
            self.execute(id, step, mounted, &devices, &place)?;
            Ok(NewLayer::plain())
        })?;
        if let Some(key) = shortcut {
            self.also_known_as(made, id, key, &stack)?;
        }
        Ok(stack)
    }

    /// Runs the program and makes a layer folder of its changes.
    fn execute(
        &self,
        id: StepId,
        step: &RunStep,
        mut mounted: Mounted,
        devices: &cdi::Edits,
        place: &Place<'_>,
    ) -> Result<(), StepError> {
        let view = View::of_layers(place.lower)?;
        let user = process_user(&view, &step.user)?;
        // The upper folder is the merged root: its attributes must be those of the root below.
        let mut draft = Draft::new(place.lower, place.upper)?;
        // A missing working directory belongs to the user, and stays in the layer.
        let folder = draft.view().resolve(Path::new(""), Path::new(&step.working_directory))?;
        let owner = Owner { uid: user.uid, gid: user.gid };
        draft.make_dir_all(&folder, NewFolders { mode: 0o755, owner: Some(owner), mtime: step.epoch })?;
        draft.finish()?;
        if let Some(authority) = &self.run.authority {
            trust::add(authority, &view, &step.environment, &mut mounted)?;
        }
        let foreign = foreign::check(&view, step).map_err(|error| error.about(Part::Program))?;
        let mut container = self.container(step, user, &mounted, place)?;
        devices::apply(devices, &mut container, place.staging.path())?;
        let in_words = |error: StepError| match (&error, foreign) {
            (StepError::Start { source, .. }, Some(foreign)) if source.is_wrong_format() => {
                foreign.error().about(Part::Program)
            }
            (StepError::Start { .. }, _) => error.about(Part::Program),
            _ => error,
        };
        let ran = match place.level {
            Level::Chroot | Level::Emulated => self.run_in_folder(id, step, container, place),
            Level::Full => {
                self.run_program(id, step, &container, &sandbox::spawn).and_then(|ran| ran.keep_changes(place.upper))
            }
        };
        if let Err(error) = ran {
            if error.is_of_program() {
                self.results.failed(&FailedStep { step: id, run: step, lower: place.lower, upper: place.upper });
            }
            return Err(in_words(error));
        }
        layer::normalise(place.upper, &view, step.epoch)?;
        Ok(())
    }

    pub(super) fn container(
        &self,
        step: &RunStep,
        user: ProcessUser,
        mounted: &Mounted,
        place: &Place<'_>,
    ) -> Result<Container, StepError> {
        let work = place.staging.path().join("work");
        std::fs::create_dir(&work).at("create", &work)?;
        let stack = sandbox::Stack {
            lower: place.lower.to_vec(),
            upper: Some(place.upper.to_owned()),
            work: Some(work),
            volatile: true,
        };
        if step.insecure && self.run.users.is_some() {
            let error = StepError::Remapped { what: "all rights (security.insecure)" };
            return Err(error.about(Part::Security));
        }
        let hostname = self.run.hostname.as_deref().unwrap_or(HOSTNAME);
        let network = network::prepare(self, (step.network, place.level), hostname)?;
        let mut mounts = network.mounts;
        mounts.extend(step.script.as_ref().map(|(name, text)| script(name, text)));
        mounts.extend(mounted.mounts.iter().cloned());
        let mut isolation = Isolation {
            hostname: Some(self.run.hostname.clone().unwrap_or_else(|| HOSTNAME.to_owned())),
            network: network.isolation,
            users: network.users,
            apparmor: if step.insecure { None } else { self.apparmor() },
            privileged: step.insecure,
            limits: self.run.limits.clone(),
            seccomp: self.run.seccomp.clone(),
            no_new_privileges: self.run.no_new_privileges,
            ..Isolation::default()
        };
        if let Some(size) = self.run.shm_size {
            isolation.shm_size = size;
        }
        Ok(Container {
            rootfs: Rootfs::Overlay(stack),
            mounts,
            process: Process {
                arguments: step.arguments.iter().map(OsString::from).collect(),
                environment: environment(step, &user, mounted),
                directory: PathBuf::from(if step.working_directory.is_empty() { "/" } else { &step.working_directory }),
                create_directory: true,
                user: sandbox::User { uid: user.uid, gid: user.gid, groups: user.groups },
                terminal: false,
                limits: self.run.ulimits.clone(),
                oom_score_adjust: None,
                init: false,
            },
            isolation,
        })
    }

    /// The AppArmor profile of programs, if the host has AppArmor. Warns once if it can't be loaded.
    fn apparmor(&self) -> Option<String> {
        sandbox::default_apparmor_profile().map_or_else(
            |reason| {
                self.network.say_once(|| self.progress.warn(&format!("steps run without AppArmor: {reason}")));
                None
            },
            |profile| profile.map(str::to_owned),
        )
    }

    /// Runs the program to its end.
    pub(super) fn run_program(
        &self,
        id: StepId,
        step: &RunStep,
        container: &Container,
        spawn: &Spawn<'_>,
    ) -> Result<Ran, StepError> {
        let (output, stdio) = Output::new(self.progress.tells_errors_apart())?;
        let command = shown_command(&step.arguments);
        let mut running =
            spawn(container, stdio).map_err(|source| StepError::Start { command: command.clone(), source })?;
        running.watch(matches!(container.isolation.network, NetworkIsolation::Namespace(_)));
        self.network.say_without(running.without(), self.progress);
        let ended = LeftBehind::by(&mut running);
        let handle = running.handle();
        let _guard = self.cancellation.on_cancel(move || {
            // It may have ended already.
            let _ = handle.kill();
        });
        let tell = |is_error: bool, bytes: &[u8]| match is_error {
            true => self.progress.errors(id, bytes),
            false => self.progress.event(Event::Output { step: id, bytes }),
        };
        let (outcome, tail) = std::thread::scope(|scope| {
            let reader = scope.spawn(|| output.follow(tell));
            (running.wait(), reader.join().expect("the reader does not panic"))
        });
        let outcome = outcome.map_err(|source| StepError::Start { command: command.clone(), source })?;
        let used = outcome.resources.as_ref().map(used);
        if let Some(used) = &used {
            self.explainer.used(id, used);
            self.progress.used(id, used);
        }
        if self.cancellation.is_cancelled() {
            return Err(StepError::Cancelled);
        }
        if outcome.status == ExitStatus::Code(0) {
            return Ok(Ran { left: ended, failure: None });
        }
        let code = outcome.status.code();
        let out_of_memory = outcome.out_of_memory.then(|| used.map_or(0, |used| used.peak_memory));
        let failure = StepError::Failed { command, code, out_of_memory, tail, refused: None };
        Ok(Ran { left: ended, failure: Some(failure) })
    }
}

fn used(counted: &sandbox::Resources) -> Resources {
    let microseconds = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    Resources {
        user: microseconds(counted.user),
        system: microseconds(counted.system),
        peak_memory: counted.peak_memory,
        is_bound: counted.is_bound,
        read: counted.read,
        written: counted.written,
        received: counted.network.map(|(received, _)| received),
        sent: counted.network.map(|(_, sent)| sent),
    }
}

/// How a program is started.
pub(super) type Spawn<'a> = dyn Fn(&Container, Stdio) -> Result<Running, sandbox::SandboxError> + 'a;

/// A program that has ended.
pub(super) struct Ran {
    left: LeftBehind,
    /// Why it failed.
    pub(super) failure: Option<StepError>,
}

impl Ran {
    /// Moves the program's changes into the layer's folder; a failure is returned as the error.
    fn keep_changes(self, upper: &Path) -> Result<(), StepError> {
        let kept = self.left.keep_changes(upper);
        self.failure.map_or(kept, Err)
    }
}

/// The folders of a step's files.
pub(super) struct Place<'a> {
    pub(super) lower: &'a [PathBuf],
    pub(super) upper: &'a Path,
    pub(super) staging: &'a Staging,
    /// How strongly the program is isolated.
    pub(super) level: Level,
}

/// If a name is set twice the later value wins: a secret's over ENV's.
fn environment(step: &RunStep, user: &ProcessUser, mounted: &Mounted) -> Vec<OsString> {
    let mut all: Vec<(&str, &str)> = Vec::new();
    let given = step.environment.iter().chain(&step.proxies).chain(&mounted.environment);
    for (name, value) in given.map(|(name, value)| (name.as_str(), value.as_str())) {
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => all.push((name, value)),
        }
    }
    let defaults = mounted.defaults.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in defaults.chain([("HOME", user.home.as_str())]) {
        if !all.iter().any(|(known, _)| *known == name) {
            all.push((name, value));
        }
    }
    all.into_iter().map(|(name, value)| format!("{name}={value}").into()).collect()
}

/// A heredoc that is a program.
fn script(name: &str, text: &str) -> sandbox::Mount {
    let content = text.as_bytes().to_vec();
    sandbox::Mount {
        target: Path::new("/dev/pipes").join(name),
        source: sandbox::MountSource::File { content, mode: 0o755, uid: 0, gid: 0, is_program: true },
        read_only: true,
        shallow: false,
        lasting: false,
    }
}

/// A digest of the settings that a program can see.
fn settings_digest(settings: &RunSettings) -> [u8; 32] {
    let mut hasher = FieldHasher::new("run-settings-1");
    hasher.list(settings.extra_hosts.len());
    for (name, address) in &settings.extra_hosts {
        hasher.field(name.as_bytes()).field(address.as_bytes());
    }
    hasher.number(settings.shm_size.unwrap_or(0)).list(settings.ulimits.len());
    for limit in &settings.ulimits {
        hasher.field(limit.name.as_bytes()).number(limit.soft).number(limit.hard);
    }
    if let Some(hostname) = &settings.hostname {
        hasher.field(b"hostname").field(hostname.as_bytes());
    }
    hasher.finish()
}

fn shown_command(arguments: &[String]) -> String {
    format!("\"{}\"", arguments.join(" "))
}
