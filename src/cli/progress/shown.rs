//! What every display of a build can do.

use super::summary::End;
use crate::build::Observer;

/// A way to show a build.
pub trait Shown: Observer {
    /// The build is over: says how it went, apart from the error.
    fn end(&self, end: &End<'_>);
}
