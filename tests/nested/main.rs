//! rbuild in containers that allow less than a machine: what each gets, with the same images everywhere. The containers are
//! rbuild's own, and Docker's where `docker` reaches an engine.

#[path = "../common/mod.rs"]
mod common;

mod hostile;
mod matrix;
