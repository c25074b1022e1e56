//! A container without a program: its files are mounted as long as they are needed.

use super::channel::Channel;
use super::container::{Container, Stdio};
use super::error::SandboxError;
use super::running::Running;
use super::spawn::{Prepared, Until};

/// The files stay mounted until this is dropped.
#[derive(Debug)]
pub struct Held {
    running: Running,
    _channel: Channel,
}

/// Sets up everything of the container except its program.
pub fn hold(container: &Container) -> Result<Held, SandboxError> {
    let (running, channel) = Prepared::begin(container, Stdio::default(), Until::Ready)?.go_on(Until::Ready)?;
    Ok(Held { running, _channel: channel })
}

impl Held {
    /// The PID on the host of the process that holds them.
    pub fn pid(&self) -> i32 {
        self.running.pid()
    }
}
