//! Reads a list of what a copy put into its layer.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::io::{self, BufReader, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::list::{Bytes, List};
use super::placed::{FIXED, Kind, Placed};
use crate::base::digest::ContentDigest;
use crate::build::context::compare_paths;
use crate::image::layer::KnownDigests;

const BUFFER: usize = 16 << 10;

/// A position in a list. A damaged list ends there: a count of the names shows that it is short.
pub(super) struct Cursor {
    input: BufReader<Bytes>,
    path: Vec<u8>,
    fixed: Option<[u8; FIXED]>,
}

impl Cursor {
    pub fn new(bytes: Bytes) -> Self {
        let mut cursor = Self { input: BufReader::with_capacity(BUFFER, bytes), path: Vec::new(), fixed: None };
        cursor.advance();
        cursor
    }

    /// The current name; `None` at the end.
    pub fn here(&self) -> Option<Placed<'_>> {
        Placed::of(&self.path, self.fixed.as_ref()?)
    }

    pub fn advance(&mut self) {
        self.fixed = self.read().ok();
    }

    fn read(&mut self) -> io::Result<[u8; FIXED]> {
        let mut lengths = [0; 4];
        self.input.read_exact(&mut lengths)?;
        let [shared, rest] = [[lengths[0], lengths[1]], [lengths[2], lengths[3]]].map(u16::from_le_bytes);
        let shared = usize::from(shared).min(self.path.len());
        self.path.resize(shared + usize::from(rest), 0);
        self.input.read_exact(&mut self.path[shared..])?;
        let mut fixed = [0; FIXED];
        self.input.read_exact(&mut fixed)?;
        Ok(fixed)
    }
}

/// Finds names in a list, fast if they are requested in its order.
pub(super) struct Lookup {
    list: List,
    place: RefCell<(Cursor, Vec<u8>)>,
}

impl Lookup {
    pub fn new(list: &List) -> Self {
        Self { list: list.clone(), place: RefCell::new((list.cursor(), Vec::new())) }
    }

    /// Applies `take` to the name, if the list has it.
    pub fn get<T>(&self, path: &Path, take: impl FnOnce(&Placed<'_>) -> T) -> Option<T> {
        let path = path.as_os_str().as_bytes();
        let (cursor, asked) = &mut *self.place.borrow_mut();
        if compare_paths(path, asked) == Ordering::Less {
            *cursor = self.list.cursor();
        }
        asked.clear();
        asked.extend_from_slice(path);
        loop {
            match compare_paths(cursor.here()?.path, path) {
                Ordering::Less => cursor.advance(),
                Ordering::Equal => return cursor.here().as_ref().map(take),
                Ordering::Greater => return None,
            }
        }
    }
}

impl KnownDigests for Lookup {
    fn content_digest(&self, path: &Path) -> Option<ContentDigest> {
        let digest =
            |placed: &Placed<'_>| matches!(placed.kind, Kind::File | Kind::LinkedFile).then_some(placed.digest);
        self.get(path, digest)?
    }

    fn has_one_name(&self, path: &Path) -> bool {
        self.get(path, |placed| placed.kind == Kind::File).unwrap_or(false)
    }
}
