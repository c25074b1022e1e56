//! Builds that are remembered: whether each can be read, and each log is one's.

use std::collections::HashSet;

use super::notes::YOUNG;
use super::{Check, Severity};
use crate::engine::history::{self, BuildRecord};
use crate::store::{History, StoreError};

impl Check<'_> {
    pub(super) fn history(&mut self) -> Result<(), StoreError> {
        let journal = History::of(self.store.root());
        // Before the lines: a log ends before its build is written down.
        let logs = journal.idle_logs(YOUNG);
        let lines = journal.lines()?;
        // One without a line is of a build that was killed, if it says so.
        let builds = history::list(self.store).unwrap_or_default();
        let known: HashSet<String> = builds.into_iter().map(|record| record.id).collect();
        let wrong = lines.iter().filter(|line| BuildRecord::parse(line).is_none()).count();
        if wrong > 0 {
            let fault = format!("{wrong} of {} builds cannot be read", lines.len());
            self.found(Severity::Damage, "file history/journal", fault, |_| {
                journal.retain(|line| BuildRecord::parse(line).is_some())?;
                Ok(Some("removed: they are not remembered".to_owned()))
            })?;
        }
        for log in logs.into_iter().filter(|log| !known.contains(log)) {
            let subject = format!("file history/logs/{log}");
            self.found(Severity::Leftover, subject, "no build is remembered that printed it", |store| {
                store.remove_leftover(&store.root().join("history/logs").join(&log))?;
                Ok(Some("removed".to_owned()))
            })?;
        }
        Ok(())
    }
}
