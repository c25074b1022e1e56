//! Confinement of a container's program in addition to namespaces: a program in the container asks the kernel.

#[path = "../common/mod.rs"]
mod common;

mod landlock;
mod probe;
mod remap;
mod remapped_builds;
mod runtime;
mod seccomp;
