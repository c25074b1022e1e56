//! Which files of a context git ignores, by the `.gitignore` files in it: what nobody commits is seldom for an image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder, Glob};

/// The patterns of a context, by the folder that they are in.
#[derive(Default)]
pub(super) struct GitIgnored(BTreeMap<PathBuf, Gitignore>);

/// A pattern by which git ignores something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GitRule {
    /// The folder of its `.gitignore`, within the context.
    pub folder: PathBuf,
    pub pattern: String,
}

impl GitIgnored {
    /// Lines that are no patterns count as little as for git.
    pub fn of(files: &[(PathBuf, String)]) -> Self {
        let read = |(path, text): &(PathBuf, String)| {
            let folder = path.parent()?;
            let mut builder = GitignoreBuilder::new(folder);
            for line in text.trim_start_matches('\u{feff}').lines() {
                let _ = builder.add_line(None, line);
            }
            Some((folder.to_owned(), builder.build().ok()?))
        };
        Self(files.iter().filter_map(read).collect())
    }

    /// By which rule git ignores the file. In a folder that is ignored, nothing can be brought back.
    pub fn rule(&self, path: &Path) -> Option<GitRule> {
        let mut outer: Vec<&Path> = path.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
        outer.reverse();
        outer.into_iter().find_map(|part| self.decide(part, part != path))
    }

    /// The pattern that decides is in the innermost folder, and there the last one.
    fn decide(&self, path: &Path, is_folder: bool) -> Option<GitRule> {
        for folder in path.ancestors().skip(1) {
            let Some(patterns) = self.0.get(folder) else { continue };
            match patterns.matched(path, is_folder) {
                Match::Ignore(glob) => return Some(rule(folder, glob)),
                Match::Whitelist(_) => return None,
                Match::None => {}
            }
        }
        None
    }
}

fn rule(folder: &Path, glob: &Glob) -> GitRule {
    GitRule { folder: folder.to_owned(), pattern: glob.original().to_owned() }
}

impl GitRule {
    /// The file that has it.
    pub fn file(&self) -> PathBuf {
        self.folder.join(".gitignore")
    }

    /// What says the same in a `.dockerignore` at the top of the context.
    pub fn docker_line(&self) -> String {
        let pattern = self.pattern.trim_end_matches('/').replace("[!", "[^");
        let folder = self.folder.display().to_string();
        // A slash that is not the last binds a pattern to its folder.
        let below = match pattern.strip_prefix('/') {
            Some(bound) => bound.to_owned(),
            None if pattern.contains('/') => pattern,
            None => format!("**/{pattern}"),
        };
        if folder.is_empty() { below } else { format!("{folder}/{below}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(files: &[(&str, &str)], path: &str) -> Option<(String, String)> {
        let files: Vec<(PathBuf, String)> =
            files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
        let rule = GitIgnored::of(&files).rule(Path::new(path))?;
        Some((rule.file().display().to_string(), rule.docker_line()))
    }

    fn by(file: &str, line: &str) -> Option<(String, String)> {
        Some((file.to_owned(), line.to_owned()))
    }

    #[test]
    fn the_innermost_and_last_pattern_decides() {
        let files =
            [(".gitignore", "# logs\n*.log\n!keep.log\n/dist/\n"), ("web/.gitignore", "!a.log\ncache\n*.[!m]ap\n")];
        assert_eq!(ignored(&files, "x.log"), by(".gitignore", "**/*.log"));
        assert_eq!(ignored(&files, "deep/x.log"), by(".gitignore", "**/*.log"));
        assert_eq!(ignored(&files, "keep.log"), None);
        assert_eq!(ignored(&files, "web/a.log"), None);
        assert_eq!(ignored(&files, "web/b.log"), by(".gitignore", "**/*.log"));
        assert_eq!(ignored(&files, "dist/app.js"), by(".gitignore", "dist"));
        assert_eq!(ignored(&files, "deep/dist/app.js"), None);
        assert_eq!(ignored(&files, "web/src/cache/x"), by("web/.gitignore", "web/**/cache"));
        assert_eq!(ignored(&files, "web/x.tap"), by("web/.gitignore", "web/**/*.[^m]ap"));
        assert_eq!(ignored(&files, "cache/x"), None);
    }

    #[test]
    fn what_is_in_an_ignored_folder_is_not_brought_back() {
        let files = [(".gitignore", "out/\n!out/keep\n"), ("out/.gitignore", "!*\n")];
        assert_eq!(ignored(&files, "out/keep"), by(".gitignore", "**/out"));
        assert_eq!(ignored(&[("venv/.gitignore", "*\n")], "venv/lib/x.py"), by("venv/.gitignore", "venv/**/*"));
        assert_eq!(ignored(&[(".gitignore", "out/\n")], "out"), None, "only a folder is meant");
    }
}
