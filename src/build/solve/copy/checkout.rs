//! Checked-out repositories that are kept between builds.
//!
//! ```text
//! checkouts/<name>/files/  the requested part
//! checkouts/<name>/sum     its digest
//! ```
//!
//! All of a checkout is hashed whenever it is used, for the key of the step. So corruption is detected for free, and
//! the repository is checked out again.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::base::digest::{CacheKey, FieldHasher};
use crate::base::foreign::{Folder, Tree};
use crate::base::io_error::AtPath;
use crate::build::context::git::{self, CheckOut, GitReference, Resolved};
use crate::build::context::{Context, ContextError, IgnorePatterns, Wanted};
use crate::image::layer::FileKind;

use super::super::error::StepError;
use super::super::settings::Solver;

const FOLDER: &str = "checkouts";
const FILES: &str = "files";
const REPOSITORY: &str = "repository";
const SUM: &str = "sum";

/// The repository at the requested commit.
pub(super) fn of(solver: &Solver<'_>, wanted: &GitReference, how: CheckOut) -> Result<Context, StepError> {
    let resolved = git::resolve(wanted)?;
    let name = name(wanted, &resolved, how);
    solver.store.hold_folder(FOLDER)?;
    let kept = solver.store.root().join(FOLDER).join(&name);
    if let Some(context) = whole(&kept) {
        return Ok(context);
    }
    let store = solver.work()?.store;
    let _lock = store.lock(&format!("checkout-{name}"))?;
    if let Some(context) = whole(&kept) {
        return Ok(context);
    }
    let staging = store.staging()?;
    if kept.exists() {
        let damaged = staging.path().join("damaged");
        std::fs::rename(&kept, &damaged).at("rename", &kept)?;
    }
    check_out(wanted, &resolved, &staging.path().join("checkout"), how).and_then(|made| {
        std::fs::create_dir_all(store.root().join(FOLDER)).at("create", store.root().join(FOLDER))?;
        Ok(std::fs::rename(&made, &kept).at("rename", &made)?)
    })?;
    Ok(open(&kept)?)
}

fn name(wanted: &GitReference, resolved: &Resolved, how: CheckOut) -> String {
    let mut name = FieldHasher::new("git-checkout-3");
    let subdirectory = wanted.subdirectory.as_deref().unwrap_or(Path::new(""));
    name.field(wanted.remote.as_bytes()).field(resolved.commit().as_bytes());
    name.field(wanted.checksum.as_deref().unwrap_or_default().as_bytes());
    name.field(subdirectory.as_os_str().as_encoded_bytes());
    name.number(u64::from(how.keep_git_dir)).number(u64::from(how.submodules)).number(u64::from(how.commit_times));
    if how.keep_git_dir {
        // It contains the reference too.
        name.field(resolved.object.as_bytes()).field(resolved.name.as_deref().unwrap_or_default().as_bytes());
    }
    CacheKey::from_bytes(name.finish()).hex()
}

/// Checks a repository out into `folder`, as it is kept; returns its path.
fn check_out(wanted: &GitReference, resolved: &Resolved, folder: &Path, how: CheckOut) -> Result<PathBuf, StepError> {
    let (into, made) = (folder.join(REPOSITORY), folder.join("made"));
    for folder in [&into, &made] {
        std::fs::create_dir_all(folder).at("create", folder)?;
    }
    let checked = git::check_out(wanted, resolved, &into, how)?;
    // A subfolder is controlled by the repository, as is everything above it.
    let inside = checked.directory.strip_prefix(&into).unwrap_or(Path::new(""));
    let (parent, name) = match Tree::beneath(Folder::open(&into)?).parent(inside)? {
        Some(found) => found,
        None => (Folder::open(folder)?, OsStr::new(REPOSITORY)),
    };
    parent.rename(name, &Folder::open(&made)?, OsStr::new(FILES))?;
    let sum = sum(&open(&made)?)?;
    std::fs::write(made.join(SUM), sum).at("write", made.join(SUM))?;
    Ok(made)
}

/// The kept checkout, if it is complete and unchanged. One that can't be read is made again too.
fn whole(kept: &Path) -> Option<Context> {
    let expected = std::fs::read(kept.join(SUM)).ok()?;
    let context = open(kept).ok()?;
    let found = sum(&context).ok()?;
    (found.as_slice() == expected).then_some(context)
}

fn open(kept: &Path) -> Result<Context, ContextError> {
    Context::open(&kept.join(FILES), &IgnorePatterns::default(), None)
}

/// A digest of names, kinds, modes, links and contents. The context remembers the contents' digests for the step.
fn sum(context: &Context) -> Result<[u8; 32], ContextError> {
    let mut wanted = Wanted::default();
    context.paths().for_each(|path| context.want(&mut wanted, &path));
    let mut digests = context.digests(&wanted);
    let mut sum = FieldHasher::new("git-checkout-sum-1");
    for path in context.paths() {
        let Some(entry) = context.entry(&path) else { continue };
        let link = entry.link_target.unwrap_or(Path::new(""));
        sum.field(path.as_os_str().as_encoded_bytes()).field(link.as_os_str().as_encoded_bytes());
        sum.number(u64::from(entry.mode));
        let digest = if entry.kind == FileKind::Regular { digests.next().transpose()? } else { None };
        sum.field(digest.as_ref().map_or(&[], |digest| digest.as_bytes()));
    }
    Ok(sum.finish())
}
