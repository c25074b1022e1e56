//! The command line: what was typed, what it means, and what is printed.
//!
//! Owns arguments, rendering, progress and exit codes, and nothing else. Hop 1 of a build.
//! Every command has a file of its own, with its arguments (`Args`) and what it does with them (`run`).

mod build;
mod builder;
mod cache_prune;
mod commands;
mod completion;
mod confirm;
mod container;
mod container_inspect;
mod error;
mod explain;
mod export;
mod filters;
mod format;
mod history;
mod image;
mod image_filter;
mod image_info;
mod image_inspect;
mod image_prune;
mod image_use;
mod images;
mod import;
mod info;
mod inspect;
mod load;
mod login;
mod logout;
mod man;
mod manifest;
mod max_store;
mod network;
mod output;
mod parse;
mod port;
mod progress;
mod ps;
mod pull;
mod push;
mod rm;
mod rmi;
mod run;
mod save;
mod search;
mod sizes;
mod system;
mod tag;
mod transfers;
mod version;
mod volume;

pub use commands::main;
pub use error::CliError;
