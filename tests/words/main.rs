//! Command lines: docker's options and arguments, parsed by docker's grammar.

#[path = "../common/mod.rs"]
mod common;
mod completion;
mod config;
mod grammar;
mod help;
mod limits;
mod lines;
mod names;
mod shown;
mod table;
mod values;

use common::{Answer, TestStore};

/// Runs a command line without any of docker's environment variables.
pub fn run(store: &TestStore, words: &[&str], environment: &[(&str, &str)]) -> Answer {
    let mut command = store.command(words);
    let own = ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_DEFAULT_PLATFORM", "BUILDX_BUILDER"];
    for name in own {
        command.env_remove(name);
    }
    command.env("HOME", store.work()).envs(environment.iter().copied());
    Answer::of(command)
}
