//! SSH agents for steps: the user's own, or one started for the given key files. Each mount gets its own socket,
//! because agents answer only their own user, and the mount says who may use it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::foreign::are_owners_recorded;
use crate::base::io_error::{AtPath, IoError};

use super::error::StepError;

/// Where an agent's keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshSource {
    /// A running agent.
    Socket(PathBuf),
    /// Key files for an agent that the build starts.
    Keys(Vec<PathBuf>),
}

/// unix(7): `sun_path`.
const LONGEST_PATH: usize = 107;
const TRIES: u32 = 200;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// The agents that were started for a build. They end with it, however it ends.
#[derive(Default)]
pub struct SshAgents {
    started: Mutex<BTreeMap<String, KeyAgent>>,
}

/// An `ssh-agent` with keys. It runs as long as the program it was started with, which waits for EOF on its input: that
/// comes when this is dropped, and when rbuild is killed.
struct KeyAgent {
    process: Child,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl Drop for KeyAgent {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

impl SshAgents {
    /// The socket of the agent; one for key files is started on first use.
    pub(super) fn socket(&self, id: &str, source: &SshSource) -> Result<PathBuf, StepError> {
        let keys = match source {
            SshSource::Socket(socket) => return Ok(socket.clone()),
            SshSource::Keys(keys) => keys,
        };
        let mut started = self.started.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(agent) = started.get(id) {
            return Ok(agent.socket.clone());
        }
        let agent = KeyAgent::start(keys)?;
        let socket = agent.socket.clone();
        started.insert(id.to_owned(), agent);
        Ok(socket)
    }
}

impl KeyAgent {
    fn start(keys: &[PathBuf]) -> Result<Self, StepError> {
        let folder = tempfile::Builder::new().prefix("rbuild-ssh-").tempdir().at("create", "a folder for ssh-agent")?;
        let socket = folder.path().join("agent");
        let mut command = Command::new("ssh-agent");
        command.arg("-a").arg(&socket).arg("cat").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().map_err(|source| StepError::SshProgram { program: "ssh-agent", source })?;
        let agent = Self { process, socket, _folder: folder };
        agent.wait_for_socket()?;
        for key in keys {
            agent.add(key)?;
        }
        Ok(agent)
    }

    fn wait_for_socket(&self) -> Result<(), StepError> {
        for _ in 0..TRIES {
            if UnixStream::connect(&self.socket).is_ok() {
                return Ok(());
            }
            std::thread::sleep(BETWEEN_TRIES);
        }
        let source = io::Error::from(io::ErrorKind::TimedOut);
        Err(StepError::SshProgram { program: "ssh-agent", source })
    }

    /// Passphrases are impossible: the session has no terminal, and askpass programs are disabled.
    fn add(&self, key: &Path) -> Result<(), StepError> {
        let mut command = Command::new("ssh-add");
        command.arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).env("SSH_ASKPASS_REQUIRE", "force");
        command.env("SSH_ASKPASS", "/bin/false").stdin(Stdio::null());
        let output = command.output().map_err(|source| StepError::SshProgram { program: "ssh-add", source })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let reason =
            said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it cannot be read").to_owned();
        Err(StepError::SshKey { path: key.to_owned(), reason })
    }
}

/// A socket that forwards to an agent's.
pub(super) struct AgentSocket {
    path: PathBuf,
    is_over: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
    _folder: Option<tempfile::TempDir>,
}

/// Who may use a socket.
pub(super) struct SocketOwner {
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
}

impl AgentSocket {
    /// Listens in `folder`, or in another one if that path is too long for a socket, and forwards to the agent at
    /// `target`.
    pub fn open(folder: &Path, name: &str, target: PathBuf, owner: &SocketOwner) -> Result<Self, IoError> {
        let own_folder = (folder.as_os_str().len() + name.len() + 2 > LONGEST_PATH)
            .then(|| tempfile::Builder::new().prefix("rbuild-ssh-").tempdir().at("create", "a folder for a socket"))
            .transpose()?;
        let path = own_folder.as_ref().map_or(folder, tempfile::TempDir::path).join(name);
        let listener = UnixListener::bind(&path).at("listen at", &path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(owner.mode)).at("change the mode of", &path)?;
        if !are_owners_recorded() {
            // A socket has no ownership record.
            chown(&path, Some(owner.uid), Some(owner.gid)).at("change the owner of", &path)?;
        }
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let listener = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Acquire) {
                    return;
                }
                let (Ok(stream), Ok(agent)) = (stream, UnixStream::connect(&target)) else { continue };
                std::thread::spawn(move || pass_on(stream, agent));
            }
        });
        Ok(Self { path, is_over, listener: Some(listener), _folder: own_folder })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for AgentSocket {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Wakes the listener, which then sees that it must end.
        let is_awake = UnixStream::connect(&self.path).is_ok();
        if let Some(listener) = self.listener.take().filter(|_| is_awake) {
            let _ = listener.join();
        }
    }
}

/// Forwards bytes in both directions until both sides have ended.
fn pass_on(program: UnixStream, agent: UnixStream) {
    let (Ok(from_program), Ok(to_agent)) = (program.try_clone(), agent.try_clone()) else { return };
    let asking = std::thread::spawn(move || copy(from_program, to_agent));
    copy(agent, program);
    let _ = asking.join();
}

fn copy(mut from: UnixStream, mut to: UnixStream) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
    let _ = from.shutdown(std::net::Shutdown::Read);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_passes_on_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let agent = UnixListener::bind(folder.path().join("agent")).unwrap();
        let echo = std::thread::spawn(move || {
            let (mut stream, _) = agent.accept().unwrap();
            let mut word = [0; 5];
            stream.read_exact(&mut word).unwrap();
            stream.write_all(&word).unwrap();
        });
        let metadata = std::fs::metadata(folder.path()).unwrap();
        use std::os::unix::fs::MetadataExt as _;
        let owner = SocketOwner { uid: metadata.uid(), gid: metadata.gid(), mode: 0o620 };
        let socket = AgentSocket::open(folder.path(), "own", folder.path().join("agent"), &owner).unwrap();
        let mode = std::fs::metadata(socket.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o620);
        let mut stream = UnixStream::connect(socket.path()).unwrap();
        stream.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello");
        echo.join().unwrap();
        drop(socket);
    }
}
