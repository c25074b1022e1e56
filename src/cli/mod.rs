//! The command line: what was typed, what it means, and what is printed.
//!
//! Owns arguments, rendering, progress and exit codes, and nothing else. Hop 1 of a build. Every command has its own
//! file, with its arguments (`Args`) and its action (`run`).

mod alone;
mod anew;
mod bake;
mod build;
mod builder_registries;
mod builds;
mod buildx;
mod commands;
mod completion;
mod confirm;
mod container;
mod context;
mod docker_config;
mod engine;
mod error;
mod format;
mod global;
mod image;
mod inspect;
mod kaniko;
mod man;
mod manifest;
mod network;
mod output;
mod plugin;
mod progress;
mod registry;
mod report;
mod start;
mod system;
mod transfers;
mod volume;
mod words;

pub use commands::{definition, main};
pub use error::CliError;
