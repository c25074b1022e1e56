//! What archives and registries share: adding verified images to the store, and reading layer streams from it.
//!
//! Nothing that is received becomes visible before the whole image is verified: it stays in the store's staging until
//! [`Receiver::register`]. Knows no archive format and no registry; part of hop 12 of a build.

mod documents;
mod error;
mod fetch;
mod measure;
mod outgoing;
mod receive;
mod register;

pub use documents::{Documents, IndexDocument, LayerForm, ManifestDocument, Outgoing, documents};
pub use error::TransferError;
pub use fetch::{make_all_present, make_present};
pub use outgoing::{LayerFormat, compressed_blob, content_size, describe, layer_descriptor, stream_size, write_stream};
pub use receive::{LayerStream, Received, Receiver};
pub use register::{IncomingImage, IncomingLayer, LayerSource};
