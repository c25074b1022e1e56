//! Word of what a program in a folder was refused, which its supervisor leaves beside the folder.

use std::path::{Path, PathBuf};

/// What a program was refused, for want of rights, before it failed. It is told once.
pub fn take_refused(root: &Path) -> Option<String> {
    let path = path(root);
    let what = std::fs::read_to_string(&path).ok()?;
    std::fs::remove_file(&path).ok()?;
    Some(what)
}

/// Without it an error says less.
#[cfg(target_arch = "x86_64")]
pub(super) fn leave_refused(root: &Path, what: &str) {
    let _ = std::fs::write(path(root), what);
}

fn path(root: &Path) -> PathBuf {
    root.with_extension("refused")
}
