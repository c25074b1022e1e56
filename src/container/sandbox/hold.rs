//! A container without a program: its files, mounted for as long as somebody needs them.

use super::channel::Channel;
use super::container::{Container, Stdio};
use super::error::SandboxError;
use super::running::Running;
use super::spawn::{Prepared, Until};

/// The files are there until this is dropped.
#[derive(Debug)]
pub struct Held {
    running: Running,
    _channel: Channel,
}

/// Makes all of the container but its program.
pub fn hold(container: &Container) -> Result<Held, SandboxError> {
    let (running, channel) = Prepared::begin(container, Stdio::default(), Until::Ready)?.go_on(Until::Ready)?;
    Ok(Held { running, _channel: channel })
}

impl Held {
    /// Of the process that holds them, as the host numbers it.
    pub fn pid(&self) -> i32 {
        self.running.pid()
    }
}
