//! What programs were refused because there are no rights here, so that a step that failed for it can say so.

use std::collections::HashMap;
use std::path::Path;

use crate::container::sandbox::refused::leave_refused;

#[derive(Default)]
pub(super) struct Refusals {
    /// By process, the last one.
    open: HashMap<i32, &'static str>,
    /// Of the process that failed last of those that were refused something, when no other has been started since.
    failed: Option<&'static str>,
}

impl Refusals {
    pub(super) fn add(&mut self, process: i32, what: &'static str) {
        self.open.insert(process, what);
    }

    /// A process has ended.
    pub(super) fn ended(&mut self, process: i32, code: i32) {
        if let Some(what) = self.open.remove(&process)
            && code != 0
        {
            self.failed = Some(what);
        }
    }

    /// A process was started: those before it were not the end.
    pub(super) fn go_on(&mut self) {
        self.failed = None;
    }

    /// Leaves word for whoever asks why the first program ended with that code.
    pub(super) fn write(&self, root: &Path, code: i32) {
        if let Some(what) = self.failed.filter(|_| code != 0) {
            leave_refused(root, what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::sandbox::take_refused;

    #[test]
    fn only_what_the_program_ended_for_is_told_and_once() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        let mut refusals = Refusals::default();
        refusals.open.extend([(7, "this"), (8, "that")]);
        refusals.ended(8, 0);
        refusals.ended(7, 3);
        refusals.write(&root, 0);
        assert_eq!(take_refused(&root), None);
        refusals.write(&root, 1);
        assert_eq!(take_refused(&root).as_deref(), Some("this"));
        assert_eq!(take_refused(&root), None);
        refusals.go_on();
        refusals.write(&root, 1);
        assert_eq!(take_refused(&root), None);
    }
}
