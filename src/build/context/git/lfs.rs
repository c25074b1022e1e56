//! Files that git LFS keeps elsewhere: a checkout has pointers in their place. `git lfs` fetches them where it is installed.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::program::Step;
use super::{GitError, GitReference};

/// What the text of a pointer begins with, which is never longer than a kilobyte.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";
const LONGEST_POINTER: u64 = 1024;

/// Puts the files in the place of their pointers.
pub(super) fn fetch(wanted: &GitReference, into: &Path, step: Step<'_>) -> Result<(), GitError> {
    if pointers(into, step)?.is_empty() {
        return Ok(());
    }
    if step("look for", &["lfs", "version"]).is_ok() {
        step("fetch the large files of", &["lfs", "pull"])?;
    }
    let files = pointers(into, step)?;
    if files.is_empty() { Ok(()) } else { Err(GitError::LargeFiles { url: wanted.shown(), files }) }
}

/// The files of the checkout that `.gitattributes` gives to LFS and that are pointers.
fn pointers(into: &Path, step: Step<'_>) -> Result<Vec<String>, GitError> {
    let listed = step("look into", &["ls-files", "-z", "--", ":(attr:filter=lfs)"])?;
    let names = listed.split('\0').filter(|name| !name.is_empty());
    Ok(names.filter(|name| is_pointer(&into.join(name))).map(str::to_owned).collect())
}

fn is_pointer(path: &Path) -> bool {
    let is_small = path.symlink_metadata().is_ok_and(|status| status.is_file() && status.len() <= LONGEST_POINTER);
    let mut start = Vec::new();
    is_small
        && File::open(path).is_ok_and(|file| file.take(POINTER.len() as u64).read_to_end(&mut start).is_ok())
        && start == POINTER
}
