//! Versions of docker's API.

use std::fmt;

use super::error::ApiError;
use crate::engine::version::{API, LEAST_API};

/// `1.51`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u16,
    minor: u16,
}

impl Version {
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// The version of a path without one.
    pub fn newest() -> Self {
        Self::parse(API).unwrap_or(Self::new(1, 51))
    }

    /// Parses `1.51`; `None` if it is not a version.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
        let (major, minor) = text.split_once('.')?;
        Some(Self { major: number(major)?, minor: number(minor)? })
    }

    /// Refuses unsupported versions, in docker's words.
    pub fn check(self) -> Result<(), ApiError> {
        if self > Self::newest() {
            let text = format!("client version {self} is too new. Maximum supported API version is {API}");
            return Err(ApiError::bad_request(text));
        }
        if Self::parse(LEAST_API).is_some_and(|least| self < least) {
            let text = format!(
                "client version {self} is too old. Minimum supported API version is {LEAST_API}, please upgrade your \
                 client to a newer version"
            );
            return Err(ApiError::bad_request(text).in_plain_text());
        }
        Ok(())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_spoken() {
        let status = |text| Version::parse(text).unwrap().check().map_err(|error| error.to_string());
        assert_eq!(status("1.24"), Ok(()));
        assert_eq!(status("1.51"), Ok(()));
        assert!(status("1.23").unwrap_err().contains("too old") && status("1.9").is_err());
        assert!(status("1.52").unwrap_err().contains("too new") && status("2.0").is_err());
        assert_eq!(Version::parse("1.x"), None);
        assert!(Version::parse("1.100") > Version::parse("1.51"));
    }
}
