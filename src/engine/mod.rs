//! What one can ask of rbuild: a file or a folder for each verb. A typed request in, a typed answer out, and what happens
//! meanwhile through a trait. Knows no arguments, prints nothing and never ends the process: a face does that.

#![warn(missing_docs)]

pub mod bake;
pub mod build;
pub mod builders;
pub mod check;
pub mod container;
pub mod contents;
pub mod context;
pub mod debug;
pub mod history;
pub mod image;
pub mod network;
mod resource_error;
pub mod store;
pub mod system;
pub mod version;
pub mod volume;
pub mod watch;

pub use resource_error::ResourceError;

/// Whoever counts the things that a verb gets done.
pub trait Counter {
    /// One more is done.
    fn count(&self);
}

/// Counts nothing.
pub struct Uncounted;

impl Counter for Uncounted {
    fn count(&self) {}
}
