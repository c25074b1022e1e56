//! The remote cache: records and layers that other machines made, and those that this one gives to others.
//!
//! A cache lies in a place: a folder, a repository of a registry, a bucket. It consists of one manifest, whose config
//! lists the records and whose layers are the blobs they need; `docs/cache.md` describes the documents. [`Origins`] is
//! the store's way to layers that are known and not here, of caches and of images alike.
//!
//! Must not know Dockerfiles, plans or terminals. Beside hop 7 of a build: it answers where the store has no record.

mod origin;

pub use origin::Origins;
