//! One type for each kind of digest, so that they can't be confused.
//!
//! OCI digests are SHA-256 (image-spec, descriptor.md, "Digests"). Digests that never leave the store, those of file
//! contents, of trees and of cache keys, are BLAKE3: they are computed for every byte of every build.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use sha2::Digest as _;
use sha2::digest::common::hazmat::SerializableState as _;

use super::hex;

/// A string that is not `sha256:` and 64 lower-case hexadecimal digits (or not 64 such digits, for internal digests).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a digest of the form {form}")]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub struct InvalidDigest {
    pub text: String,
    pub form: &'static str,
}

fn decode_hex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    let decoded = base16ct::lower::decode(text, &mut out).ok()?;
    (decoded.len() == out.len()).then_some(out)
}

macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The digest with these bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The 64 hexadecimal digits, without the algorithm.
            pub fn hex(&self) -> String {
                hex::encode(&self.0)
            }

            /// The first twelve hexadecimal digits, docker's short form.
            pub fn short(&self) -> String {
                let mut hex = self.hex();
                hex.truncate(12);
                hex
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = InvalidDigest;

            fn from_str(text: &str) -> Result<Self, InvalidDigest> {
                text.strip_prefix($prefix).and_then(decode_hex).map(Self).ok_or_else(|| InvalidDigest {
                    text: text.to_owned(),
                    form: concat!($prefix, "<64 hexadecimal digits>"),
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

digest_type! {
    /// SHA-256 of a blob as it is stored and sent: a manifest, a config, a (compressed) layer.
    BlobDigest, "sha256:"
}
digest_type! {
    /// SHA-256 of a layer's uncompressed tar stream (image-spec, config.md, "Layer DiffID").
    DiffId, "sha256:"
}
digest_type! {
    /// SHA-256 of an image's config: what docker calls the image ID.
    ImageId, "sha256:"
}
digest_type! {
    /// BLAKE3 of one file's content.
    ContentDigest, ""
}
digest_type! {
    /// BLAKE3 of a layer's changes to a tree, without modification times.
    TreeDigest, ""
}
digest_type! {
    /// BLAKE3 of a step's operation and of the trees and contents it starts from.
    CacheKey, ""
}

impl BlobDigest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl ContentDigest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl From<BlobDigest> for ImageId {
    /// The ID of the image whose config is the blob `digest`.
    fn from(digest: BlobDigest) -> Self {
        Self(digest.0)
    }
}

impl From<ImageId> for BlobDigest {
    /// The blob that holds the config of the image `id`.
    fn from(id: ImageId) -> Self {
        Self(id.0)
    }
}

impl From<DiffId> for BlobDigest {
    /// The digest of the layer's blob when it is stored without compression.
    fn from(diff_id: DiffId) -> Self {
        Self(diff_id.0)
    }
}

/// A SHA-256 in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashState {
    /// The state as it is kept.
    pub bytes: [u8; Self::LEN],
    /// How many bytes have been hashed.
    pub length: u64,
}

impl HashState {
    /// Eight words, the number of blocks, and the bytes of an incomplete block.
    pub const LEN: usize = 32 + 8 + 64;
}

/// Hashes and counts what is written through it.
pub struct HashingWriter<W> {
    inner: W,
    hasher: sha2::Sha256,
    written: u64,
}

impl<W: Write> HashingWriter<W> {
    /// Hashes what is written to `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: sha2::Sha256::new(), written: 0 }
    }

    /// Bytes so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The state of the hash so far.
    pub fn state(&self) -> HashState {
        HashState { bytes: self.hasher.serialize().into(), length: self.written }
    }

    /// Continues as if the bytes behind `state` had been written; the inner writer does not get them. False if `state`
    /// is invalid.
    pub fn resume(&mut self, state: &HashState) -> bool {
        let Ok(hasher) = sha2::Sha256::deserialize(&state.bytes.into()) else { return false };
        (self.hasher, self.written) = (hasher, state.length);
        true
    }

    /// The inner writer, the SHA-256 of all that was written, and its length.
    pub fn finish(self) -> (W, BlobDigest, u64) {
        (self.inner, BlobDigest(self.hasher.finalize().into()), self.written)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Builds an internal digest out of fields. Every field is length-prefixed, so that no two different sequences of
/// fields feed the same bytes; the tag names what is hashed and its version.
pub struct FieldHasher(blake3::Hasher);

impl FieldHasher {
    /// `tag` tells this kind of digest, and its version, from all others.
    pub fn new(tag: &str) -> Self {
        let mut hasher = Self(blake3::Hasher::new());
        hasher.field(tag.as_bytes());
        hasher
    }

    /// Adds a field.
    pub fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds a number.
    pub fn number(&mut self, value: u64) -> &mut Self {
        self.0.update(&value.to_le_bytes());
        self
    }

    /// An optional field: an absent one differs from an empty one.
    pub fn optional(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        match bytes {
            Some(bytes) => self.number(1).field(bytes),
            None => self.number(0),
        }
    }

    /// Announces `count` items that follow.
    pub fn list(&mut self, count: usize) -> &mut Self {
        self.number(count as u64)
    }

    /// The digest of all fields so far.
    pub fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oci_digests_read_and_print_with_their_algorithm() {
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let digest: BlobDigest = text.parse().unwrap();
        assert_eq!(digest, BlobDigest::of(b""));
        assert_eq!(digest.to_string(), text);
        assert_eq!(digest.short(), "e3b0c44298fc");
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        for text in ["", "sha256:", "sha256:E3B0", "md5:00", &format!("sha256:{}", "A".repeat(64))] {
            assert!(text.parse::<BlobDigest>().is_err(), "{text}");
        }
    }

    #[test]
    fn hashing_goes_on_where_it_was_left() {
        for left in [0, 1, 64, 512, 1000] {
            let text: Vec<u8> = (0..1000u32).map(|number| number as u8).collect();
            let mut first = HashingWriter::new(io::sink());
            first.write_all(&text[..left]).unwrap();
            let mut second = HashingWriter::new(Vec::new());
            assert!(second.resume(&first.state()));
            second.write_all(&text[left..]).unwrap();
            assert_eq!(second.finish(), (text[left..].to_vec(), BlobDigest::of(&text), 1000));
        }
    }

    #[test]
    fn fields_are_told_apart_by_their_lengths() {
        let of = |fields: &[&str]| {
            let mut hasher = FieldHasher::new("test");
            for field in fields {
                hasher.field(field.as_bytes());
            }
            hasher.finish()
        };
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["ab"]), of(&["ab", ""]));
    }
}
