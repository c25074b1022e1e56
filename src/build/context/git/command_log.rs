//! Records git commands, to show them.

use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::redaction;

/// The commands of a build, from all of its threads. Ignored when addresses are compared: all logs are equal.
#[derive(Debug, Clone, Default)]
pub struct CommandLog(Arc<Mutex<Vec<Told>>>);

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The repository's address, without secrets.
    pub url: String,
    /// In shell syntax.
    pub command: String,
}

impl CommandLog {
    /// The commands since the last call.
    pub fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn add(&self, url: String, command: &Command) {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<String> = words.map(|word| quoted(&word.to_string_lossy())).collect();
        let command = redaction::in_text(&words.join(" ")).into_owned();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Told { url, command });
    }
}

impl PartialEq for CommandLog {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for CommandLog {}

fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=./:,@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_copied_into_a_shell() {
        let log = CommandLog::default();
        let mut command = Command::new("git");
        command.args(["-c", "a.b=c", "log", "it's", "", "HEAD^{commit}"]);
        log.add("url".to_owned(), &command);
        assert_eq!(log.take()[0].command, "git -c a.b=c log 'it'\\''s' '' 'HEAD^{commit}'");
        assert!(log.take().is_empty());
    }
}
