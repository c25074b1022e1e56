//! Requests of other processes to a container's monitor.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::directory::Entry;
use super::error::ContainerError;
use super::protocol::{self, Ending, Kind, Reply, Request};
use super::socket;
use super::stop::Stop;
use crate::base::io_error::AtPath;

/// How long a container may be locked without a listening monitor before that is an error.
const PATIENCE: Duration = Duration::from_secs(10);

impl Entry {
    /// Sends a signal to the program.
    pub fn signal(&self, number: i32) -> Result<(), ContainerError> {
        self.ask(&Request::Signal { number })
    }

    /// Returns when the container has ended, or at once if it does not run.
    pub fn stop(&self, stop: Stop) -> Result<(), ContainerError> {
        let Stop { signal, timeout, keep, is_removal } = stop;
        match self.ask(&Request::Stop { signal, timeout, keep, is_removal }) {
            Err(ContainerError::MonitorDied) => Ok(()),
            answer => answer,
        }
    }

    /// Stops all processes.
    pub fn pause(&self) -> Result<(), ContainerError> {
        self.ask(&Request::Pause)
    }

    /// Lets them go on.
    pub fn unpause(&self) -> Result<(), ContainerError> {
        self.ask(&Request::Unpause)
    }

    /// Pauses the container for as long as the connection is open.
    pub(super) fn hold(&self) -> Result<UnixStream, ContainerError> {
        self.request(&Request::Hold)
    }

    /// Applies the container's record as it is now. A container that has just ended gets it at its next start.
    pub fn reload(&self) -> Result<(), ContainerError> {
        match self.ask(&Request::Reload) {
            Err(ContainerError::MonitorDied) => Ok(()),
            answer => answer,
        }
    }

    /// Waits until the container has ended for good, or returns at once if it does not run.
    pub fn wait(&self) -> Result<Ending, ContainerError> {
        let ended = || Ending { exit_code: self.state.exit_code, ..Ending::default() };
        if !self.is_running {
            return Ok(ended());
        }
        let stream = match self.connect() {
            Err(ContainerError::MonitorDied) => return self.ending(),
            stream => stream?,
        };
        match tell(&stream, &Request::Wait).and_then(|()| receive(&stream)) {
            Ok(Reply::Ended(ending)) => Ok(ending),
            Err(ContainerError::MonitorDied) => self.ending(),
            Err(error) => Err(error),
            Ok(_) => Err(ContainerError::MonitorDied),
        }
    }

    /// How it ended, according to its folder.
    pub(super) fn ending(&self) -> Result<Ending, ContainerError> {
        let now = Self::open(self.folder().to_owned())?;
        let code = now.map_or(self.state.exit_code, |entry| entry.state.exit_code);
        Ok(Ending { exit_code: code, ..Ending::default() })
    }

    fn ask(&self, request: &Request) -> Result<(), ContainerError> {
        self.request(request).map(drop)
    }

    /// Sends the request, and returns the connection once it is done.
    fn request(&self, request: &Request) -> Result<UnixStream, ContainerError> {
        if !self.is_running {
            return Err(ContainerError::NotRunning { name: self.record.plain_name().to_owned() });
        }
        let stream = self.connect()?;
        tell(&stream, request)?;
        receive(&stream)?;
        Ok(stream)
    }

    /// A connection on which the request was sent.
    pub(super) fn connect_with(&self, request: &Request) -> Result<UnixStream, ContainerError> {
        let stream = self.connect()?;
        tell(&stream, request)?;
        Ok(stream)
    }

    /// Resizes the program's terminal.
    pub fn resize(&self, (rows, columns): (u16, u16)) -> Result<(), ContainerError> {
        if !self.is_running {
            return Err(ContainerError::NotRunning { name: self.record.plain_name().to_owned() });
        }
        self.connect_with(&Request::Resize { rows, columns }).map(drop)
    }

    /// A monitor that has just started will listen soon; one that is about to end no longer does.
    fn connect(&self) -> Result<UnixStream, ContainerError> {
        let begun = Instant::now();
        loop {
            match socket::connect(self.folder()) {
                Ok(stream) => return Ok(stream),
                Err(ContainerError::Io(error)) if has_no_listener(&error.source) && begun.elapsed() < PATIENCE => {}
                Err(error) => return Err(error),
            }
            if !Self::open(self.folder().to_owned())?.is_some_and(|entry| entry.is_running) {
                return Err(ContainerError::MonitorDied);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn has_no_listener(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused)
}

/// A monitor that accepted the connection may end before it reads anything.
fn tell(stream: &UnixStream, request: &Request) -> Result<(), ContainerError> {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
    match protocol::send(stream, Kind::Request, request) {
        Err(error) if matches!(error.kind(), BrokenPipe | ConnectionReset) => Err(ContainerError::MonitorDied),
        sent => Ok(sent.at("reach", "the container's monitor")?),
    }
}

/// The monitor's reply; a failure there is returned as an error.
pub(super) fn receive(stream: &UnixStream) -> Result<Reply, ContainerError> {
    let mut body = Vec::new();
    loop {
        match protocol::receive(stream, &mut body).at("hear from", "the container's monitor")? {
            None => return Err(ContainerError::MonitorDied),
            Some(Kind::Reply) => match protocol::decode(&body).at("understand", "the container's monitor")? {
                Reply::Failed(failure) => return Err(ContainerError::Monitor(failure)),
                reply => return Ok(reply),
            },
            // Output that the program prints meanwhile.
            Some(_) => {}
        }
    }
}
