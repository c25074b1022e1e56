//! The names in one folder of a context, in packed form.

use std::sync::atomic::{AtomicU64, Ordering};

use super::packed::{self, Child, Common, Rest};
use crate::image::layer::FileKind;

/// The distance between names with a mark, which can be jumped to.
const STRIDE: u32 = 32;

/// Sorted by name, in byte order.
#[derive(Debug)]
pub(super) struct Folder {
    /// Relative to the context's root, which has the empty path.
    pub path: Box<[u8]>,
    /// Excluded itself; it exists only for its content.
    pub is_excluded: bool,
    pub common: Common,
    children: Box<[u8]>,
    /// The position of every `STRIDE`th name.
    marks: Box<[Place]>,
    /// The number of regular files.
    pub files: u32,
    /// Their total size.
    pub bytes: u64,
    /// The number of the first of them within the context.
    pub first_file: u32,
    /// The positions of the child that was requested last and of the one after it: one of them is likely to be next.
    last: AtomicU64,
    next: AtomicU64,
}

/// The position of a child.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    /// In the packed bytes, which are never more than this.
    offset: u32,
    /// The number of regular files before it.
    files: u32,
}

/// A child, and its file number if it is a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub child: Child<'a>,
    pub file: Option<u32>,
}

/// A folder being listed.
pub(super) struct FolderBuilder {
    path: Box<[u8]>,
    is_excluded: bool,
    common: Option<Common>,
    children: Vec<u8>,
    marks: Vec<Place>,
    count: u32,
    files: u32,
    bytes: u64,
}

impl FolderBuilder {
    pub fn new(path: &[u8], is_excluded: bool) -> Self {
        let (children, marks) = (Vec::new(), Vec::new());
        Self { path: path.into(), is_excluded, common: None, children, marks, count: 0, files: 0, bytes: 0 }
    }

    pub fn push(&mut self, child: &Child<'_>) {
        let identity = &child.entry.identity;
        let first = Common { device: identity.device, seconds: identity.mtime.seconds };
        let common = *self.common.get_or_insert(first);
        if self.count > 0 && self.count.is_multiple_of(STRIDE) {
            self.marks.push(Place { offset: self.children.len() as u32, files: self.files });
        }
        child.pack(common, &mut self.children);
        self.count += 1;
        if child.entry.kind == FileKind::Regular {
            self.files += 1;
            self.bytes = self.bytes.saturating_add(child.entry.size());
        }
    }

    /// The folder, without spare memory.
    pub fn finish(self) -> Folder {
        Folder {
            path: self.path,
            is_excluded: self.is_excluded,
            common: self.common.unwrap_or(Common { device: 0, seconds: 0 }),
            children: self.children.into(),
            marks: self.marks.into(),
            files: self.files,
            bytes: self.bytes,
            first_file: 0,
            last: AtomicU64::new(0),
            next: AtomicU64::new(0),
        }
    }
}

impl Folder {
    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    pub fn children(&self) -> impl Iterator<Item = Found<'_>> {
        self.children_from(Place::default())
    }

    pub fn find(&self, name: &[u8]) -> Option<Found<'_>> {
        for likely in [&self.last, &self.next] {
            let place = Place::from_bits(likely.load(Ordering::Relaxed));
            if packed::name(self.children.get(place.offset as usize..)?) == Some(name) {
                return self.take_noted(place);
            }
        }
        let is_before =
            |mark: &Place| packed::name(&self.children[mark.offset as usize..]).is_some_and(|at| at <= name);
        let mut place = self.mark_before(self.marks.partition_point(is_before));
        loop {
            match packed::name(self.children.get(place.offset as usize..)?)?.cmp(name) {
                std::cmp::Ordering::Less => _ = self.take(&mut place)?,
                std::cmp::Ordering::Equal => return self.take_noted(place),
                std::cmp::Ordering::Greater => return None,
            }
        }
    }

    /// The regular file with that number within the context.
    pub fn file(&self, number: u32) -> Option<Found<'_>> {
        let before = number.checked_sub(self.first_file)?;
        let after = self.marks.partition_point(|mark| mark.files <= before);
        self.children_from(self.mark_before(after)).find(|found| found.file == Some(number))
    }

    fn mark_before(&self, after: usize) -> Place {
        after.checked_sub(1).and_then(|index| self.marks.get(index)).copied().unwrap_or_default()
    }

    fn children_from(&self, mut place: Place) -> impl Iterator<Item = Found<'_>> {
        std::iter::from_fn(move || self.take(&mut place))
    }

    fn take_noted(&self, mut place: Place) -> Option<Found<'_>> {
        self.last.store(place.to_bits(), Ordering::Relaxed);
        let found = self.take(&mut place);
        self.next.store(place.to_bits(), Ordering::Relaxed);
        found
    }

    fn take(&self, place: &mut Place) -> Option<Found<'_>> {
        let mut rest = Rest(self.children.get(place.offset as usize..)?);
        let child = rest.child(self.common)?;
        let file = (child.entry.kind == FileKind::Regular).then_some(self.first_file + place.files);
        place.offset = (self.children.len() - rest.0.len()) as u32;
        place.files += u32::from(file.is_some());
        Some(Found { child, file })
    }
}

impl Place {
    fn to_bits(self) -> u64 {
        u64::from(self.offset) << 32 | u64::from(self.files)
    }

    fn from_bits(bits: u64) -> Self {
        Self { offset: (bits >> 32) as u32, files: bits as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::packed::tests::child;
    use super::*;

    #[test]
    fn names_and_files_are_found_wherever_they_are() {
        let names: Vec<String> = (0..200).map(|number| format!("{number:03}")).collect();
        let kind = |number: usize| if number.is_multiple_of(3) { FileKind::Directory } else { FileKind::Regular };
        let mut builder = FolderBuilder::new(b"d", false);
        for (number, name) in names.iter().enumerate() {
            builder.push(&child(name, kind(number)));
        }
        let folder = Folder { first_file: 1000, ..builder.finish() };
        let all: Vec<Found<'_>> = folder.children().collect();
        assert_eq!((all.len(), folder.files), (200, 133));
        for number in (0..200).rev().chain(0..200).chain([7, 150, 8, 151]) {
            let found = folder.find(names[number].as_bytes()).unwrap();
            assert_eq!((found, found.child), (all[number], child(&names[number], kind(number))));
            let Some(file) = found.file else { continue };
            assert_eq!(folder.file(file), Some(found));
        }
        for name in ["", "0000", "031x", "199x", "2"] {
            assert_eq!(folder.find(name.as_bytes()), None, "{name}");
        }
        assert_eq!((folder.file(999), folder.file(1133)), (None, None));
    }
}
