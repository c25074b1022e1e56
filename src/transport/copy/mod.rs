//! Copies images byte for byte and without unpacking: between registries, archives, layouts and the store.
//!
//! A source provides documents and blobs, a target receives them; nothing is stored in between except what the target
//! needs. Must not know builds, containers or terminals. Beside hop 12 of a build.

mod error;
mod layout;
mod place;
mod source;
mod sources;
mod target;
mod temporary;

use std::collections::HashSet;

pub use error::CopyError;
pub use place::Place;

use source::Source;
use target::Target;

use crate::base::digest::BlobDigest;
use crate::base::side_by_side::side_by_side;
use crate::image::media_type::Kind;
use crate::image::{Descriptor, Document, Index, Manifest, Platform, best_match, host_platform};
use crate::store::Store;
use crate::transport::registry::{Client, Event, PARALLEL, Progress, RemoteManifest, kind};

/// How deeply indexes may be nested.
const DEPTH_LIMIT: usize = 4;
/// How many manifests and indexes one image may have.
const DOCUMENT_LIMIT: usize = 2000;

#[derive(Debug, Clone, Default)]
pub struct CopyOptions {
    /// All images of an index, and the index itself.
    pub all: bool,
    /// The image of an index for this platform; by default the host's.
    pub platform: Option<Platform>,
}

/// The result of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The digest of the manifest or index that the target's name refers to.
    pub digest: BlobDigest,
}

/// Copies what is at `from` to `to`. The target's name changes once all content has arrived.
pub fn copy(
    store: &Store,
    client: &Client,
    (from, to): (&Place, &Place),
    options: &CopyOptions,
    progress: &dyn Progress,
) -> Result<Copied, CopyError> {
    let source = sources::open(store, client, from)?;
    let target = target::open(store, client, to)?;
    let top = source.top()?;
    let top = if options.all { top } else { choose(source.as_ref(), top, options.platform.as_ref(), DEPTH_LIMIT)? };
    let mut transfer = Transfer { source: source.as_ref(), target: target.as_ref(), progress, seen: HashSet::new() };
    transfer.content(&top, DEPTH_LIMIT)?;
    let digest = target.finish(&top)?;
    Ok(Copied { digest })
}

/// The manifest for the platform, from what may be an index.
fn choose(
    source: &dyn Source,
    document: RemoteManifest,
    platform: Option<&Platform>,
    depth: usize,
) -> Result<RemoteManifest, CopyError> {
    if kind(&document) != Kind::Index {
        return Ok(document);
    }
    if depth == 0 {
        return Err(CopyError::TooDeep);
    }
    let index: Document<Index> = Document::parse("index", document.bytes)?;
    let images: Vec<&Descriptor> = index.manifests.iter().filter(|entry| !entry.is_attestation()).collect();
    let wanted = platform.cloned().unwrap_or_else(host_platform);
    let unknown = Platform::default();
    let platforms = images.iter().map(|entry| entry.platform.as_ref().unwrap_or(&unknown));
    let best = best_match(&wanted, platforms.clone()).or((images.len() == 1 && platform.is_none()).then_some(0));
    match best {
        Some(best) => choose(source, source.document(images[best])?, platform, depth - 1),
        None => {
            let offered = platforms.map(Platform::to_string).collect::<Vec<_>>().join(", ");
            Err(CopyError::NoPlatform { wanted: wanted.to_string(), offered })
        }
    }
}

/// A copy in progress.
struct Transfer<'a> {
    source: &'a dyn Source,
    target: &'a dyn Target,
    progress: &'a dyn Progress,
    seen: HashSet<BlobDigest>,
}

impl Transfer<'_> {
    /// Copies everything that the document names; the document itself is left to the target's end.
    fn content(&mut self, document: &RemoteManifest, depth: usize) -> Result<(), CopyError> {
        match kind(document) {
            Kind::Manifest => {
                let manifest: Document<Manifest> = Document::parse("manifest", document.bytes.clone())?;
                let blobs = manifest.layers.iter().chain([&manifest.config]);
                let new: Vec<&Descriptor> = blobs.filter(|blob| self.seen.insert(blob.digest)).collect();
                for blob in &new {
                    self.progress.event(&blob.digest, Event::Announced { size: blob.size });
                }
                side_by_side(&new, PARALLEL, |blob| self.target.put_blob(blob, self.source, self.progress))?;
                Ok(())
            }
            Kind::Index if depth == 0 => Err(CopyError::TooDeep),
            Kind::Index => {
                let index: Document<Index> = Document::parse("index", document.bytes.clone())?;
                for entry in &index.manifests {
                    if self.seen.len() > DOCUMENT_LIMIT * 8 || index.manifests.len() > DOCUMENT_LIMIT {
                        return Err(CopyError::TooDeep);
                    }
                    let part = self.source.document(entry)?;
                    self.content(&part, depth - 1)?;
                    self.target.put_document(&part)?;
                }
                Ok(())
            }
            Kind::Schema1 => Err(CopyError::Schema1),
            _ => Err(CopyError::NotAnImage { media_type: document.media_type.clone() }),
        }
    }
}
