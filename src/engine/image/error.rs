use crate::base::FilterError;
use crate::base::digest::ImageId;
use crate::base::io_error::IoError;
use crate::build::context::http::HttpError;
use crate::container::ContainerError;
use crate::image::{ImageDocumentError, InvalidReference};
use crate::language::plan::ChangeError;
use crate::store::{FindImageError, StoreError};
use crate::transport::archive::ArchiveError;
use crate::transport::registry::RegistryError;
use crate::transport::transfer::TransferError;

/// Why an operation on an image failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum ImageError {
    #[error(transparent)]
    Find(#[from] FindImageError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(transparent)]
    Document(#[from] ImageDocumentError),
    #[error(transparent)]
    Reference(#[from] InvalidReference),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the config in the request is not a container's")]
    Config(#[source] serde_json::Error),
    #[error("no such image: {0}")]
    Gone(ImageId),
    #[error("syntax error in pattern")]
    Pattern,
    #[error("refusing to create a tag with a digest reference")]
    TagOfDigest,
    #[error("refusing to create an ambiguous tag using digest algorithm as name")]
    TagOfAlgorithm,
    #[error("cannot push a digest reference")]
    PushOfDigest,
    #[error("tag can't be used with --all-tags/-a")]
    TagAndAllTags,
    #[error("an image does not exist locally with the tag: {name}")]
    NoTag { name: String },
    #[error(
        "image with reference {word} was found, but its platform ({offered}) does not match the specified platform \
         ({wanted})"
    )]
    OtherPlatform { word: String, offered: String, wanted: String },
    #[error("`{name}` has no image for {wanted}; it has {offered}")]
    NoPlatform { name: String, offered: String, wanted: String },
    #[error(
        "conflict: unable to remove repository reference \"{word}\" (must force): container {container} is using its \
         referenced image {image}"
    )]
    ReferenceInUse { word: String, container: String, image: String },
    #[error("conflict: unable to delete {word} (must be forced): the image is referenced in multiple repositories")]
    ManyRepositories { word: String },
    #[error("conflict: unable to delete {word} (must be forced): the image is part of {index}")]
    PartOfIndex { word: String, index: String },
    #[error(
        "conflict: unable to delete {word} ({}): the image is being used by {} container {container}",
        if *.is_running { "cannot be forced" } else { "must be forced" },
        if *.is_running { "running" } else { "stopped" }
    )]
    InUse { word: String, is_running: bool, container: String },
    #[error("invalid filter 'stars={text}': it is a number")]
    Stars { text: String },
}

impl ImageError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Registry(error) => return error.hint(),
            Self::Container(error) => return error.hint(),
            Self::PushOfDigest => "give the image a name with `rbuild tag`",
            Self::ReferenceInUse { .. } => "remove the container first, or force it with -f",
            Self::ManyRepositories { .. } => "remove its names one by one, or all with -f",
            Self::PartOfIndex { index, .. } => return Some(format!("remove `{index}`, or this image alone with -f")),
            _ => return None,
        };
        Some(text.to_owned())
    }
}
