//! Everything that rbuild can be asked to do: a file or a folder for each verb, with a typed request, a typed answer,
//! and a trait for events. Knows no arguments, prints nothing and never ends the process: faces do that.

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

/// Counts what a verb has finished.
pub trait Counter {
    /// Another item is finished.
    fn count(&self);
}

/// Counts nothing.
pub struct Uncounted;

impl Counter for Uncounted {
    fn count(&self) {}
}
