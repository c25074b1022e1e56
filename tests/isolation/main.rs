//! What keeps a program in its container beside namespaces: the kernel is asked by a program in it.

#[path = "../common/mod.rs"]
mod common;

mod probe;
mod seccomp;
