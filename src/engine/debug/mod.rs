//! Enters a step of a build: runs a user's program in its root filesystem, with the environment, user, mounts and
//! network of its own program. Changes are kept by the build cache's rules, and can be made an image.

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

/// Which step to enter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Which<'a> {
    /// The build's reference or a prefix of it, as in the history; `None` for the last one whose steps are kept.
    pub build: Option<&'a str>,
    /// A line of the Dockerfile or a part of the step's title; `None` for the failed or last one.
    pub step: Option<&'a str>,
}

/// The program to run in the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// The best available shell.
    Shell,
    /// A command and its arguments.
    Command(Vec<OsString>),
    /// The step's own program.
    Own,
}

/// The request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Request {
    /// The program to run.
    pub program: Program,
    /// Secrets, SSH agents and trusted certificates, whose values a build does not keep.
    pub settings: RunSettings,
    /// Build arguments, for the same reason.
    pub build_args: BTreeMap<String, String>,
    /// An image with a static shell, for a root filesystem without one.
    pub shell_from: Option<String>,
    /// Where this machine may have a static busybox.
    pub busyboxes: Vec<PathBuf>,
    /// The type of the terminal (`TERM`) if the program gets one.
    pub terminal: Option<String>,
}

/// A step that was found, locked for this process.
pub struct Found {
    kept: KeptSteps,
    record: StepsRecord,
    step: usize,
}

/// Information for the user who enters a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The build's reference in the history.
    pub build: String,
    /// The step, as shown by progress.
    pub title: String,
    /// Its line in the Dockerfile.
    pub line: u32,
    /// Whether its files are as the failed program left them.
    pub is_failed: bool,
    /// The program's user.
    pub user: String,
    /// The working directory.
    pub folder: String,
    /// Where the shell comes from, if it is not in the image.
    pub shell_from: Option<String>,
    /// Variables whose values were neither kept nor given.
    pub missing: Vec<String>,
}

impl Found {
    /// The build's reference.
    pub fn build(&self) -> &str {
        &self.record.build
    }

    fn title(&self) -> &str {
        &self.record.steps[self.step].title
    }

    /// The layers below the step's changes, the folder of the changes, and whether there are any.
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

/// Whether the failed step of this build can be entered.
pub fn has_failed_step(store: &Store, build: &str) -> bool {
    find(store, Which { build: Some(build), step: None }).is_ok_and(|found| found.record.failed.is_some())
}
