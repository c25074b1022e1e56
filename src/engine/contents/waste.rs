//! What could be left out of an image: files that later layers hide, duplicates, and caches of package managers.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use super::files::Change;
use super::layer::FileKind;
use super::{Cause, Contents, packages};
use crate::base::digest::ContentDigest;

/// How many paths of a finding are named, largest first.
const PATHS: usize = 5;
/// Smaller duplicates are coincidence, and a link would save nothing.
const WORTH_A_LINK: u64 = 4096;

/// Why something is unnecessary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A later layer deletes it.
    Deleted,
    /// A later layer replaces the content.
    Replaced,
    /// A later layer has the same content with another owner, mode or time.
    Attributes,
    /// Another visible file has the same content.
    Duplicate,
    /// It belongs to a package manager's cache.
    PackageCache(&'static str),
}

impl Kind {
    /// The name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Replaced => "replaced",
            Self::Attributes => "re-owned",
            Self::Duplicate => "duplicate",
            Self::PackageCache(_) => "package cache",
        }
    }
}

/// Something that could be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Why it is unnecessary.
    pub kind: Kind,
    /// How many bytes the image would be smaller.
    pub bytes: u64,
    /// The number of files.
    pub files: usize,
    /// The index of the layer that contains it.
    pub layer: usize,
    /// The index of the layer that hides it.
    pub hidden_by: Option<usize>,
    /// Some of the paths, largest first.
    pub paths: Vec<PathBuf>,
    /// Which line to change, and how.
    pub advice: String,
}

/// All findings. No byte is counted twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waste {
    /// Largest first.
    pub findings: Vec<Finding>,
    /// The total of all findings.
    pub bytes: u64,
}

type Key = (Kind, usize, Option<usize>);

/// Finds the waste of an image.
pub fn waste(contents: &Contents) -> Waste {
    let mut groups: BTreeMap<Key, Vec<(u64, PathBuf)>> = BTreeMap::new();
    let mut add = |key: Key, bytes: u64, path: &PathBuf| {
        if bytes > 0 {
            groups.entry(key).or_default().push((bytes, path.clone()));
        }
    };
    let needed: HashSet<(usize, usize)> = contents.visible.values().map(|(layer, file)| (*layer, file.node)).collect();
    for (index, layer) in contents.layers.iter().enumerate() {
        for file in &layer.files {
            let Some((below, hidden)) = &file.below else { continue };
            if needed.contains(&(*below, hidden.node)) {
                // The file has another name, which is seen.
                continue;
            }
            let kind = match file.change {
                Change::Removed => Kind::Deleted,
                Change::Changed => Kind::Replaced,
                Change::Attributes => Kind::Attributes,
                Change::Added => continue,
            };
            add((kind, *below, Some(index)), hidden.bytes, &file.path);
        }
    }
    let mut seen: HashSet<(u64, ContentDigest)> = HashSet::new();
    for (path, (layer, file)) in contents.visible.iter().filter(|(_, (_, file))| file.kind == FileKind::Regular) {
        if let Some(manager) = packages::manager_of(path) {
            add((Kind::PackageCache(manager.name), *layer, None), file.bytes, path);
            continue;
        }
        let is_second = |digest: &ContentDigest| !seen.insert((file.bytes, *digest));
        if file.bytes >= WORTH_A_LINK && file.digest.as_ref().is_some_and(is_second) {
            add((Kind::Duplicate, *layer, None), file.bytes, path);
        }
    }
    let mut findings: Vec<Finding> = groups.into_iter().map(|(key, files)| finding(contents, key, files)).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.bytes));
    let bytes = findings.iter().map(|finding| finding.bytes).sum();
    Waste { findings, bytes }
}

fn finding(contents: &Contents, (kind, layer, hidden_by): Key, mut files: Vec<(u64, PathBuf)>) -> Finding {
    files.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| left.1.cmp(&right.1)));
    let bytes = files.iter().map(|(bytes, _)| bytes).sum();
    let paths = files.iter().take(PATHS).map(|(_, path)| path.clone()).collect();
    let cause = |layer: usize| &contents.layers[layer].cause;
    let advice = advice(kind, cause(layer), hidden_by.map(cause), files.first().map(|(_, path)| path));
    Finding { kind, bytes, files: files.len(), layer, hidden_by, paths, advice }
}

fn advice(kind: Kind, made: &Cause, hidden: Option<&Cause>, first: Option<&PathBuf>) -> String {
    let (made_by, is_copy) = (short(made), is_copy(made));
    let hidden_by = hidden.map(short).unwrap_or_default();
    match kind {
        Kind::Deleted if is_copy => format!(
            "copy it in a stage of its own, or mount it (RUN --mount=type=bind), instead of by {made_by}; {hidden_by} \
             only hides it"
        ),
        Kind::Deleted => format!("delete it at the end of {made_by}; {hidden_by} only hides it"),
        Kind::Attributes if is_copy => {
            format!("give {made_by} --chown or --chmod; {hidden_by} copies each file to change it")
        }
        Kind::Attributes => format!("set owner and mode in {made_by}; {hidden_by} copies each file to change it"),
        Kind::Replaced => format!("write it once: {made_by} makes it, and {hidden_by} once more"),
        Kind::Duplicate => format!("in {made_by}, make it a link (ln) to the other file with this content"),
        Kind::PackageCache(_) => {
            let advice = first.and_then(|path| packages::manager_of(path)).map_or("", |manager| manager.advice);
            format!("in {made_by}: {advice}")
        }
    }
}

fn is_copy(cause: &Cause) -> bool {
    ["COPY", "ADD"].iter().any(|word| cause.keyword().eq_ignore_ascii_case(word))
}

/// The start of the instruction, in quotes.
fn short(cause: &Cause) -> String {
    const LONGEST: usize = 60;
    let text = cause.shown();
    if text.chars().count() <= LONGEST {
        return format!("`{text}`");
    }
    format!("`{}…`", text.chars().take(LONGEST - 1).collect::<String>())
}
