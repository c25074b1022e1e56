//! What the process of a command may do: found out, and changed where it can be, before the command runs.
//!
//! Here alone it is decided what missing rights mean. A build in which perhaps nothing changed starts without them, and
//! only probes; [`in_place_of_this_process`] is asked when it has failed for want of them. Where no namespace can be had,
//! commands go on: blobs need no rights, so images can be moved and looked at all the same.

use std::path::Path;

use super::global::{Global, store_error};
use super::{CliError, anew, output};
use crate::base::{foreign, rights};
use crate::container::networks_of;
use crate::container::sandbox::{SandboxError, SharedNamespaces, has_capability, owns_all_files, user_namespace};
use crate::store;

/// What a command needs of its process.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// What is in the store matters to it.
    pub store: bool,
    /// Processes of it stay, with containers that others reach.
    pub starts_containers: bool,
    pub rights: Wanted,
}

/// Whether a command needs rights over files of many owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Never,
    /// It finds out itself.
    Perhaps,
    Always,
    /// What it does with images takes none.
    ForLayers,
}

/// An ordinary user becomes root of a user namespace, in which layers can have files of many owners: of the one that the
/// store's running containers are in, over which one has no rights from outside. Where the store is must be known before.
///
/// Returns why there are no rights, where the command continues without.
pub fn prepare(global: &mut Global, needs: Needs) -> Result<Option<CliError>, CliError> {
    if needs.store {
        look_at_store(&global.store_root()?, needs)?;
    }
    // Root of a container may be without the rights that root has.
    let is_root = rustix::process::geteuid().is_root();
    if is_root && has_capability("SYS_ADMIN") || needs.rights == Wanted::Never {
        return Ok(None);
    }
    let root = global.store_root()?;
    // Monitors have another working folder.
    let root = std::path::absolute(&root).unwrap_or(root);
    global.root = Some(root.clone());
    if needs.rights == Wanted::Perhaps && !anew::has_begun() {
        rights::defer();
        return Ok(None);
    }
    match enter(&root, needs)? {
        Ok(()) => {
            // What can't be taken away now is left to the next command.
            let _ = networks_of(&root).tidy();
            Ok(None)
        }
        Err(_) if is_root && user_namespace::refused().is_some() && owns_all_files() => Ok(None),
        Err(error) => go_without(&root, needs, namespace_error(error)),
    }
}

/// What takes the place of a command that failed because rights were missed: the same command in another process, or the
/// error that there are none.
pub fn in_place_of_this_process(failed: CliError, refusal: Option<CliError>) -> CliError {
    if !rights::were_missed() {
        return failed;
    }
    if rights::are_deferred() {
        anew::begin()
    }
    refusal.unwrap_or(failed)
}

/// The inner error is what the kernel says of namespaces.
fn enter(root: &Path, needs: Needs) -> Result<Result<(), SandboxError>, CliError> {
    let shared = SharedNamespaces::of(root);
    if needs.starts_containers {
        return Ok(shared.enter().map(drop));
    }
    Ok(shared.visit()?.map_or_else(user_namespace::enter, Ok).map(drop))
}

fn go_without(root: &Path, needs: Needs, refusal: CliError) -> Result<Option<CliError>, CliError> {
    if user_namespace::refused().is_some() && !foreign::are_owners_recorded() {
        store::claim(root).map_err(store_error)?;
        if store::begin_recording(root)? {
            foreign::record_owners();
        }
    }
    if foreign::are_owners_recorded() {
        return Ok(None);
    }
    if needs.starts_containers {
        return Err(refusal.exit_code(125));
    }
    if user_namespace::refused().is_none() || matches!(needs.rights, Wanted::Perhaps | Wanted::Always) {
        return Err(refusal);
    }
    rights::go_without();
    Ok(Some(refusal))
}

fn namespace_error(error: SandboxError) -> CliError {
    match error {
        SandboxError::Unsupported(unsupported) => CliError::of_unsupported(unsupported),
        error => error.into(),
    }
}

/// The store has to be this user's before anything in it is believed, or made: by processes that last, before it is
/// opened as a store.
fn look_at_store(root: &Path, needs: Needs) -> Result<(), CliError> {
    let weakness = if needs.starts_containers { store::claim(root) } else { store::look_at(root) };
    if let Some(weakness) = weakness.map_err(store_error)?.filter(|_| !anew::has_begun()) {
        let (store, folder) = (root.display(), weakness.folder.display());
        let whose = weakness.owner.map_or("everybody".to_owned(), |owner| format!("user {owner}"));
        output::say(format!(
            "warning: {whose} can put another store in the place of `{store}`, because it is in `{folder}`; keep it in \
             a folder that only you and root may change"
        ));
    }
    if store::records_owners(root) {
        foreign::record_owners();
    }
    Ok(())
}
