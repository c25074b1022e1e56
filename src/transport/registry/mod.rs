//! Images in registries: resolving names, pulling, pushing, logging in.
//!
//! Implements the OCI distribution protocol. The only async code is in `http`, and callers see blocking functions: a
//! [`Client`] for a command, a [`Repository`] for each name. Knows no builds. Answers hop 3 of a build for bases that
//! are not in the store, and is part of hop 12.

mod between;
mod blobs;
mod client;
mod config;
mod credential;
mod credentials;
mod error;
mod given;
mod http;
mod lazy;
mod limits;
mod login;
mod manifest_list;
mod manifests;
mod nearest;
mod pace;
mod progress;
mod pull;
mod push;
mod repository;
mod resolve;
mod search;
mod settings;
mod uploads;

pub use blobs::BlobReader;
pub use client::Client;
pub use config::{BuildkitRegistries, Certificates, Registries};
pub use error::RegistryError;
pub use given::GivenCredentials;
pub use lazy::{pull_lazily, repository_of, source_of};
pub use limits::Limits;
pub use login::{LoggedIn, check_password, logged_in_user, login, login_again, logout, registry_host, set_alias};
pub use manifest_list::{ListEntry, ManifestList, describe};
pub use manifests::RemoteManifest;
pub use pace::{Pace, TooSlow};
pub use progress::{Event, Progress, Silent};
pub use pull::{PARALLEL, PullOptions, Pulled, pull};
pub use push::{Push, PushOptions, Pushed, push};
pub use repository::Repository;
pub use resolve::{Resolved, kind};
pub use search::Found;
pub use settings::Settings;
pub use uploads::{UploadSource, Uploaded};
