//! rbuild as docker's build plugin: `docker build`, `docker buildx …` and Compose execute a program called
//! `docker-buildx`, which is then a link to rbuild.
//!
//! Called by that name, the arguments are those of `rbuild buildx`, docker's options before them select another engine,
//! and the result of a build goes there.

mod call;
mod install;

pub use call::{ANEW, are_words_of, begin_with_docker, is_called, metadata};
pub use install::{Args, run};
