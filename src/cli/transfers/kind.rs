//! Which way an image goes.

/// What the transfer is, which decides the words and where they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Pull,
    Push,
}
