//! The command line: what was typed, what it means, and what is printed.
//!
//! Owns arguments, rendering, progress and exit codes, and nothing else. Hop 1 of a build.
//! Every command has a file of its own, with its arguments (`Args`) and what it does with them (`run`).

mod commands;
mod error;
mod format;
mod load;
mod output;
mod parse;
mod save;

pub use commands::main;
pub use error::CliError;
