//! What can be asked for when a container is stopped.

/// How a container is to be stopped.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stop {
    /// Instead of the container's own.
    pub signal: Option<i32>,
    /// Seconds until it is killed, below zero for never; the container's own without it.
    pub timeout: Option<i64>,
    /// It is to be started again: one made with `--rm` stays.
    pub keep: bool,
    /// It is removed then: nobody is told that it was stopped.
    pub is_removal: bool,
}
