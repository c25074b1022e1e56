//! Checks the build history: each build can be read, each log belongs to a build, and the kept steps can be entered.

use std::collections::HashSet;
use std::io::ErrorKind;

use super::notes::{YOUNG, is_old};
use super::{Check, Severity, entries};
use crate::engine::history::{self, BuildRecord};
use crate::store::{History, StoreError};

impl Check<'_> {
    pub(super) fn history(&mut self) -> Result<(), StoreError> {
        let journal = History::of(self.store.root());
        // Read before the records: a log is closed before its build is recorded.
        let logs = journal.idle_logs(YOUNG);
        let lines = journal.lines()?;
        // A log without a record belongs to a build that was killed, if it says so.
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

    /// Checks what is kept for entering builds' steps: a folder for each build, with a record.
    pub(super) fn kept_steps(&mut self) -> Result<(), StoreError> {
        let journal = History::of(self.store.root());
        for entry in entries(&self.store.root().join("debug")) {
            let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
            let is_going_on = || journal.is_written(name.rsplit('-').next().unwrap_or_default()) || !is_old(&path);
            let (severity, fault) = match std::fs::read(path.join("record")) {
                // Those of other versions are left alone.
                Ok(record) if serde_json::from_slice::<serde_json::Value>(&record).is_ok() => continue,
                Err(error) if error.kind() == ErrorKind::NotFound && is_going_on() => continue,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    (Severity::Leftover, "its build did not come to write down how to enter them")
                }
                _ => (Severity::Damage, "its record cannot be read"),
            };
            self.found(severity, format!("steps debug/{name}"), fault, |store| {
                let removed = store.remove_kept_steps(&name)?;
                Ok(removed.then(|| "removed: `debug` cannot enter them".to_owned()))
            })?;
        }
        Ok(())
    }
}
