//! Remembers how to enter the steps of a build again, and keeps the changes of a failed one.
//!
//! No secret is written: secret mounts are given again, and the values of arguments with secret names and of proxies
//! with passwords are left out.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::base::digest::FieldHasher;
use crate::base::hex;
use crate::base::io_error::chain;
use crate::build::explain::looks_secret;
use crate::build::solve::{FailedStep, Results, RunSettings, TaskEvent};
use crate::container::sandbox::{IdRanges, Limits, ResourceLimit, Seccomp};
use crate::language::plan::{Operation, Plan, RunStep, Step, StepId};
use crate::store::Store;
use crate::store::snapshot::{Stack, StackLayer};

use super::observer::Observer;
use super::options::BuildOptions;

/// Changes with the structures below; records of other versions can't be read.
const FORMAT: u32 = 1;
/// The name of the task that exports files of a failed step.
const FILES: &str = "exporting files of the failed step";

/// How to enter the steps of a build.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StepsRecord {
    format: u32,
    /// The build's identity.
    pub build: String,
    /// The first step that failed.
    pub failed: Option<usize>,
    pub steps: Vec<KeptStep>,
    settings: Settings,
}

/// A step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeptStep {
    pub title: String,
    /// In the Dockerfile.
    pub lines: (u32, u32),
    pub platform: Option<String>,
    pub parent: Option<usize>,
    /// The layers of its result; if those of its parent come first, they are left out.
    added: Option<(bool, Vec<StackLayer>)>,
    pub run: Option<Box<RunStep>>,
    /// The initial content of its mounts.
    pub mounts: Vec<Option<Stack>>,
    /// Variables whose values are not written.
    pub withheld: Vec<String>,
}

/// The settings shared by all steps.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Settings {
    extra_hosts: Vec<(String, String)>,
    shm_size: Option<u64>,
    ulimits: Vec<ResourceLimit>,
    users: Option<IdRanges>,
    limits: Limits,
    has_seccomp: bool,
    no_new_privileges: bool,
    hostname: Option<String>,
    cache_namespace: String,
    devices: Vec<String>,
    all_devices: bool,
}

impl Settings {
    fn of(run: &RunSettings) -> Self {
        Self {
            extra_hosts: run.extra_hosts.clone(),
            shm_size: run.shm_size,
            ulimits: run.ulimits.clone(),
            users: run.users.clone(),
            limits: run.limits.clone(),
            // A user's seccomp profile is not kept: what it allows beyond the default one is lost.
            has_seccomp: !matches!(run.seccomp, Seccomp::Unconfined),
            no_new_privileges: run.no_new_privileges,
            hostname: run.hostname.clone(),
            cache_namespace: run.cache_namespace.clone(),
            devices: run.devices.allowed.clone(),
            all_devices: run.devices.allow_all,
        }
    }
}

impl StepsRecord {
    /// Parses a record; `None` if another version wrote it.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|record: &Self| record.format == FORMAT)
    }

    /// The layers of a step's result; `None` if it has none.
    pub fn result(&self, step: usize) -> Option<Stack> {
        let kept = self.steps.get(step)?;
        let (is_alone, added) = kept.added.as_ref()?;
        let mut layers = match kept.parent.filter(|parent| !is_alone && *parent < step) {
            Some(parent) => self.result(parent)?.layers,
            None => Vec::new(),
        };
        layers.extend(added);
        Some(Stack { layers })
    }

    /// The settings of RUN steps, on top of those given now.
    pub fn settings(&self, given: RunSettings) -> RunSettings {
        let kept = self.settings.clone();
        let mut devices = given.devices.clone();
        devices.allowed = kept.devices;
        devices.allow_all = kept.all_devices;
        RunSettings {
            extra_hosts: kept.extra_hosts,
            shm_size: kept.shm_size,
            ulimits: kept.ulimits,
            users: kept.users,
            limits: kept.limits,
            seccomp: if kept.has_seccomp { Seccomp::Default } else { Seccomp::Unconfined },
            no_new_privileges: kept.no_new_privileges,
            hostname: kept.hostname,
            cache_namespace: kept.cache_namespace,
            devices,
            ..given
        }
    }
}

/// The shared part of the names under which the steps of builds like this one are kept.
pub fn kept_project(context: &str, dockerfile: &str, target: Option<&str>) -> String {
    let mut project = FieldHasher::new("kept-steps-1");
    project.field(context.as_bytes()).field(dockerfile.as_bytes());
    project.field(target.unwrap_or_default().as_bytes());
    hex::encode(&project.finish())[..16].to_owned()
}

/// Observes the steps of a build.
pub(super) struct Keeper<'a> {
    store: &'a Store,
    options: &'a BuildOptions,
    plan: &'a Plan,
    observer: &'a dyn Observer,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    results: HashMap<StepId, Stack>,
    mounts: HashMap<StepId, Vec<Option<Stack>>>,
    failed: Option<StepId>,
}

impl<'a> Keeper<'a> {
    pub fn new(store: &'a Store, options: &'a BuildOptions, plan: &'a Plan, observer: &'a dyn Observer) -> Self {
        Self { store, options, plan, observer, state: Mutex::default() }
    }

    /// Called at the end of the build. A record that can't be written is ignored.
    pub fn finish(&self, has_executed: bool) {
        let state = self.lock();
        if state.failed.is_none() && !has_executed {
            return;
        }
        let steps = self.plan.steps.iter().enumerate().map(|(index, step)| kept_step(&state, StepId(index), step));
        let record = StepsRecord {
            format: FORMAT,
            build: self.id().to_owned(),
            failed: state.failed.map(|step| step.0),
            steps: steps.collect(),
            settings: Settings::of(&super::arguments::run_settings(self.options)),
        };
        if let Ok(bytes) = serde_json::to_vec(&record) {
            let _ = self.store.keep_steps_record(&self.name(), &bytes);
        }
    }

    fn id(&self) -> &str {
        self.options.reference.rsplit('/').next().unwrap_or_default()
    }

    /// The build's name in the store.
    fn name(&self) -> String {
        let (context, dockerfile) = self.options.remembered_places();
        format!("{}-{}", kept_project(&context, &dockerfile, self.options.target.as_deref()), self.id())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Exports the requested files of the failed step.
    fn write_files(&self, failed: &FailedStep<'_>) {
        if self.options.failed_outputs.is_empty() {
            return;
        }
        let begun = Instant::now();
        self.observer.task(TaskEvent::Started { task: FILES });
        for output in &self.options.failed_outputs {
            let place = output.destination.display();
            let text = match output.write(failed) {
                Ok(0) => format!("`{}` is not in the root filesystem of the failed step", output.path),
                Ok(count) => format!("`{}`: {count} written to {place}", output.path),
                Err(error) => format!("cannot write `{}` to {place}: {}", output.path, chain(&error)),
            };
            self.observer.task(TaskEvent::Note { task: FILES, text: &text });
        }
        self.observer.task(TaskEvent::Done { task: FILES, took: begun.elapsed() });
    }
}

impl Results for Keeper<'_> {
    fn prepared(&self, step: StepId, mounts: Vec<Option<Stack>>) {
        if !mounts.is_empty() {
            self.lock().mounts.insert(step, mounts);
        }
    }

    fn done(&self, step: StepId, result: &Stack) {
        self.lock().results.insert(step, result.clone());
    }

    /// If several steps fail at the same time, the first one counts.
    fn failed(&self, failed: &FailedStep<'_>) {
        let mut state = self.lock();
        if state.failed.is_some() {
            return;
        }
        state.failed = Some(failed.step);
        drop(state);
        self.write_files(failed);
        // If this fails, the step can still be entered in the state before it ran.
        let _ = self.store.keep_step(&self.name(), failed.step.0, failed.upper);
    }
}

fn kept_step(state: &State, id: StepId, step: &Step) -> KeptStep {
    let parent = match &step.operation {
        Operation::Base { .. } => None,
        _ => step.operation.inputs().first().copied(),
    };
    let below = parent.and_then(|parent| state.results.get(&parent));
    let added = state.results.get(&id).map(|result| {
        let below = below.map_or(&[][..], |below| &below.layers);
        match result.layers.strip_prefix(below) {
            Some(added) => (false, added.to_vec()),
            None => (true, result.layers.clone()),
        }
    });
    let (run, withheld) = match &step.operation {
        Operation::Run(run) => {
            let (run, withheld) = without_secrets(run);
            (Some(Box::new(run)), withheld)
        }
        _ => (None, Vec::new()),
    };
    KeptStep {
        title: step.title.clone(),
        lines: (step.lines.first, step.lines.last),
        platform: step.platform.as_ref().map(ToString::to_string),
        parent: parent.map(|parent| parent.0),
        added,
        run,
        mounts: state.mounts.get(&id).cloned().unwrap_or_default(),
        withheld,
    }
}

/// The step without what must not be written, and the names of the variables left out.
fn without_secrets(run: &RunStep) -> (RunStep, Vec<String>) {
    let mut run = run.clone();
    let mut withheld = Vec::new();
    let arguments = std::mem::take(&mut run.argument_names);
    let mut take = |list: &mut Vec<(String, String)>, is_secret: &dyn Fn(&str, &str) -> bool| {
        list.retain(|(name, value)| {
            let is_kept = !is_secret(name, value);
            if !is_kept {
                withheld.push(name.clone());
            }
            is_kept
        });
    };
    take(&mut run.environment, &|name, _| arguments.iter().any(|argument| argument == name) && looks_secret(name));
    take(&mut run.proxies, &|_, value| value.contains('@'));
    run.argument_names = arguments;
    (run, withheld)
}
