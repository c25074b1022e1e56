//! Places in a layer's stream from which its hash can go on. A place is known by all that comes before it: by a digest of
//! the entries, their times and their contents. So a layer that begins as one that was hashed before need not be read up
//! to there, whatever layer that was.
//!
//! ```text
//! per place: digest of what comes before it (32 bytes), length of that (u64, little-endian), state of the SHA-256
//! ```

use std::collections::BTreeMap;

use crate::digest::HashState;

/// There is one place in so many bytes of the stream.
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

    /// Nothing when the bytes are of another length.
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
