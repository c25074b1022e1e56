//! The blob of an entry: a line with the length of the head, the head, and blobs.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::base::digest::BlobDigest;

const MAGIC: &str = "rbuild-cache-1 ";
/// The length of the line, including its newline.
pub const LINE: usize = MAGIC.len() + 20 + 1;

/// The location of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The key of the entry.
    pub entry: String,
    pub offset: u64,
    pub size: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Head {
    /// The cache's manifest, verbatim.
    pub manifest: String,
    blobs: BTreeMap<BlobDigest, Listed>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    /// The key of another entry; `None` for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
    /// From the start of another entry; in this one from the end of the head.
    offset: u64,
    size: u64,
}

impl Head {
    pub fn new(
        manifest: &[u8],
        wanted: &[BlobDigest],
        known: &HashMap<BlobDigest, Location>,
        staged: impl Iterator<Item = (BlobDigest, u64, u64)>,
    ) -> Self {
        let own = staged.map(|(digest, offset, size)| (digest, Listed { entry: None, offset, size }));
        let of_others = |digest: &BlobDigest| {
            let Location { entry, offset, size } = known.get(digest)?.clone();
            Some((*digest, Listed { entry: Some(entry), offset, size }))
        };
        let blobs = wanted.iter().filter_map(of_others).chain(own).collect();
        Self { manifest: String::from_utf8_lossy(manifest).into_owned(), blobs }
    }

    /// The start of the entry.
    pub fn bytes(&self) -> Vec<u8> {
        let head = serde_json::to_vec(self).expect("all keys are texts, and writing to memory does not fail");
        let mut bytes = format!("{MAGIC}{:020}\n", head.len()).into_bytes();
        bytes.extend_from_slice(&head);
        bytes
    }

    /// The length of the head in the line; `None` if the line is invalid.
    pub fn length(line: &[u8]) -> Option<u64> {
        let line = std::str::from_utf8(line.get(..LINE)?).ok()?;
        line.strip_prefix(MAGIC)?.strip_suffix('\n')?.parse().ok()
    }

    /// The absolute locations of all blobs. `start` is where this entry's own blobs begin.
    pub fn locations(&self, key: &str, start: u64) -> Vec<(BlobDigest, Location)> {
        let of = |(digest, listed): (&BlobDigest, &Listed)| {
            let (entry, offset) = match &listed.entry {
                Some(entry) => (entry.clone(), listed.offset),
                None => (key.to_owned(), start.saturating_add(listed.offset)),
            };
            (*digest, Location { entry, offset, size: listed.size })
        };
        self.blobs.iter().map(of).collect()
    }
}

/// The number at the end of a key; 0 if there is none.
pub fn number(key: &str, prefix: &str) -> u64 {
    key.strip_prefix(prefix).and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_found_again_and_points_into_entries() {
        let (old, own) = (BlobDigest::of(b"old"), BlobDigest::of(b"own"));
        let location = Location { entry: "k#1".to_owned(), offset: 99, size: 3 };
        let known = HashMap::from([(old, location.clone()), (BlobDigest::of(b"unwanted"), location.clone())]);
        let head = Head::new(b"{}", &[old, own], &known, [(own, 0, 3)].into_iter());
        let bytes = head.bytes();
        let length = Head::length(&bytes).unwrap();
        assert_eq!(length, (bytes.len() - LINE) as u64);
        let read: Head = serde_json::from_slice(&bytes[LINE..]).unwrap();
        let found: HashMap<_, _> = read.locations("k#2", bytes.len() as u64).into_iter().collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[&old], location);
        assert_eq!(found[&own], Location { entry: "k#2".to_owned(), offset: bytes.len() as u64, size: 3 });
        assert_eq!((number("k#12", "k#"), number("k#x", "k#")), (12, 0));
        assert_eq!(Head::length(b"something else that is long enough for it"), None);
    }
}
