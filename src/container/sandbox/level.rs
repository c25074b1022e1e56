//! How strongly programs can be isolated here, found out by trying.

use std::io;
use std::sync::OnceLock;

use crate::base::foreign::are_owners_recorded;

use super::container::{Container, Stdio};
use super::error::{InitError, SandboxError, Unsupported};
use super::landlock::landlock_version;
use super::mount_api::last_errno;
use super::spawn::{self, Until};
use super::surroundings::{has_capability, is_confined_by_seccomp};
use super::without::Without;
use super::{refusal, user_namespace};
use crate::base::privacy::is_in_part_of_users;

/// From strongest to weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Namespaces of its own.
    Full,
    /// A root folder of its own, by chroot, without namespaces.
    Chroot,
    /// No rights at all: a tracing process emulates the root.
    Emulated,
}

/// The level's name in `--isolation`.
pub const CHROOT: &str = "chroot";
const EMULATED: &str = "emulated";

impl Level {
    pub fn has_namespaces(self) -> bool {
        self == Self::Full
    }

    fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Chroot => CHROOT,
            Self::Emulated => EMULATED,
        }
    }
}

/// The warning for programs without namespaces.
pub fn less_isolated(what: &str, level: Level) -> String {
    let why = full_refused().map_or("as was asked for", |refused| refused.what.as_str());
    match level {
        Level::Emulated if landlock_version() == 0 => format!(
            "{what} run by emulation, without any rights and without Landlock: a hostile program can reach all that this \
             user can ({why})"
        ),
        Level::Emulated => format!("{what} run by emulation, without any rights ({why})"),
        _ => format!("{what} isolated by chroot alone, without namespaces ({why})"),
    }
}

/// The user's choice (`--isolation`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IsolationChoice {
    /// The strongest available level.
    #[default]
    Auto,
    Only(Level),
}

/// docker's `default` also means the strongest available level.
impl std::str::FromStr for IsolationChoice {
    type Err = UnknownIsolation;

    fn from_str(word: &str) -> Result<Self, UnknownIsolation> {
        match word.to_ascii_lowercase().as_str() {
            "" | "default" | "auto" => Ok(Self::Auto),
            "full" => Ok(Self::Only(Level::Full)),
            CHROOT => Ok(Self::Only(Level::Chroot)),
            EMULATED => Ok(Self::Only(Level::Emulated)),
            _ => Err(UnknownIsolation(word.to_owned())),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("invalid isolation ({0})")]
pub struct UnknownIsolation(String);

/// A value of `--isolation`, as given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AskedIsolation(String);

impl AskedIsolation {
    /// Settled.
    pub fn of(level: Level) -> Self {
        Self(level.word().to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What programs have in the place of namespaces, once that is settled.
    pub fn without_namespaces(&self) -> Option<Level> {
        [Level::Chroot, Level::Emulated].into_iter().find(|level| level.word() == self.0)
    }

    pub fn choice(&self) -> IsolationChoice {
        self.0.parse().unwrap_or_default()
    }
}

impl std::str::FromStr for AskedIsolation {
    type Err = UnknownIsolation;

    fn from_str(word: &str) -> Result<Self, UnknownIsolation> {
        word.parse::<IsolationChoice>().map(|_| Self(word.to_owned()))
    }
}

impl IsolationChoice {
    /// The level that programs get, or why the choice is not available.
    pub fn level(self) -> Result<Level, Unsupported> {
        let tried = match self {
            Self::Only(level) => vec![level],
            Self::Auto if are_owners_recorded() => vec![Level::Emulated],
            Self::Auto => vec![Level::Full, Level::Chroot],
        };
        let mut refused = tried.iter().map(|level| (*level, level.refused()));
        // The first reason says most.
        let first = refused.next();
        let mut all = first.clone().into_iter().chain(refused);
        match all.find(|(_, refused)| refused.is_none()) {
            Some((level, _)) => Ok(level),
            None => Err(first.and_then(|(_, refused)| refused).unwrap_or_else(refusal::of_missing_rights)),
        }
    }
}

impl Level {
    fn refused(self) -> Option<Unsupported> {
        match self {
            Self::Full | Self::Chroot if are_owners_recorded() => Some(of_recorded_owners()),
            Self::Full => full_refused().cloned(),
            Self::Chroot => chroot_refused(),
            Self::Emulated => emulation_refused(),
        }
    }
}

fn of_recorded_owners() -> Unsupported {
    let why = full_refused().map(|refused| format!(" ({})", refused.what)).unwrap_or_default();
    Unsupported {
        what: format!("this store's files have their owners recorded: programs can only be emulated{why}"),
        hint: Some("leave --isolation out, or name another store with --root".to_owned()),
    }
}

/// Why programs can't be run without rights.
fn emulation_refused() -> Option<Unsupported> {
    if !cfg!(target_arch = "x86_64") {
        return Some(Unsupported {
            what: "programs are emulated on amd64 only, so far".to_owned(),
            hint: full_refused().and_then(|refused| refused.hint.clone()),
        });
    }
    if !are_owners_recorded() {
        return Some(Unsupported {
            what: "programs are emulated only in a store whose files have their owners recorded".to_owned(),
            hint: Some("such a store is made where rbuild has no rights; elsewhere take `chroot` or `full`".to_owned()),
        });
    }
    static REFUSED: OnceLock<Option<Unsupported>> = OnceLock::new();
    let find = || try_tracing().err().map(|error| refusal::of_tracing(&error));
    REFUSED.get_or_init(find).clone()
}

/// Tries whether a child can be traced.
fn try_tracing() -> io::Result<()> {
    in_child(|| {
        // SAFETY: a system call on numbers.
        match unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) } {
            0 => 0,
            _ => last_errno().raw_os_error(),
        }
    })
}

/// Why programs can't have namespaces of their own.
pub fn full_refused() -> Option<&'static Unsupported> {
    static REFUSED: OnceLock<Option<Unsupported>> = OnceLock::new();
    let find = || {
        if !has_capability("SYS_ADMIN") {
            return Some(user_namespace::refused().cloned().unwrap_or_else(refusal::of_missing_rights));
        }
        // Root of a machine always has them, unless a seccomp filter forbids it.
        if user_namespace::entered().is_none() && !is_confined_by_seccomp() {
            return None;
        }
        try_namespaces().err().map(|error| refusal::of_namespaces(&error))
    };
    REFUSED.get_or_init(find).as_ref()
}

/// Tries to create such namespaces in a child.
fn try_namespaces() -> io::Result<()> {
    let flags = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    in_child(|| {
        // SAFETY: a system call on numbers.
        match unsafe { libc::unshare(flags) } {
            0 => 0,
            _ => last_errno().raw_os_error(),
        }
    })
}

/// Calls `attempt`, which makes one system call and returns its errno, in a child that exits with it.
fn in_child(attempt: impl FnOnce() -> i32) -> io::Result<()> {
    let mut status = 0;
    // SAFETY: the child makes two system calls and exits; `status` receives its exit status.
    let waited = unsafe {
        match libc::fork() {
            0 => libc::_exit(attempt()),
            -1 => return Err(io::Error::last_os_error()),
            pid => libc::waitpid(pid, &raw mut status, 0),
        }
    };
    if waited < 0 {
        return Err(io::Error::last_os_error());
    }
    match libc::WEXITSTATUS(status) {
        0 if libc::WIFEXITED(status) => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// What root needs to give a program its own root folder, and to confine it there.
const FOR_CHROOT: [&str; 9] =
    ["SYS_CHROOT", "MKNOD", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETUID", "SETGID"];

/// Why programs can't even have a root folder of their own.
pub fn chroot_refused() -> Option<Unsupported> {
    let missing = FOR_CHROOT.iter().filter(|name| !has_capability(name)).map(|name| format!("CAP_{name}"));
    let missing: Vec<String> = missing.collect();
    let why = match missing.is_empty() {
        // In a user namespace, the capability is not enough.
        true if is_in_part_of_users() => "in a user namespace `/dev/null` and its like can't be made".to_owned(),
        true => return None,
        false => format!("{} missing", missing.join(", ")),
    };
    Some(Unsupported {
        what: format!("programs can't have a root of their own: {why}"),
        hint: Some("run rbuild as root of a container, with the capabilities that docker gives".to_owned()),
    })
}

/// Does everything up to executing a missing program, and returns what it would have to do without.
pub fn try_out(container: &Container) -> Result<Vec<Without>, SandboxError> {
    let (without, ended) = spawn::Prepared::begin(container, Stdio::default(), Until::Executed)?.rehearse();
    match ended {
        Err(SandboxError::Init(InitError::ProgramNotFound { .. })) | Ok(()) => Ok(without),
        Err(error) => Err(error),
    }
}
