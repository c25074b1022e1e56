//! Serializes paths and other OS strings as bytes: serde's own form requires UTF-8.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that consists of byte strings.
pub trait OsBytes: Sized {
    fn to_bytes(&self) -> Vec<Vec<u8>>;
    fn from_bytes(parts: Vec<Vec<u8>>) -> Self;
}

impl OsBytes for PathBuf {
    fn to_bytes(&self) -> Vec<Vec<u8>> {
        vec![self.as_os_str().as_bytes().to_vec()]
    }
    fn from_bytes(parts: Vec<Vec<u8>>) -> Self {
        Option::from_bytes(parts).unwrap_or_default()
    }
}

impl OsBytes for Option<PathBuf> {
    fn to_bytes(&self) -> Vec<Vec<u8>> {
        self.iter().map(|path| path.as_os_str().as_bytes().to_vec()).collect()
    }
    fn from_bytes(parts: Vec<Vec<u8>>) -> Self {
        parts.into_iter().next().map(|bytes| OsString::from_vec(bytes).into())
    }
}

impl OsBytes for Vec<PathBuf> {
    fn to_bytes(&self) -> Vec<Vec<u8>> {
        self.iter().map(|path| path.as_os_str().as_bytes().to_vec()).collect()
    }
    fn from_bytes(parts: Vec<Vec<u8>>) -> Self {
        parts.into_iter().map(|bytes| OsString::from_vec(bytes).into()).collect()
    }
}

impl OsBytes for Vec<OsString> {
    fn to_bytes(&self) -> Vec<Vec<u8>> {
        self.iter().map(|text| text.as_bytes().to_vec()).collect()
    }
    fn from_bytes(parts: Vec<Vec<u8>>) -> Self {
        parts.into_iter().map(OsString::from_vec).collect()
    }
}

pub fn serialize<T: OsBytes, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.to_bytes().serialize(serializer)
}

pub fn deserialize<'de, T: OsBytes, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Vec::deserialize(deserializer).map(T::from_bytes)
}
