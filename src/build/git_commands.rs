//! Shows git commands, if the build wants to see them.

use std::time::Duration;

use crate::build::context::git::CommandLog;
use crate::build::solve::{Progress, TaskEvent};

/// Shows the commands on request, and the rest when dropped.
pub(super) struct GitCommands<'a> {
    pub log: Option<&'a CommandLog>,
    pub progress: &'a dyn Progress,
}

impl GitCommands<'_> {
    /// Shows the commands since the last call, as a task for each repository.
    pub fn show(&self) {
        let told = self.log.map(CommandLog::take).unwrap_or_default();
        for of_one in told.chunk_by(|one, other| one.url == other.url) {
            let task = &format!("git commands for {}", of_one[0].url);
            self.progress.task(TaskEvent::Started { task });
            for told in of_one {
                self.progress.task(TaskEvent::Note { task, text: &told.command });
            }
            self.progress.task(TaskEvent::Done { task, took: Duration::ZERO });
        }
    }
}

impl Drop for GitCommands<'_> {
    fn drop(&mut self) {
        self.show();
    }
}
