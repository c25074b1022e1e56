//! What an image is: its name, its platform, its config and its manifest.
//!
//! Pure: parses, edits and checks these documents. It knows no files, networks or store. Hop 10 of a build; hop 3
//! returns its types.

mod annotations;
mod config;
mod document;
mod history;
mod host;
mod json;
#[doc(hidden)]
pub mod layer;
mod manifest;
pub mod media_type;
mod platform;
mod platform_match;
mod reference;
mod reference_grammar;
mod run_config;
mod validate;

pub use annotations::{AnnotationLevel, Annotations, InvalidAnnotation};
pub use config::{ImageConfig, RootFs, SCRATCH_PATH};
pub use document::{Document, ImageDocumentError};
pub use history::History;
pub use host::host_platform;
pub use manifest::{Descriptor, Index, Manifest};
pub use platform::{InvalidPlatform, Platform};
pub use platform_match::best_match;
pub use reference::{InvalidReference, Reference, ReferenceDigest};
pub use run_config::{Healthcheck, RunConfig};
pub use validate::BrokenInvariant;
