//! Containers as people use them, with the real binary.

#[path = "../common/mod.rs"]
mod common;

mod boot;
mod copying;
mod events;
mod exec;
mod isolation;
mod library;
mod lifecycle;
mod logs;
mod machine;
mod many;
mod refused;
mod runtimes;
mod signals;
mod small;
mod special;
mod strain;
mod terminal;
