//! Files in git LFS: a checkout has pointers instead. `git lfs` fetches the files, if it is installed.

use std::io::Read as _;
use std::path::Path;

use super::program::Step;
use super::{GitError, GitReference};
use crate::base::foreign::Tree;
use crate::base::redaction;

/// The first line of a pointer, which is never longer than a kilobyte.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";
const LONGEST_POINTER: u64 = 1024;

/// The repository's own settings for `git lfs`, and the names of those that are addresses.
const SETTINGS: &str = "HEAD:.lfsconfig";
const PLACES: &str = r"^(lfs|remote\..*|url\..*)\.(.*url|insteadof|pushinsteadof)$";

/// Replaces the pointers with their files.
pub(super) fn fetch(wanted: &GitReference, tree: &Tree, step: Step<'_>) -> Result<(), GitError> {
    if pointers(tree, step)?.is_empty() {
        return Ok(());
    }
    if step("look for", &["lfs", "version"]).is_ok() {
        check_places(wanted, step)?;
        step("fetch the large files of", &["lfs", "pull"])?;
    }
    let files = pointers(tree, step)?;
    if files.is_empty() { Ok(()) } else { Err(GitError::LargeFiles { url: wanted.shown(), files }) }
}

/// Lets a repository send `git lfs` only to servers, as git itself does: it would also read this machine's files.
fn check_places(wanted: &GitReference, step: Step<'_>) -> Result<(), GitError> {
    // Without such settings, or if they can't be read, git fails.
    let named = step("look into", &["config", "--blob", SETTINGS, "-z", "--get-regexp", PLACES]).unwrap_or_default();
    let places = named.split('\0').filter_map(|setting| setting.split_once('\n')).map(|(_, place)| place);
    match places.into_iter().find(|place| !is_server(place)) {
        None => Ok(()),
        Some(place) => {
            let place = redaction::in_text(place).into_owned();
            Err(GitError::LargeFilesElsewhere { url: wanted.shown(), place })
        }
    }
}

/// Whether it is a server's address, and can't be mistaken for a command-line option.
fn is_server(place: &str) -> bool {
    let rest = ["http://", "https://", "ssh://"].iter().find_map(|scheme| place.strip_prefix(scheme));
    // `git@host:path` is ssh too.
    let short = || place.split_once(':').map(|(authority, _)| authority).filter(|authority| authority.contains('@'));
    rest.or_else(short).is_some_and(|rest| {
        let authority = rest.split('/').next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        !host.is_empty() && ![authority, host].iter().any(|part| part.starts_with(['-', '.']))
    })
}

/// The files of the checkout that `.gitattributes` assigns to LFS and that are pointers.
fn pointers(tree: &Tree, step: Step<'_>) -> Result<Vec<String>, GitError> {
    let listed = step("look into", &["ls-files", "-z", "--", ":(attr:filter=lfs)"])?;
    let names = listed.split('\0').filter(|name| !name.is_empty());
    Ok(names.filter(|name| is_pointer(tree, Path::new(name))).map(str::to_owned).collect())
}

fn is_pointer(tree: &Tree, path: &Path) -> bool {
    let Ok(file) = tree.open_file(path) else { return false };
    let mut bytes = Vec::new();
    let is_read = file.take(LONGEST_POINTER + 1).read_to_end(&mut bytes).is_ok();
    is_read && bytes.len() as u64 <= LONGEST_POINTER && bytes.starts_with(POINTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_files_come_from_servers() {
        for place in
            ["https://h/r.git/info/lfs", "http://me:secret@h:80/x", "ssh://git@h/r", "https://h", "git@h:r.git"]
        {
            assert!(is_server(place), "{place}");
        }
        for place in [
            "file:///srv/private.git",
            "/srv/private.git",
            "../private",
            "",
            "https://",
            "ssh://-oProxyCommand=id/r",
            "ssh://git@-oProxyCommand=id/r",
            "ext::sh -c id",
            "-x@h:r.git",
            "./a@h:r.git/..",
            "git@-h:r.git",
        ] {
            assert!(!is_server(place), "{place}");
        }
    }
}
