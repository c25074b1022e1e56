//! The last steps: limits, user, seccomp filter and capabilities, then the program itself.

use std::ffi::{CString, OsStr};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::rc::Rc;

use rustix::fs::{Gid, Mode, Uid};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit};
use rustix::thread::CapabilitySet as KernelSet;

use super::doing::{Doing, Result, message};
use super::processes::{self, Joining, Side};
use super::terminal::Terminal;
use super::users::{self, Users};
use super::{die_with_parent, directory, limits, own, reaper, why_not};
use crate::container::sandbox::CapabilitySet;
use crate::container::sandbox::channel::{Channel, CreatedMountPoint, Report};
use crate::container::sandbox::container::{Process, ResourceLimit};
use crate::container::sandbox::error::InitError;
use crate::container::sandbox::mount_api::last_errno;
use crate::container::sandbox::{landlock, lsm};

/// Where a program is looked up if the environment has no PATH, as in docker.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The number of capabilities in a 64-bit mask.
const CAPABILITIES: u32 = 64;

/// The program's rights.
pub(super) struct Rights {
    pub(super) capabilities: CapabilitySet,
    pub(super) no_new_privileges: bool,
    pub(super) seccomp: Option<Vec<u64>>,
    /// It can't reach abstract sockets outside of the container.
    pub(super) scopes_sockets: bool,
    /// The confinement of the small init, if there is one and AppArmor is used.
    pub(super) small_init: Option<lsm::Later>,
    /// Set if they are not the host's.
    pub(super) users: Option<Rc<Users>>,
    /// It is killed when the thread that started it ends.
    pub(super) dies_with_parent: bool,
    /// When it joins the container's processes, if those run already.
    pub(super) joining: Joining,
}

pub(super) struct Program<'a> {
    process: &'a Process,
    rights: Rights,
    usual_files: Rlimit,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl<'a> Program<'a> {
    pub(super) fn new(process: &'a Process, rights: Rights, usual_files: Rlimit) -> Result<Self> {
        if process.arguments.is_empty() {
            return Err(message("there is no program to run"));
        }
        Ok(Self {
            process,
            rights,
            usual_files,
            arguments: process.arguments.iter().map(|text| c_string(text)).collect::<Result<_>>()?,
            environment: process.environment.iter().map(|text| c_string(text)).collect::<Result<_>>()?,
        })
    }

    /// Enters the working directory as the program's user. Nothing of the host may be open any longer except the
    /// standard streams and the channel.
    pub(super) fn enter_directory(&self) -> Result<()> {
        let users = self.rights.users.as_deref();
        if users.is_none() {
            self.set_groups()?;
        }
        directory::enter(&self.process.directory, &users::on_host(users, &self.process.user)?)
    }

    /// Becomes the program; returns only if it can't, or if another process does.
    pub(super) fn execute(
        mut self,
        channel: &mut Channel,
        created: Vec<CreatedMountPoint>,
        terminal: Option<Terminal>,
    ) -> Result<()> {
        let mut terminal = terminal;
        if terminal.is_none() {
            chown_pipes(users::on_host(self.rights.users.as_deref(), &self.process.user)?.uid);
        }
        let joining = std::mem::replace(&mut self.rights.joining, Joining::Done);
        let joins_last = joining.is_last();
        if !joins_last {
            lead_session(terminal.take())?;
        }
        self.set_limits(joins_last)?;
        rustix::process::umask(Mode::from_raw_mode(0o022));
        close_on_exec()?;
        channel.send(&Report::Ready { created }).doing("report to", "rbuild")?;
        joining.let_children_join()?;
        self.restrict()?;
        if joins_last {
            // From here on, processes of the container may trace this one. It has no more rights than they.
            match processes::split(channel)? {
                Side::Here => return Ok(()),
                Side::There => lead_session(terminal)?,
            }
            self.set_limit_of_processes()?;
        }
        if self.rights.dies_with_parent {
            // Changing the user has reset it. If rbuild died in between, the other end of the channel is closed.
            die_with_parent();
        }
        if channel.is_abandoned() {
            return Ok(());
        }
        if self.process.init {
            let confinement = self.rights.small_init.as_ref();
            reaper::split(|| {
                confinement.map_or(Ok(()), lsm::Later::confine)?;
                channel.close();
                // The user namespace, and the folder of this process.
                own::close_all();
                Ok(())
            })?;
        } else {
            reaper::unblock_all_signals();
        }
        Err(self.execute_in_path())
    }

    /// The same for a program that is traced by its parent. It starts with the filter that `enter` returns: from then
    /// on, all paths and users are the program's own.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn execute_traced(
        self,
        channel: &mut Channel,
        terminal: Option<Terminal>,
        enter: impl FnOnce() -> Result<Vec<u64>>,
    ) -> Result<()> {
        lead_session(terminal)?;
        self.set_limits(false)?;
        rustix::process::umask(Mode::from_raw_mode(0o022));
        close_on_exec()?;
        // Even if root of a machine uses such a store, programs get no more rights than usual.
        let none = KernelSet::empty();
        let sets = rustix::thread::CapabilitySets { effective: none, permitted: none, inheritable: none };
        rustix::thread::set_capabilities(None, sets).doing("give up", "the capabilities")?;
        let filter = enter()?;
        load_filter(Some(&filter))?;
        load_filter(self.rights.seccomp.as_deref())?;
        directory::enter_as_root(&self.process.directory)?;
        self.set_groups()?;
        self.become_user()?;
        channel.send(&Report::Ready { created: Vec::new() }).doing("report to", "rbuild")?;
        reaper::unblock_all_signals();
        Err(self.execute_in_path())
    }

    /// If another process is still to be started, the limit on a user's processes is only raised, not lowered.
    fn set_limits(&self, starts_another: bool) -> Result<()> {
        // It was raised for rbuild's own purposes.
        rustix::process::setrlimit(Resource::Nofile, self.usual_files).doing("set the limit", "nofile")?;
        for limit in &self.process.limits {
            let (resource, mut wanted) = limit_of(limit)?;
            if starts_another && resource == Resource::Nproc {
                let now = rustix::process::getrlimit(resource);
                let higher = |one: Option<u64>, other: Option<u64>| one.zip(other).map(|(one, other)| one.max(other));
                wanted.current = higher(wanted.current, now.current);
                wanted.maximum = higher(wanted.maximum, now.maximum);
            }
            rustix::process::setrlimit(resource, wanted).doing("set the limit", &limit.name)?;
        }
        Ok(())
    }

    fn set_limit_of_processes(&self) -> Result<()> {
        for limit in &self.process.limits {
            let (resource, wanted) = limit_of(limit)?;
            if resource == Resource::Nproc {
                rustix::process::setrlimit(resource, wanted).doing("set the limit", &limit.name)?;
            }
        }
        Ok(())
    }

    /// Drops the rights that the program must not have. A seccomp filter needs a capability or no-new-privileges; so it
    /// is loaded before the capabilities are dropped if the program may gain privileges, and last if it may not.
    fn restrict(&self) -> Result<()> {
        if self.rights.scopes_sockets {
            landlock::scope_sockets()?;
        }
        if let Some(users) = &self.rights.users {
            // A process that joins a container joins its mount namespace.
            users.enter(self.rights.dies_with_parent)?;
        }
        if !self.rights.no_new_privileges {
            load_filter(self.rights.seccomp.as_deref())?;
        }
        self.drop_bounding_set()?;
        self.become_user()?;
        self.set_capabilities()?;
        if self.rights.no_new_privileges {
            rustix::thread::set_no_new_privs(true).doing("forbid", "new privileges")?;
            load_filter(self.rights.seccomp.as_deref())?;
        }
        Ok(())
    }

    fn drop_bounding_set(&self) -> Result<()> {
        for number in (0..CAPABILITIES).filter(|number| self.rights.capabilities.bits() & 1 << number == 0) {
            // SAFETY: prctl with numbers only.
            let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number as libc::c_ulong, 0, 0, 0) };
            match last_errno() {
                _ if result == 0 => {}
                // Beyond the last capability of this kernel.
                Errno::INVAL => break,
                errno => return Err(errno).doing("drop", format!("capability {number}")),
            }
        }
        Ok(())
    }

    fn set_groups(&self) -> Result<()> {
        let user = &self.process.user;
        let groups: Vec<Gid> = user.groups.iter().map(|group| Gid::from_raw(*group)).collect();
        match rustix::thread::set_thread_groups(&groups) {
            // With a single-ID mapping the kernel forbids it; then the groups are those that rbuild was started with.
            Err(Errno::PERM) if user.groups.iter().all(|group| *group == user.gid) => Ok(()),
            set => set.doing("set", "the supplementary groups"),
        }
    }

    fn become_user(&self) -> Result<()> {
        let user = &self.process.user;
        if self.rights.users.is_some() {
            // These are the container's IDs.
            self.set_groups()?;
        }
        let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
        let explain = |kind: &str, id: u32| format!("{kind} {id}, which this user namespace may not have");
        rustix::thread::set_thread_res_gid(gid, gid, gid).doing("become", explain("group", user.gid))?;
        rustix::thread::set_thread_res_uid(uid, uid, uid).doing("become", explain("user", user.uid))
    }

    /// For root: makes the permitted capabilities effective. Another user has lost all of them by the change of user.
    fn set_capabilities(&self) -> Result<()> {
        let doing = "the capabilities";
        let before = rustix::thread::capabilities(None).doing("read", doing)?;
        let kept = KernelSet::from_bits_retain(self.rights.capabilities.bits()) & before.permitted;
        let effective = if self.process.user.uid == 0 { kept } else { kept & before.effective };
        let sets = rustix::thread::CapabilitySets { effective, permitted: kept, inheritable: KernelSet::empty() };
        rustix::thread::set_capabilities(None, sets).doing("set", doing)
    }

    fn execute_in_path(&self) -> InitError {
        let name = self.process.arguments[0].as_os_str();
        let display = || name.to_string_lossy().into_owned();
        if name.as_bytes().contains(&b'/') {
            let errno = self.execute_file(&self.arguments[0]);
            return why_not::executable(name, errno);
        }
        let path = self.path();
        if name.is_empty() {
            return InitError::ProgramNotFound { program: display(), path: Some(String::from_utf8_lossy(path).into()) };
        }
        let mut denied = None;
        for directory in path.split(|byte| *byte == b':') {
            let directory = if directory.is_empty() { b".".as_slice() } else { directory };
            let file = [directory, b"/", name.as_bytes()].concat();
            let Ok(candidate) = CString::new(file.clone()) else { continue };
            match self.execute_file(&candidate) {
                Errno::NOENT if !Path::new(OsStr::from_bytes(&file)).exists() => {}
                Errno::NOTDIR => {}
                Errno::ACCESS => denied = Some(file),
                errno => return why_not::executable(OsStr::from_bytes(&file), errno),
            }
        }
        match denied {
            Some(file) => why_not::executable(OsStr::from_bytes(&file), Errno::ACCESS),
            None => InitError::ProgramNotFound {
                program: display(),
                path: Some(String::from_utf8_lossy(path).into_owned()),
            },
        }
    }

    fn path(&self) -> &[u8] {
        let find = |entry: &'_ std::ffi::OsString| entry.as_bytes().starts_with(b"PATH=");
        let entry = self.process.environment.iter().find(|entry| find(entry));
        entry.map_or(DEFAULT_PATH.as_bytes(), |entry| &entry.as_bytes()[b"PATH=".len()..])
    }

    fn execute_file(&self, file: &CString) -> Errno {
        let pointers = |strings: &[CString]| {
            strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>()
        };
        let (arguments, environment) = (pointers(&self.arguments), pointers(&self.environment));
        // SAFETY: both lists end with a null pointer and point to C strings that live in `self`.
        unsafe {
            libc::execve(file.as_ptr(), arguments.as_ptr(), environment.as_ptr());
        }
        last_errno()
    }
}

/// Adds a seccomp filter to those that this process already has.
pub(super) fn load_filter(program: Option<&[u64]>) -> Result<()> {
    let Some(program) = program else { return Ok(()) };
    let filter: Vec<libc::sock_filter> = program
        .iter()
        .map(|word| libc::sock_filter {
            code: (word >> 48) as u16,
            jt: (word >> 40) as u8,
            jf: (word >> 32) as u8,
            k: *word as u32,
        })
        .collect();
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the kernel copies `len` instructions from `filter`, which lives here, and checks them itself.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, std::ptr::from_ref(&program)) };
    if result == 0 { Ok(()) } else { Err(last_errno()).doing("load", "the seccomp filter") }
}

fn limit_of(limit: &ResourceLimit) -> Result<(Resource, Rlimit)> {
    let unknown = || message(format!("`{}` is not a resource that can be limited", limit.name));
    let bound = |value: u64| (value != u64::MAX).then_some(value);
    let wanted = Rlimit { current: bound(limit.soft), maximum: bound(limit.hard) };
    Ok((limits::resource(&limit.name).ok_or_else(unknown)?, wanted))
}

/// Makes this process a session leader, with the terminal if there is one.
fn lead_session(terminal: Option<Terminal>) -> Result<()> {
    // A process that is a session leader already has its own session.
    let _ = rustix::process::setsid();
    terminal.map_or(Ok(()), Terminal::take)
}

/// Gives pipes to the program's user, who must own `/dev/stdout` to open it. Files are left alone.
fn chown_pipes(uid: u32) {
    if uid == 0 {
        return;
    }
    for number in 0..3 {
        // SAFETY: the standard descriptors are open: `spawn` has set each of them.
        let stream = unsafe { BorrowedFd::borrow_raw(number) };
        let is_pipe = rustix::fs::fstat(stream).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFIFO);
        if is_pipe {
            // If this is not allowed, the program can still use the pipe.
            let _ = rustix::fs::fchown(stream, Some(Uid::from_raw(uid)), None::<Gid>);
        }
    }
}

/// Lets the program inherit only the standard descriptors.
fn close_on_exec() -> Result<()> {
    // SAFETY: it marks descriptors and closes none now.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(last_errno()).doing("close", "the open files") }
}

fn c_string(text: &OsStr) -> Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| message(format!("`{}` has a zero byte", text.to_string_lossy())))
}
