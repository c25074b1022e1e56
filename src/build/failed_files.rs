//! Exports files from the root filesystem of a failed step: test reports, core files.

use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use crate::base::foreign::Folder;
use crate::base::glob;
use crate::base::io_error::{AtPath as _, IoError};
use crate::base::outgoing::{self, Place};
use crate::base::privacy;
use crate::build::solve::FailedStep;
use crate::image::layer::FileKind;
use crate::store::snapshot::{SnapshotError, View, export_part};

/// `--output-on-failure PATH=DEST`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedOutput {
    /// A path in the root filesystem, or relative to the step's working directory; each of its names may be a pattern,
    /// and `**` matches any number of folders.
    pub path: String,
    /// A folder, or a file for a single file.
    pub destination: PathBuf,
}

/// Why the value is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum FailedOutputError {
    #[error("write PATH=DEST, with both parts")]
    Form,
    #[error("`{0}` is not a pattern")]
    Pattern(String),
    #[error("`-` cannot hold files: name a file or a folder")]
    Stream,
}

impl FromStr for FailedOutput {
    type Err = FailedOutputError;

    fn from_str(text: &str) -> Result<Self, FailedOutputError> {
        let (path, destination) = text.split_once('=').ok_or(FailedOutputError::Form)?;
        if path.is_empty() || destination.is_empty() {
            return Err(FailedOutputError::Form);
        }
        if destination == "-" {
            return Err(FailedOutputError::Stream);
        }
        if path.split('/').any(|name| glob::check(name.as_bytes()).is_err()) {
            return Err(FailedOutputError::Pattern(path.to_owned()));
        }
        Ok(Self { path: path.to_owned(), destination: destination.into() })
    }
}

impl FailedOutput {
    /// The same files, in a subfolder of the destination.
    pub fn into_folder(&self, name: &str) -> Self {
        Self { path: self.path.clone(), destination: self.destination.join(name).join("") }
    }

    /// Writes the files; returns how many paths matched.
    pub(super) fn write(&self, failed: &FailedStep<'_>) -> Result<usize, SnapshotError> {
        let view = View::of_container(failed.lower, Some(failed.upper))?;
        let path = Path::new("/").join(&failed.run.working_directory).join(&self.path);
        let names: Vec<&str> = path.components().filter_map(name_of).collect();
        let plain = names.iter().take_while(|name| !glob::has_wildcard(name.as_bytes())).count();
        let base = view.resolve(Path::new(""), &names[..plain].iter().collect::<PathBuf>())?;
        let Some(found) = view.lstat(&base)? else { return Ok(0) };
        if plain < names.len() {
            let pattern = &names[plain..];
            let is_wanted = |path: &Path| is_matched(pattern, &names_of(path.strip_prefix(&base).unwrap_or(path)));
            return self.write_folder(&view, &base, &is_wanted);
        }
        if found.is_dir() {
            return self.write_folder(&view, &base, &|_| true);
        }
        self.one_file(&view, &base)
    }

    /// Makes nothing if nothing is found.
    fn write_folder(
        &self,
        view: &View,
        base: &Path,
        is_wanted: &dyn Fn(&Path) -> bool,
    ) -> Result<usize, SnapshotError> {
        export_part(view, base, is_wanted, outgoing::folder(&self.destination)?)
    }

    /// Writes a file under the requested name, or in a folder under its own.
    fn one_file(&self, view: &View, path: &Path) -> Result<usize, SnapshotError> {
        let is_folder = self.destination.as_os_str().as_encoded_bytes().ends_with(b"/") || self.destination.is_dir();
        if is_folder {
            let parent = path.parent().unwrap_or(Path::new(""));
            return export_part(view, parent, &|found| found == path, outgoing::folder(&self.destination)?);
        }
        let Some(entry) = view.lstat(path)?.filter(|entry| entry.kind == FileKind::Regular) else { return Ok(0) };
        let mut content = view.open_file(path, &entry)?;
        match outgoing::place(&self.destination)? {
            Place::Stream(mut stream) => drop(std::io::copy(&mut content, &mut stream).at("write", &self.destination)?),
            Place::Name(folder, name) => replace(&folder, &name, &mut content, &self.destination)?,
        }
        Ok(1)
    }
}

fn replace(folder: &Folder, name: &std::ffi::OsStr, content: &mut std::fs::File, shown: &Path) -> Result<(), IoError> {
    folder.replace(name, privacy::callers_file_mode(), |file| std::io::copy(content, file).at("write", shown).map(drop))
}

fn name_of(component: Component<'_>) -> Option<&str> {
    match component {
        Component::Normal(name) => name.to_str(),
        Component::ParentDir => Some(".."),
        _ => None,
    }
}

fn names_of(path: &Path) -> Vec<&[u8]> {
    path.components().map(|component| component.as_os_str().as_encoded_bytes()).collect()
}

/// Whether the names match the pattern, or lead to something below a match.
fn is_matched(pattern: &[&str], names: &[&[u8]]) -> bool {
    match (pattern, names) {
        ([], _) => true,
        (["**"], names) => !names.is_empty(),
        (["**", rest @ ..], names) => {
            is_matched(rest, names) || names.split_first().is_some_and(|(_, names)| is_matched(pattern, names))
        }
        ([first, rest @ ..], [name, names @ ..]) => {
            glob::matches(first.as_bytes(), name) == Ok(true) && is_matched(rest, names)
        }
        (_, []) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names_and_all_that_is_below() {
        let matches =
            |pattern: &str, path: &str| is_matched(&pattern.split('/').collect::<Vec<_>>(), &names_of(Path::new(path)));
        for (pattern, path) in [
            ("*.xml", "a.xml"),
            ("**/*.xml", "a.xml"),
            ("**/*.xml", "x/y/a.xml"),
            ("core.*", "core.1/inside"),
            ("**", "x"),
            ("a/**/z", "a/z"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [("*.xml", "x/a.xml"), ("a/*", "a"), ("**/*.xml", "a.txt"), ("a/**/z", "b/z")] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_path_and_a_place_are_wanted() {
        let wanted = FailedOutput { path: "/out/*.xml".to_owned(), destination: "reports".into() };
        assert_eq!("/out/*.xml=reports".parse(), Ok(wanted));
        for text in ["/out", "=x", "/out=", "/out=-", "/o[=x"] {
            assert!(text.parse::<FailedOutput>().is_err(), "{text}");
        }
    }
}
