//! The Dockerfile language: text → syntax tree → typed instructions.

mod instruction;

pub use instruction::*;
