//! The identities that clouds give to machines, pods and jobs: where nobody logged in, they say who asks.
//!
//! Each cloud's sources are asked in the order in which its own libraries ask them, and only for what belongs to that
//! cloud. Every request is bounded: a metadata server that is not there costs a second. Knows no registries' protocol and
//! no buckets, only what either is shown.

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

/// Looks into the environment.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Something to show, and until when it is good.
#[derive(Clone)]
pub struct Expiring<T> {
    pub value: T,
    /// Nothing where nobody said so.
    pub until: Option<std::time::SystemTime>,
}

impl<T> Expiring<T> {
    /// Whether it can still be shown, and arrive in time.
    pub fn is_good(&self) -> bool {
        const ON_ITS_WAY: std::time::Duration = std::time::Duration::from_secs(120);
        self.until.is_none_or(|until| std::time::SystemTime::now() + ON_ITS_WAY < until)
    }
}

/// What the process was started with; an empty value is none.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
