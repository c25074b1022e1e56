//! Names that lie inside something foreign: a container's files, a volume, a build context, an unpacked image.
//!
//! Whoever controls the tree may swap a folder and a symbolic link at any moment. So the kernel walks a path once,
//! beneath a handle of the tree's root ([`Tree`], openat2(2)). The result is a handle ([`Folder`], [`Handle`]), and
//! everything that follows uses that handle, or a handle and a single name. No operation here follows a symbolic link
//! in the last place unless its name says so, none follows a "magic" link of a proc filesystem that is not this
//! process's own, and none waits for a FIFO or opens a device.
//!
//! Owns only handles; knows no layers, containers or store. `tests/architecture.rs` lists the folders whose code must
//! use this module, and the few exceptions.

mod attributes;
mod change;
mod exact;
mod folder;
mod handle;
mod link_owners;
mod own;
mod recorded;
mod remove;
#[cfg(test)]
mod tests;
mod tree;
mod whole;
mod xattrs;

pub use exact::ExactLength;
pub use folder::Folder;
pub use handle::Handle;
pub use link_owners::LinkOwners;
pub use own::keep_own_handles;
pub use recorded::{
    are_owners_recorded, is_record, kept_name, meant_name, read_link_in, record_owners, seen_in, seen_of, set_mode_of,
    set_owner_of,
};
pub use remove::{is_left_by_dead, remove_tree, visit_tree};
pub use rustix::fs::Stat;
pub use tree::{LastFolder, Links, Tree, open_at};
pub use xattrs::{set_xattr_of, xattr_of, xattrs_of};
