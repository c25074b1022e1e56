//! A small static program that asks the kernel, for containers without such a tool.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::common::{TestStore, skip};

/// The folder with the program `probe`; skips, with a reason, without a C compiler.
pub fn folder() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("probe-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        // Ordinary users run it, too.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&folder, mode).expect("the folder is ours");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/isolation/probe.c");
        let compiled =
            Command::new("cc").args(["-static", "-no-pie", "-O1", "-o"]).arg(folder.join("probe")).arg(source).output();
        compiled.is_ok_and(|output| output.status.success()).then_some(folder)
    });
    if made.is_none() {
        skip("there is no C compiler that makes static programs");
    }
    made.as_deref()
}

/// The program's output here, outside of any container.
pub fn here(words: &[&str]) -> Option<String> {
    let output = Command::new(folder()?.join("probe")).args(words).stderr(Stdio::inherit()).output();
    Some(String::from_utf8_lossy(&output.expect("it can be started").stdout).trim().to_owned())
}

/// Its output in a container with these options.
#[track_caller]
pub fn inside(store: &TestStore, options: &[&str], words: &[&str]) -> String {
    let volume = format!("{}:/probe:ro", folder().expect("it was asked for before").display());
    let mut all = vec!["run", "--rm", "-v", &volume];
    all.extend_from_slice(options);
    all.extend_from_slice(&["busybox", "/probe/probe"]);
    all.extend_from_slice(words);
    store.run(&all).ok().stdout().trim().to_owned()
}
