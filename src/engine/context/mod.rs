//! What a build would read from its context: each file with the line of the ignore file that includes or excludes it,
//! and what is probably there by mistake.

mod git_ignored;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use crate::build::context::Listed;
use crate::build::{self, BuildError, BuildOptions};
use crate::store::Store;

use git_ignored::GitIgnored;

/// Folders that are generated, or that no image needs: their name, what must be beside them, and a description.
const USUAL: &[(&str, &[&str], &str)] = &[
    (".git", &[], "the history of git"),
    (".hg", &[], "the history of Mercurial"),
    (".svn", &[], "the copies of Subversion"),
    ("node_modules", &[], "packages that npm installs again"),
    ("target", &["Cargo.toml", "pom.xml", "build.sbt"], "what the build makes again"),
    ("build", &["build.gradle", "build.gradle.kts"], "what the build makes again"),
    (".gradle", &[], "caches of Gradle"),
    ("__pycache__", &[], "compiled Python"),
    (".venv", &[], "a virtual environment of Python"),
    ("venv", &[], "a virtual environment of Python"),
    (".tox", &[], "environments of tox"),
    (".mypy_cache", &[], "a cache of mypy"),
    (".pytest_cache", &[], "a cache of pytest"),
    (".terraform", &[], "providers that Terraform fetches again"),
    (".next", &[], "what Next.js makes again"),
    (".cache", &[], "a cache"),
];

/// The files of a context.
#[derive(Debug)]
pub struct Files {
    /// Those that are sent, then the others, each sorted by size, largest first.
    pub files: Vec<Listed>,
    /// The ignore file in use, if any.
    pub ignore_file: Option<String>,
    /// Largest first.
    pub hints: Vec<Hint>,
}

/// A folder, or the files of one pattern, that are probably sent by mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hint {
    /// The folder's path within the context, or the pattern.
    pub name: String,
    /// The total size of the files.
    pub bytes: u64,
    /// The number of the files.
    pub files: u64,
    /// A description of such files.
    pub what: String,
    /// The line that would exclude them.
    pub line: String,
}

impl Files {
    /// The number and total size of the files that are sent, or excluded.
    pub fn count(&self, is_left_out: bool) -> (u64, u64) {
        let files = self.files.iter().filter(|file| file.is_left_out == is_left_out);
        files.fold((0, 0), |(files, bytes), file| (files + file.files, bytes + file.bytes))
    }
}

/// Lists what a build with `options` would read, and what it would ignore.
pub fn files(store: &Store, options: &BuildOptions) -> Result<Files, BuildError> {
    let found = build::context_files(store, options)?;
    let hints = hints(&found.files, &GitIgnored::of(&found.git_ignores));
    Ok(Files { files: found.files, ignore_file: found.ignore_file, hints })
}

fn hints(files: &[Listed], git_ignored: &GitIgnored) -> Vec<Hint> {
    let mut found: BTreeMap<String, Hint> = BTreeMap::new();
    let names: HashSet<&Path> = files.iter().map(|file| file.path.as_path()).collect();
    for file in files.iter().filter(|file| !file.is_left_out) {
        let Some((name, what, line)) = usual(&file.path, &names).or_else(|| ignored(&file.path, git_ignored)) else {
            continue;
        };
        let hint = found.entry(line.clone()).or_insert(Hint { name, bytes: 0, files: 0, what, line });
        hint.bytes += file.bytes;
        hint.files += file.files;
    }
    let mut hints: Vec<Hint> = found.into_values().collect();
    hints.sort_by_key(|hint| std::cmp::Reverse(hint.bytes));
    hints
}

/// Of a hint for a file its name, what the file is, and the line that leaves it out.
type Guess = (String, String, String);

fn usual(path: &Path, names: &HashSet<&Path>) -> Option<Guess> {
    let (folder, what) = usual_folder(path, names)?;
    let name = folder.display().to_string();
    let line = match folder.components().count() {
        1 => name.clone(),
        _ => format!("**/{}", folder.file_name().unwrap_or_default().to_string_lossy()),
    };
    Some((name, what.to_owned(), line))
}

fn ignored(path: &Path, git_ignored: &GitIgnored) -> Option<Guess> {
    let rule = git_ignored.rule(path)?;
    let what = format!("ignored by git ({})", rule.file().display());
    Some((rule.pattern.clone(), what, rule.docker_line()))
}

/// The outermost folder of the path that is a known one.
fn usual_folder(path: &Path, names: &HashSet<&Path>) -> Option<(PathBuf, &'static str)> {
    let mut folder = PathBuf::new();
    for name in path.parent()? {
        let above = folder.clone();
        folder.push(name);
        let Some((_, beside, what)) = USUAL.iter().find(|(usual, ..)| name == *usual) else { continue };
        if beside.is_empty() || beside.iter().any(|beside| names.contains(above.join(beside).as_path())) {
            return Some((folder, what));
        }
    }
    None
}
