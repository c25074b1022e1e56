//! The direction of a transfer.

/// The kind of a transfer, which decides the words and the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Pull,
    Push,
}
