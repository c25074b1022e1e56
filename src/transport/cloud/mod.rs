//! The identities that clouds give to machines, pods and jobs, used where nobody has logged in.
//!
//! Each cloud's sources are tried in the order of its own libraries, and only for that cloud's services. Every request
//! has a time limit: a missing metadata server costs a second. Knows neither the registries' protocol nor buckets, only
//! their credentials.

mod asking;
mod aws;
mod azure;
mod ecr;
mod error;
mod google;
mod google_file;
mod login;
pub mod sigv4;
#[cfg(test)]
mod tests;
#[cfg(test)]
#[path = "../../../tests/support/web.rs"]
mod web;

pub use aws::credentials as aws_credentials;
pub use azure::storage_token as azure_storage_token;
pub use error::CloudError;
pub use google::token as google_token;
pub use login::{Login, has_identities, login};

/// Reads the environment.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A credential, and when it expires.
#[derive(Clone)]
pub struct Expiring<T> {
    pub value: T,
    /// `None` if that is unknown.
    pub until: Option<std::time::SystemTime>,
}

impl<T> Expiring<T> {
    /// Whether it is still valid for long enough to be used.
    pub fn is_good(&self) -> bool {
        const ON_ITS_WAY: std::time::Duration = std::time::Duration::from_secs(120);
        self.until.is_none_or(|until| std::time::SystemTime::now() + ON_ITS_WAY < until)
    }
}

/// The process's environment; empty values count as unset.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
