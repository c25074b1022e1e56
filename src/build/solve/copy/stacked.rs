//! Stores a layer that differs little from the last one of the same copy as a delta, a small folder on top of the
//! other's: overlayfs and views show the two as one, and its stream is made from both.
//!
//! A delta hides nothing: if a name is gone, or a folder has become something else, the layer is made whole. A whiteout
//! for a name of the other layer would also hide that name in the image's lower layers.

use std::cmp::Ordering;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::base::digest::ContentDigest;
use crate::build::context::{SelectError, SelectedItem, compare_paths};
use crate::image::layer::{KnownDigests, SaidFile};

use super::super::error::StepError;
use super::cursor::{Cursor, Lookup};
use super::gather::{Content, Gathered};
use super::list::List;
use super::place::{Placer, join};
use super::placed::{Kind, Placed};
use super::source::Files;

/// The layer is made whole if more than one in this many names differs: a delta is written again for each change.
const ONE_OF: usize = 32;

/// Why the walk ended.
enum Stop {
    /// The layer must be made whole.
    Unfit,
    Failed(StepError),
}

impl From<StepError> for Stop {
    fn from(error: StepError) -> Self {
        Self::Failed(error)
    }
}

impl From<SelectError> for Stop {
    fn from(error: SelectError) -> Self {
        Self::Failed(error.into())
    }
}

/// Places what differs from `earlier` into the draft, which is on top of the earlier layer. False if the layer must be
/// made whole; the draft is useless then.
pub(super) fn place_differing(
    placer: &mut Placer<'_>,
    gathered: &[Gathered],
    earlier: &List,
) -> Result<bool, StepError> {
    let [Gathered { content: Content::Tree { files: files @ Files::Context(_), roots, options }, unpack: false, .. }] =
        gathered
    else {
        return Ok(false);
    };
    let [root] = roots.as_slice() else { return Ok(false) };
    let base = placer.base_of(root)?;
    let mut walk = Walk { earlier: earlier.cursor(), names: earlier.len(), passed: 0, differing: 0 };
    let visited = root.visit(files.source_tree(), options, &mut |item: SelectedItem| -> Result<(), Stop> {
        let is_root_folder = item.kind.is_directory() && item.destination.as_os_str().is_empty();
        if is_root_folder && !item.is_parent {
            return Ok(());
        }
        let target = join(&base, &item.destination);
        let facts = files.facts(&item.source)?;
        let digest = match item.kind {
            crate::image::layer::FileKind::Regular => Some(files.digest_of(&item.source, &facts)?),
            _ => None,
        };
        let content = digest.map(|digest| (digest, 0));
        let placed = placer.placed(target.as_os_str().as_bytes(), &item, &facts, content);
        if walk.has(&placed)? {
            return Ok(());
        }
        // A parent folder may be in the layers below, and keeps its attributes there.
        if item.is_parent {
            return Err(Stop::Unfit);
        }
        Ok(placer.place_item(files, &target, &item, facts)?)
    });
    match visited {
        Ok(()) => {
            placer.end_root(files, root, &base)?;
            Ok(walk.passed == walk.names)
        }
        Err(Stop::Unfit) => Ok(false),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// A walk alongside the list, in the same order.
struct Walk {
    earlier: Cursor,
    names: usize,
    /// How many names of the list have been passed.
    passed: usize,
    differing: usize,
}

impl Walk {
    /// Whether the earlier layer has exactly this.
    fn has(&mut self, placed: &Placed<'_>) -> Result<bool, Stop> {
        let there = self.earlier.here();
        let order = there.map_or(Ordering::Greater, |there| compare_paths(there.path, placed.path));
        if let (Some(there), Ordering::Equal) = (there, order) {
            // Which names belong to one file is known only if all of them are written. Files with the same content have
            // the same size.
            let is_same = there == Placed { size: there.size, ..*placed } && placed.kind != Kind::LinkedFile;
            let is_unfit = (there.kind == Kind::Folder) != (placed.kind == Kind::Folder);
            self.passed += 1;
            self.earlier.advance();
            match (is_same, is_unfit) {
                (true, _) => return Ok(true),
                (false, true) => return Err(Stop::Unfit),
                (false, false) => {}
            }
        }
        self.differing += 1;
        let is_gone = order == Ordering::Less;
        if is_gone || self.differing > self.names / ONE_OF { Err(Stop::Unfit) } else { Ok(false) }
    }
}

/// The digests of the layer's own content, and of that in the layer below.
pub(super) struct Known {
    own: Lookup,
    earlier: Lookup,
}

impl Known {
    pub fn new(own: &List, earlier: &List) -> Self {
        Self { own: Lookup::new(own), earlier: Lookup::new(earlier) }
    }

    fn lookup(&self, path: &Path) -> &Lookup {
        if self.own.get(path, |_| ()).is_some() { &self.own } else { &self.earlier }
    }
}

impl KnownDigests for Known {
    fn content_digest(&self, path: &Path) -> Option<ContentDigest> {
        self.lookup(path).content_digest(path)
    }

    fn has_one_name(&self, path: &Path) -> bool {
        self.lookup(path).has_one_name(path)
    }

    /// The stream has the earlier layer's files as they were listed.
    fn said(&self, path: &Path) -> Option<SaidFile> {
        if self.own.get(path, |_| ()).is_some() { None } else { self.earlier.get(path, |placed| placed.said())? }
    }
}
