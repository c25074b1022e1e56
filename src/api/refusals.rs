//! Statuses and docker's messages for errors about images, networks and volumes.

use super::error::ApiError;
use crate::base::FilterError;
use crate::base::io_error::chain;
use crate::container::ContainerError;
use crate::container::network::NetworkError;
use crate::container::volume::VolumeError;
use crate::engine::ResourceError;
use crate::engine::image::ImageError;
use crate::engine::network::MembershipError;
use crate::image::{InvalidPlatform, InvalidReference, Reference};
use crate::language::plan::ChangeError;
use crate::store::FindImageError;
use crate::transport::registry::RegistryError;

/// An error with a status and its own message.
fn with_status(status: u16, error: &dyn std::error::Error) -> ApiError {
    ApiError::new(status, chain(error))
}

impl From<InvalidReference> for ApiError {
    fn from(error: InvalidReference) -> Self {
        with_status(400, &error)
    }
}

impl From<InvalidPlatform> for ApiError {
    fn from(error: InvalidPlatform) -> Self {
        with_status(400, &error)
    }
}

impl From<FilterError> for ApiError {
    fn from(error: FilterError) -> Self {
        match error {
            // docker's message lists no valid filters.
            FilterError::Unknown { key, .. } => Self::bad_request(format!("invalid filter '{key}'")),
            FilterError::NoBoolean { key, values } => {
                Self::bad_request(format!("invalid filter '{key}=[{}]'", values.join(" ")))
            }
            other => with_status(400, &other),
        }
    }
}

impl From<FindImageError> for ApiError {
    fn from(error: FindImageError) -> Self {
        match error {
            // A malformed name is the client's error.
            FindImageError::NotFound { name } => match name.parse::<Reference>() {
                _ if name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                    Self::not_found(format!("No such image: sha256:{name}"))
                }
                Err(error) if name.strip_prefix("sha256:").is_none() => error.into(),
                _ => Self::not_found(format!("No such image: {name}")),
            },
            FindImageError::Ambiguous { .. } => with_status(400, &error),
            FindImageError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match &error {
            ChangeError::NotAllowed { change } => {
                let word = change.split_whitespace().next().unwrap_or_default().to_uppercase();
                Self::bad_request(format!("{word} is not a valid change command"))
            }
            _ => with_status(400, &error),
        }
    }
}

impl From<ImageError> for ApiError {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Find(error) => error.into(),
            ImageError::Store(error) => error.into(),
            ImageError::Filter(error) => error.into(),
            ImageError::Container(error) => error.into(),
            ImageError::Registry(error) => error.into(),
            ImageError::Change(error) => error.into(),
            ImageError::Reference(_)
            | ImageError::Config(_)
            | ImageError::Pattern
            | ImageError::TagOfDigest
            | ImageError::TagOfAlgorithm
            | ImageError::PushOfDigest
            | ImageError::TagAndAllTags
            | ImageError::Stars { .. } => with_status(400, &error),
            ImageError::Gone(id) => Self::not_found(format!("No such image: {id}")),
            ImageError::NoTag { name } => {
                Self::not_found(format!("An image does not exist locally with the tag: {name}"))
            }
            ImageError::OtherPlatform { .. } | ImageError::NoPlatform { .. } => with_status(404, &error),
            ImageError::ReferenceInUse { word, container, image } => Self::conflict(format!(
                "conflict: unable to remove repository reference \"{word}\" (must force) - container {container} is \
                 using its referenced image {image}"
            )),
            ImageError::ManyRepositories { word } => Self::conflict(format!(
                "conflict: unable to delete {word} (must be forced) - image is referenced in multiple repositories"
            )),
            ImageError::PartOfIndex { .. } => with_status(409, &error),
            ImageError::InUse { word, is_running, container } => {
                let (may, state) = match is_running {
                    true => ("cannot be forced", "running"),
                    false => ("must be forced", "stopped"),
                };
                Self::conflict(format!(
                    "conflict: unable to delete {word} ({may}) - image is being used by {state} container {container}"
                ))
            }
            ImageError::Io(_)
            | ImageError::Document(_)
            | ImageError::Transfer(_)
            | ImageError::Archive(_)
            | ImageError::Http(_) => with_status(500, &error),
        }
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        match innermost(&error) {
            RegistryError::NotFound { name, .. } => {
                let name = familiar(name);
                Self::not_found(format!("manifest for {name} not found: manifest unknown: manifest unknown"))
            }
            RegistryError::Denied { name, message, .. } => Self::not_found(format!(
                "pull access denied for {}, repository does not exist or may require 'docker login'{}{message}",
                familiar(name),
                if message.is_empty() { "" } else { ": denied: " }
            )),
            RegistryError::NoPlatform { .. } => with_status(404, &error),
            RegistryError::WrongCredentials { .. } | RegistryError::LoginRefused { .. } => {
                Self::new(401, format!("unauthorized: {}", chain(&error)))
            }
            RegistryError::GivenCredentials { .. } => with_status(400, &error),
            _ => with_status(500, &error),
        }
    }
}

/// A name in its short form.
fn familiar(name: &str) -> String {
    Reference::parse_without_default_tag(name).map_or_else(|_| name.to_owned(), |name| name.familiar())
}

/// The error of the last attempt.
fn innermost(error: &RegistryError) -> &RegistryError {
    match error {
        RegistryError::GaveUp { source, .. } | RegistryError::AllMirrors { source, .. } => innermost(source),
        other => other,
    }
}

impl From<NetworkError> for ApiError {
    fn from(error: NetworkError) -> Self {
        let status = match &error {
            NetworkError::Driver { driver } => return Self::not_found(format!("plugin \"{driver}\" not found")),
            NetworkError::Unknown { .. } | NetworkError::NoConfig { .. } => 404,
            NetworkError::NameTaken { .. } => 409,
            NetworkError::InUse { name, endpoints } => {
                let endpoint =
                    |(name, id): &(String, String)| format!("name:{name:?} id:{:?}", id.get(..12).unwrap_or(id));
                let endpoints = endpoints.iter().map(endpoint).collect::<Vec<_>>().join(", ");
                let text = format!("error while removing network: network {name} has active endpoints ({endpoints})");
                return Self::new(403, text);
            }
            NetworkError::Overlap { .. } => {
                return Self::new(403, "invalid pool request: Pool overlaps with other one on this address space");
            }
            NetworkError::AlreadyConnected { container, network } => {
                return Self::new(403, format!("endpoint with name {container} already exists in network {network}"));
            }
            NetworkError::AddressInUse { .. } => return Self::new(403, "Address already in use"),
            NetworkError::AddressOutside { address, .. } => {
                return Self::bad_request(format!(
                    "invalid endpoint settings:\nno configured subnet or ip-range contain the IP address {address}"
                ));
            }
            NetworkError::BadHardwareAddress { text } => {
                return Self::bad_request(format!("invalid MAC address {text}"));
            }
            NetworkError::OneInstance { driver } => {
                return Self::new(403, format!("only one instance of {driver:?} network is allowed"));
            }
            NetworkError::ManySubnets => 403,
            NetworkError::Predefined { .. }
            | NetworkError::PredefinedName { .. }
            | NetworkError::ConfigInUse { .. } => 403,
            NetworkError::BadSubnet { .. }
            | NetworkError::BadAddress { .. }
            | NetworkError::BadName { .. }
            | NetworkError::ConfigOnly { .. }
            | NetworkError::Ambiguous { .. }
            | NetworkError::AddHost { .. }
            | NetworkError::Refused { .. } => 400,
            _ => 500,
        };
        with_status(status, &error)
    }
}

impl From<MembershipError> for ApiError {
    fn from(error: MembershipError) -> Self {
        match error {
            MembershipError::Network(error) => error.into(),
            MembershipError::Container(error) => error.into(),
            MembershipError::Io(error) => error.into(),
            MembershipError::IsIn { container, network } => {
                Self::new(403, format!("endpoint with name {container} already exists in network {network}"))
            }
            MembershipError::NoEndpoint { .. } => with_status(404, &error),
            MembershipError::IsNotIn { .. } => with_status(500, &error),
            MembershipError::AddressOnBridge => {
                let text =
                    "invalid endpoint settings:\nuser specified IP address is supported on user defined networks only";
                Self::bad_request(text)
            }
            MembershipError::SeveralWithNone | MembershipError::HostNetwork | MembershipError::SharedNamespace => {
                with_status(400, &error)
            }
        }
    }
}

/// `action` is what was to be done with the volume of that name.
pub fn of_volume(error: VolumeError, action: &str, name: &str) -> ApiError {
    match &error {
        VolumeError::NotFound { .. } => ApiError::not_found(format!("{action} {name}: no such volume")),
        VolumeError::InUse { containers, .. } => {
            ApiError::conflict(format!("{action} {name}: volume is in use - [{}]", containers.join(", ")))
        }
        VolumeError::Driver { driver } => ApiError::not_found(format!(
            "{action} {name}: error looking up volume plugin {driver}: plugin \"{driver}\" not found"
        )),
        VolumeError::BadName { .. } if name.trim().len() < 2 => ApiError::bad_request(format!(
            "{action} {name}: volume name is too short, names should be at least two alphanumeric characters"
        )),
        VolumeError::BadName { .. } => ApiError::bad_request(format!(
            "{action} {name}: {name:?} includes invalid characters for a local volume name, only \
             \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
        )),
        VolumeError::Option { .. } | VolumeError::MissingOption { .. } | VolumeError::UnknownOption { .. } => {
            with_status(400, &error).context(&format!("{action} {name}"))
        }
        VolumeError::Io(_) | VolumeError::DamagedRecord { .. } => with_status(500, &error),
    }
}

/// The same for a container's error that may be a volume's.
pub fn of_volume_user(error: ContainerError, action: &str, name: &str) -> ApiError {
    match error {
        ContainerError::Volume(error) => of_volume(error, action, name),
        other => other.into(),
    }
}

impl From<ResourceError> for ApiError {
    fn from(error: ResourceError) -> Self {
        match error {
            ResourceError::Filter(error) => error.into(),
            ResourceError::Container(error) => error.into(),
            ResourceError::Network(error) => error.into(),
            ResourceError::Volume(error) => with_status(500, &error),
            ResourceError::Io(error) => error.into(),
        }
    }
}
