//! What keeps a program in its container beside namespaces: the kernel is asked by a program in it.

#[path = "../common/mod.rs"]
mod common;

mod landlock;
mod probe;
mod remap;
mod remapped_builds;
mod runtime;
mod seccomp;
