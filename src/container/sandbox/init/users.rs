//! The init's part of `--userns=remap`: while it sets up the container it is root of the host, and creates files with
//! the container's owners; then it becomes root of the container's user namespace, and can't go back.

use std::cell::Cell;
use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};

use rustix::io::Errno;
use rustix::thread::{CapabilitiesSecureBits, UnshareFlags};

use super::doing::{Doing, Result, message};
use crate::container::sandbox::channel::USERS_FD;
use crate::container::sandbox::container::User;
use crate::container::sandbox::files::become_root_of;
use crate::container::sandbox::ids::IdRanges;
use crate::container::sandbox::mount_api;

/// The users of the container, if they are not the host's.
pub(in crate::container::sandbox) struct Users {
    namespace: OwnedFd,
    ids: IdRanges,
    numbers: Cell<u32>,
}

impl Users {
    /// From now on, files are created with the host IDs of the container's root.
    pub(super) fn begin(ids: Option<IdRanges>) -> Result<Option<Self>> {
        let Some(ids) = ids else { return Ok(None) };
        // SAFETY: `spawn` puts the user namespace at this number exactly if it sends IDs, and nothing else owns it.
        let namespace = unsafe { OwnedFd::from_raw_fd(USERS_FD) };
        let users = Self { namespace, ids, numbers: Cell::new(0) };
        // Otherwise, changing the filesystem user would drop the capabilities for files (capabilities(7)).
        rustix::thread::set_capabilities_secure_bits(CapabilitiesSecureBits::NO_SETUID_FIXUP)
            .doing("keep", "the rights over files")?;
        let root = users.host(&User::default())?;
        // SAFETY: plain system calls on numbers; they return the former value and no error.
        unsafe {
            libc::setfsgid(root.gid);
            libc::setfsuid(root.uid);
        }
        Ok(Some(users))
    }

    /// The host's IDs of a user of the container.
    pub(super) fn host(&self, user: &User) -> Result<User> {
        let missing = |kind: &str, id: u32| message(format!("the container's user namespace has no {kind} {id}"));
        Ok(User {
            uid: self.ids.host_user(user.uid).ok_or_else(|| missing("user", user.uid))?,
            gid: self.ids.host_group(user.gid).ok_or_else(|| missing("group", user.gid))?,
            groups: Vec::new(),
        })
    }

    /// Maps the owners in a detached tree of mounts to the container's users.
    pub(in crate::container::sandbox) fn translate(&self, tree: &OwnedFd, recursive: bool, what: &str) -> Result<()> {
        match mount_api::translate_owners(tree, self.namespace.as_fd(), recursive) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Err(message(format!(
                "--userns=remap needs mounts that translate owners, which {what} can't have: that takes Linux 5.19 and \
                 ext4, xfs, btrfs or another filesystem that knows them (tmpfs from 6.3 on); leave out --userns=remap"
            ))),
            translated => translated.doing("translate the owners of", what),
        }
    }

    /// A new number each time, for names in the staging area.
    pub(in crate::container::sandbox) fn next_number(&self) -> u32 {
        self.numbers.replace(self.numbers.get() + 1)
    }

    /// Becomes root of the user namespace. With `own_mounts`, also gets its own mount namespace: existing mounts are
    /// locked, whatever rights the container has.
    pub(super) fn enter(&self, own_mounts: bool) -> Result<()> {
        become_root_of(&self.namespace).doing("become root of", "the container's user namespace")?;
        if own_mounts {
            // SAFETY: of the flags that unshare_unsafe warns about (for descriptors and threads), none is used.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.doing("make", "the mount namespace")?;
        }
        Ok(())
    }
}

/// The host's IDs of a user; the same IDs if the container has the host's users.
pub(super) fn on_host(users: Option<&Users>, user: &User) -> Result<User> {
    users.map_or_else(|| Ok(user.clone()), |users| users.host(user))
}
