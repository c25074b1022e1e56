//! pasta (package `passt`): forwards a network namespace's connections through ordinary sockets, unprivileged.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Access, FlockOperation, flock};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::time::Timespec;

use super::error::{Doing, NetworkError};
use super::link;
use super::netlink::Socket;
use crate::base::io_error::AtPath;
use crate::container::sandbox;

/// Its MTU: the larger, the faster.
pub(super) const MTU: u32 = 65_520;

/// Its interface and address in the namespace. By default, pasta would use the host's address, which nobody inside
/// could then reach. A link-local address is used nowhere else.
const INTERFACE: &str = "eth0";
const ADDRESS: &str = "169.254.201.1";
const GATEWAY: &str = "169.254.201.2";
const PREFIX_LENGTH: &str = "30";

/// How long pasta may take to set up the interface, or to end.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);

/// The program, if it is installed.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("pasta")).find(|file| file.is_file())
}

/// Why an ordinary user's containers can't use it as an uplink; `None` if they can.
pub fn refused() -> Option<NetworkError> {
    let program = find().map(drop).ok_or(NetworkError::NoPasta);
    program.and_then(|()| check_tun()).err()
}

fn check_tun() -> Result<(), NetworkError> {
    let tun = Path::new("/dev/net/tun");
    rustix::fs::access(tun, Access::READ_OK | Access::WRITE_OK).map_err(|_| NetworkError::NoTunDevice)
}

/// It forwards outgoing connections of that namespace, and no incoming ones.
fn command(namespace: &OwnedFd) -> Result<Command, NetworkError> {
    let program = find().ok_or(NetworkError::NoPasta)?;
    check_tun()?;
    let mut command = Command::new(program);
    command
        .args(["--config-net", "--foreground", "--quiet", "--ns-ifname", INTERFACE])
        .args(["-a", ADDRESS, "-n", PREFIX_LENGTH, "-g", GATEWAY, "--mtu", &MTU.to_string()])
        // No port on the host's loopback can be reached from the containers.
        .args(["-t", "none", "-u", "none", "-T", "none", "-U", "none", "--no-map-gw"])
        // A path through this process would need rights over it, and pasta has dropped them by then.
        .args(["--netns", "/proc/self/fd/0"])
        .stdin(namespace.try_clone().doing("copy a descriptor")?);
    Ok(command)
}

/// The pasta of all containers that share a namespace. It is no child of this process. Its file contains its PID and
/// then its error messages; pasta has it locked while it lives.
#[derive(Debug)]
pub(super) struct WayOut {
    path: PathBuf,
}

/// The file of the pasta that this process uses. It may have been deleted with the store.
static USED: Mutex<Option<File>> = Mutex::new(None);

impl WayOut {
    pub(super) fn of(folder: &Path) -> Self {
        Self { path: folder.join("pasta") }
    }

    /// Whether there may be something to [`Self::end`].
    pub(super) fn has_traces(&self) -> bool {
        self.path.exists()
    }

    pub(super) fn is_running(&self) -> bool {
        File::open(&self.path).is_ok_and(|file| is_locked(&file))
    }

    /// Starts pasta, unless it runs. The caller holds the lock of the `SharedNamespaces`.
    pub(super) fn begin(&self, namespace: &OwnedFd) -> Result<(), NetworkError> {
        if !self.is_running() {
            let mut command = command(namespace)?;
            let path = &self.path;
            let file = File::options().create(true).truncate(true).write(true).open(path).at("open", path)?;
            // Other processes only hold the lock for a moment, to check it.
            flock(&file, FlockOperation::LockExclusive).at("lock", path)?;
            command.stdout(file.try_clone().doing("copy a descriptor")?).stderr(file);
            sandbox::spawn_lasting_helper(command).doing("start pasta")?;
        }
        *used() = Some(File::open(&self.path).at("open", &self.path)?);
        Ok(())
    }

    /// Waits until the namespace of that socket has a route.
    pub(super) fn wait(&self, inside: &Socket) -> Result<(), NetworkError> {
        wait_for_route(inside, || if self.is_running() { None } else { Some(self.error_message()) })
    }

    /// Ends pasta if it runs. The caller holds the lock of the `SharedNamespaces`.
    pub(super) fn end(&self) -> Result<(), NetworkError> {
        let file = match used().take() {
            Some(file) => file,
            None if !self.has_traces() => return Ok(()),
            None => File::open(&self.path).at("open", &self.path)?,
        };
        if let Some(process) = process_of(file) {
            // Fails only if it has just ended.
            let _ = pidfd_send_signal(&process, Signal::KILL);
            let patience = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
            poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience)).doing("wait for the end of pasta")?;
        }
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => Ok(removed.at("remove", &self.path)?),
        }
    }

    fn error_message(&self) -> String {
        let mut bytes = Vec::new();
        // Unreadable messages are not shown.
        let _ = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(size_of::<i32>() as u64))?;
            file.read_to_end(&mut bytes)
        });
        told(&String::from_utf8_lossy(&bytes))
    }
}

fn used() -> std::sync::MutexGuard<'static, Option<File>> {
    USED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The process that has locked the file.
fn process_of(mut file: File) -> Option<OwnedFd> {
    let mut number = [0; size_of::<i32>()];
    file.read_exact(&mut number).ok()?;
    let process = pidfd_open(Pid::from_raw(i32::from_ne_bytes(number))?, PidfdFlags::empty()).ok()?;
    // While the file is locked, the PID is not reused.
    is_locked(&file).then_some(process)
}

fn is_locked(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockShared).is_err()
}

/// The pasta of a namespace that only this process manages; it ends on drop, or when this process is killed.
#[derive(Debug)]
pub(super) struct Pasta {
    child: Child,
}

impl Pasta {
    /// Connects the namespace, and waits until it has an address and a route.
    pub(super) fn start(namespace: &OwnedFd, inside: &Socket) -> Result<Self, NetworkError> {
        let mut command = command(namespace)?;
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut pasta = Self { child: sandbox::spawn_helper(command).doing("start pasta")? };
        wait_for_route(inside, || match pasta.child.try_wait() {
            Ok(None) => None,
            _ => Some(pasta.error_message()),
        })?;
        Ok(pasta)
    }

    fn error_message(&mut self) -> String {
        let mut text = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            // Unreadable messages are not shown.
            let _ = stderr.read_to_string(&mut text);
        }
        told(&text)
    }
}

impl Drop for Pasta {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a route, or until `ended` reports why there will be none.
fn wait_for_route(inside: &Socket, mut ended: impl FnMut() -> Option<String>) -> Result<(), NetworkError> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let routes = link::routes(inside).doing("read the container's routes")?;
        if routes.iter().any(|(subnet, _)| subnet.length == 0) {
            return Ok(());
        }
        if let Some(message) = ended() {
            return Err(NetworkError::Pasta { message });
        }
        std::thread::sleep(PAUSE);
    }
    Err(NetworkError::Pasta { message: "it set up no route; has the host one?".to_owned() })
}

/// Without a system logger, pasta complains about that on every line.
fn told(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Failed to send"));
    lines.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_of_a_missing_logger_say_nothing() {
        assert_eq!(
            told("Failed to send 46 bytes to syslog\nNo external interface\n\nGiving up\n"),
            "No external interface; Giving up"
        );
    }

    #[test]
    fn a_file_that_nobody_has_locked_is_of_no_process() {
        let folder = tempfile::tempdir().unwrap();
        let way_out = WayOut::of(folder.path());
        assert!(!way_out.has_traces() && way_out.end().is_ok());
        std::fs::write(folder.path().join("pasta"), std::process::id().to_ne_bytes()).unwrap();
        assert!(way_out.has_traces() && !way_out.is_running());
        way_out.end().unwrap();
        assert!(!way_out.has_traces());
    }
}
