//! Looks into a step of a build: a program of the user's in its root filesystem, with the environment, the user, the mounts
//! and the network that its own program had. What is changed there stays, as long as the build cache's rules allow, and can
//! be made an image.

mod commit;
mod error;
mod find;
mod run;
mod shell;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::build::solve::RunSettings;
use crate::store::snapshot::Stack;
use crate::store::{KeptSteps, Store};

pub use commit::commit;
pub use error::DebugError;
pub use find::{StepRow, find, is_of_last, steps};
pub use run::run;

use crate::build::StepsRecord;

/// Which step is meant.
#[derive(Debug, Clone, Copy, Default)]
pub struct Which<'a> {
    /// By its name or the beginning of it, as the history has it; nothing for the last one whose steps are kept.
    pub build: Option<&'a str>,
    /// By a line of the Dockerfile or a part of its title; nothing for the one that failed, or the last one.
    pub step: Option<&'a str>,
}

/// What is run in the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// The best shell that there is.
    Shell,
    /// A command and its arguments.
    Command(Vec<OsString>),
    /// The step's own.
    Own,
}

/// How.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is run.
    pub program: Program,
    /// Secrets, agents and whom to trust: what a build keeps no values of.
    pub settings: RunSettings,
    /// The same of arguments.
    pub build_args: BTreeMap<String, String>,
    /// An image with a static shell, for a root filesystem without any.
    pub shell_from: Option<String>,
    /// Where this machine may have a static busybox.
    pub busyboxes: Vec<PathBuf>,
    /// The program gets a terminal of this kind.
    pub terminal: Option<String>,
}

/// A step that was found, for this process alone.
pub struct Found {
    kept: KeptSteps,
    record: StepsRecord,
    step: usize,
}

/// What whoever enters a step should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Its name in the history.
    pub build: String,
    /// The step, as progress shows it.
    pub title: String,
    /// Of the Dockerfile.
    pub line: u32,
    /// It is as the failed program left it.
    pub is_failed: bool,
    /// Whose rights the program has.
    pub user: String,
    /// Where it begins.
    pub folder: String,
    /// Where the shell comes from, when it is none of the image's.
    pub shell_from: Option<String>,
    /// Variables whose values were not kept, and not given.
    pub missing: Vec<String>,
}

impl Found {
    /// What the build is known by.
    pub fn build(&self) -> &str {
        &self.record.build
    }

    fn title(&self) -> &str {
        &self.record.steps[self.step].title
    }

    /// What is below the changes of the step, where these go, and whether there are any.
    fn place(&self) -> Result<(Stack, PathBuf, bool), DebugError> {
        let (upper, has_changes) = self.kept.changes(self.step)?;
        let parent = self.record.steps[self.step].parent;
        let before = || match parent {
            Some(parent) => self.record.result(parent),
            None => Some(Stack::default()),
        };
        let below = self.record.result(self.step).or_else(before);
        let below = below.ok_or_else(|| DebugError::NotReached { title: self.title().to_owned() })?;
        Ok((below, upper, has_changes))
    }
}

/// Whether the step that failed in this build can be entered.
pub fn has_failed_step(store: &Store, build: &str) -> bool {
    find(store, Which { build: Some(build), step: None }).is_ok_and(|found| found.record.failed.is_some())
}
