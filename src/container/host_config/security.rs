//! `--security-opt`.

use std::str::FromStr;

use super::error::HostConfigError;

/// A valid option, as given; a seccomp profile is included as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityOption(String);

/// The meaning of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub enum SecurityRequest<'a> {
    NoNewPrivileges(bool),
    SeccompUnconfined,
    /// rbuild's default profile.
    SeccompUsual,
    /// The JSON of a profile.
    SeccompProfile(&'a str),
    AppArmorUnconfined,
    /// The name of a profile.
    AppArmorProfile(&'a str),
    /// No SELinux labels; rbuild sets none.
    LabelsDisabled,
    LandlockUnconfined,
    SystemPathsUnconfined,
}

impl SecurityOption {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its meaning.
    pub fn request(&self) -> SecurityRequest<'_> {
        SecurityRequest::of(&self.0).expect("only what is understood becomes an option")
    }
}

impl<'a> SecurityRequest<'a> {
    /// `KEY=VALUE`, or docker's old `KEY:VALUE`.
    pub fn of(text: &'a str) -> Option<Self> {
        let (key, value) = text.split_once('=').or_else(|| text.split_once(':')).unwrap_or((text, ""));
        Some(match (key, value) {
            ("no-new-privileges", "" | "true") => Self::NoNewPrivileges(true),
            ("no-new-privileges", "false") => Self::NoNewPrivileges(false),
            ("seccomp", "unconfined") => Self::SeccompUnconfined,
            ("seccomp", "builtin") => Self::SeccompUsual,
            ("seccomp", profile) => Self::SeccompProfile(profile),
            ("apparmor", "unconfined") => Self::AppArmorUnconfined,
            ("apparmor", profile) => Self::AppArmorProfile(profile),
            ("label", "disable") => Self::LabelsDisabled,
            ("landlock", "unconfined") => Self::LandlockUnconfined,
            ("systempaths", "unconfined") => Self::SystemPathsUnconfined,
            _ => return None,
        })
    }
}

impl FromStr for SecurityOption {
    type Err = HostConfigError;

    fn from_str(text: &str) -> Result<Self, HostConfigError> {
        match SecurityRequest::of(text) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(HostConfigError::SecurityOption { text: text.to_owned() }),
        }
    }
}
