//! Positions in a layer's stream from which its hash can be resumed. A position is identified by a digest of everything
//! before it: the entries, their times and their contents. So a layer that starts like one that was hashed before need
//! not be read up to that position, whatever layer that was.
//!
//! ```text
//! per place: digest of what comes before it (32 bytes), length of that (u64, little-endian), state of the SHA-256
//! ```

use std::collections::BTreeMap;

use crate::base::digest::HashState;

/// There is one mark per this many bytes of the stream.
pub(super) const STRIDE: u64 = 1 << 20;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<[u8; 32], HashState>);

impl Marks {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, before: &[u8; 32]) -> Option<HashState> {
        self.0.get(before).copied()
    }

    pub(super) fn insert(&mut self, before: [u8; 32], state: HashState) {
        self.0.insert(before, state);
    }

    pub(super) fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * RECORD);
        for (before, state) in &self.0 {
            bytes.extend_from_slice(before);
            bytes.extend_from_slice(&state.length.to_le_bytes());
            bytes.extend_from_slice(&state.bytes);
        }
        bytes
    }

    /// `None` if the bytes have another length.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (records, []) = bytes.as_chunks::<RECORD>() else { return None };
        let marks = records.iter().map(|record| {
            let (before, rest) = record.split_first_chunk::<32>()?;
            let (length, state) = rest.split_first_chunk::<8>()?;
            Some((*before, HashState { bytes: state.try_into().ok()?, length: u64::from_le_bytes(*length) }))
        });
        marks.collect::<Option<_>>().map(Self)
    }
}

const RECORD: usize = 32 + 8 + HashState::LEN;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::base::digest::ContentDigest;
    use crate::image::layer::{Encoded, KnownDigests, LayerError, NothingKnown, SaidFile, encode, hash_stacked};

    /// A layer of 5 MB in 300 files, whose digests are known.
    struct Layer {
        folder: tempfile::TempDir,
        known: HashMap<PathBuf, ContentDigest>,
    }

    impl Layer {
        fn new() -> Self {
            let mut layer = Self { folder: tempfile::tempdir().unwrap(), known: HashMap::new() };
            for number in 0..300 {
                layer.write(number, &vec![number as u8; 15_000 + number]);
            }
            layer
        }

        fn path(&self, number: usize) -> PathBuf {
            self.folder.path().join(name(number))
        }

        fn write(&mut self, number: usize, content: &[u8]) {
            fs::create_dir_all(self.path(number).parent().unwrap()).unwrap();
            fs::write(self.path(number), content).unwrap();
            self.known.insert(name(number), ContentDigest::of(content));
        }

        fn hash(&self, known: &dyn KnownDigests, earlier: &Marks) -> Result<(Encoded, Marks), LayerError> {
            hash_stacked(&[self.folder.path()], known, earlier)
        }

        /// The digests with `earlier`, which must equal those without.
        fn same(&self, earlier: &Marks) -> (Encoded, Marks) {
            let expected = encode(self.folder.path(), std::io::sink(), &NothingKnown).unwrap();
            let found = self.hash(&self.known, earlier).unwrap();
            assert_eq!(found.0, expected);
            assert_eq!(found, self.hash(&self.known, &Marks::default()).unwrap(), "the marks are the same, too");
            assert_eq!(self.hash(&NothingKnown, earlier).unwrap(), found);
            found
        }
    }

    fn name(number: usize) -> PathBuf {
        format!("d{}/f{number:03}", number / 100).into()
    }

    #[test]
    fn a_stream_that_begins_as_another_is_not_read_up_to_where_it_differs() {
        let mut layer = Layer::new();
        let (first, marks) = layer.same(&Marks::default());
        assert_eq!((marks.0.len(), Marks::parse(&marks.to_bytes())), (4, Some(marks.clone())));
        assert!(Marks::parse(&marks.to_bytes()[1..]).is_none());
        assert_eq!(layer.same(&marks), (first, marks.clone()));
        for number in [299, 250, 10, 0] {
            layer.write(number, b"changed");
            let mtime = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
            let beside = layer.path(if number == 299 { 298 } else { number + 1 });
            let file = fs::File::options().write(true).open(beside).unwrap();
            layer.same(&marks);
            file.set_modified(mtime).unwrap();
            assert_ne!(layer.same(&marks).0.diff_id, first.diff_id);
        }
        let mut layer = Layer::new();
        let (first, marks) = layer.same(&Marks::default());
        layer.write(299, &[0; 299 + 15_000]);
        let stands = layer.same(&marks).0;
        // The file is not read: its known digest is used.
        let file = fs::File::options().write(true).open(layer.path(3)).unwrap();
        let mtime = file.metadata().unwrap().modified().unwrap();
        std::io::Write::write_all(&mut &file, b"other").unwrap();
        file.set_modified(mtime).unwrap();
        assert_eq!(layer.hash(&layer.known, &marks).unwrap().0, stands);
        assert_ne!(layer.hash(&layer.known, &Marks::default()).unwrap().0.diff_id, stands.diff_id);
        assert_ne!(stands.diff_id, first.diff_id);
    }

    /// Describes every file completely, as it was.
    struct Said(HashMap<PathBuf, SaidFile>);

    impl KnownDigests for Said {
        fn content_digest(&self, path: &Path) -> Option<ContentDigest> {
            Some(self.0.get(path)?.digest)
        }

        fn said(&self, path: &Path) -> Option<SaidFile> {
            self.0.get(path).copied()
        }
    }

    #[test]
    fn files_of_which_all_is_said_are_in_the_stream_as_they_are() {
        use std::os::unix::fs::MetadataExt as _;

        let mut layer = Layer::new();
        layer.write(7, b"");
        let said = |layer: &Layer| {
            let said = layer.known.iter().map(|(path, digest)| {
                let status = layer.folder.path().join(path).metadata().unwrap();
                let (mode, owner, mtime) = (status.mode() & 0o7777, (status.uid(), status.gid()), status.mtime());
                (path.clone(), SaidFile { mode, owner, mtime, size: status.size(), digest: *digest })
            });
            Said(said.collect())
        };
        let (expected, marks) = layer.same(&Marks::default());
        for earlier in [&Marks::default(), &marks] {
            assert_eq!(layer.hash(&said(&layer), earlier).unwrap(), (expected, marks.clone()));
        }
        let before = said(&layer);
        for content in [vec![1; 15_199], vec![1; 15_201], Vec::new()] {
            layer.write(200, &content);
            for earlier in [&Marks::default(), &marks] {
                let mut before = Said(before.0.clone());
                before.0.entry(name(199)).and_modify(|file| file.mtime += 1);
                let error = layer.hash(&before, earlier).unwrap_err();
                assert!(matches!(&error, LayerError::Changed { path } if *path == layer.path(200)), "{error}");
            }
        }
    }
}
