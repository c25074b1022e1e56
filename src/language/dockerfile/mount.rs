//! The value of `RUN --mount`, typed.

use serde::{Deserialize, Serialize};

use super::error::{did_you_mean, one_of};
use super::text::quoted;
use crate::base::nearest;
use crate::base::{self, CsvError};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum MountKind {
    #[default]
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

/// How several RUN steps share one cache at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Sharing {
    #[default]
    Shared,
    /// Each concurrent step gets its own.
    Private,
    /// The others wait.
    Locked,
}

/// A mount. Paths are as written: a relative target is relative to the working directory, and a target that resolves to
/// `/` is invalid.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mount {
    pub kind: MountKind,
    /// The stage, image or named context that a bind uses or a cache is filled from.
    pub from: Option<String>,
    pub source: Option<String>,
    pub target: Option<String>,
    /// By default, bind, secret and ssh mounts are read-only, and cache and tmpfs mounts are not.
    pub read_only: bool,
    /// The ID of a cache, a secret or an ssh socket.
    pub id: Option<String>,
    /// Only for caches.
    pub sharing: Option<Sharing>,
    /// Permission bits for what a cache, secret or ssh mount creates.
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// Whether a missing secret or ssh socket is an error.
    pub required: bool,
    /// The environment variable that receives a secret.
    pub env: Option<String>,
    /// The size of a tmpfs, in bytes.
    pub size: Option<u64>,
}

/// What is wrong with a mount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MountError {
    #[error("{0}")]
    Csv(#[from] CsvError),
    #[error("{0}")]
    Word(#[from] super::words::WordError),
    #[error("`from` takes no variables; name a stage `FROM … AS name` and use that")]
    VariableInFrom,
    #[error("unsupported mount type {}", quoted(value))]
    UnknownType { value: String },
    #[error("unsupported sharing {}", quoted(value))]
    UnknownSharing { value: String },
    #[error("unknown option `{key}` in `{field}`")]
    UnknownKey { key: String, field: String },
    #[error("the option `{field}` needs a value: {field}=…")]
    KeyWithoutValue { field: String },
    #[error("invalid value `{value}` for {key}")]
    InvalidValue { key: String, value: String },
    #[error("the option `{key}` is not allowed for {kind} mounts")]
    NotAllowed { key: String, kind: MountKind },
    #[error("a secret mount needs one of id, source, target")]
    SecretWithoutName,
    #[error("a secret mount takes source or id, not both")]
    SecretWithTwoNames,
}

const TYPES: &[&str] = &["bind", "cache", "tmpfs", "secret", "ssh"];
const SHARINGS: &[&str] = &["shared", "private", "locked"];
const KEYS: &[&str] = &[
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "env",
];

impl MountError {
    /// The valid alternatives.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownType { value } => one_of(value, TYPES),
            Self::UnknownSharing { value } => one_of(value, SHARINGS),
            Self::UnknownKey { key, .. } => did_you_mean(nearest(key, KEYS)?),
            _ => None,
        }
    }
}

impl std::fmt::Display for MountKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Bind => "bind",
            Self::Cache => "cache",
            Self::Tmpfs => "tmpfs",
            Self::Secret => "secret",
            Self::Ssh => "ssh",
        })
    }
}

/// Parses a mount in which nothing is left to expand.
pub fn parse(value: &str) -> Result<Mount, MountError> {
    parse_with(value, &mut |text| Ok(text.to_owned()))
}

/// Parses a mount and expands the value of each option after the options are split: a comma from a variable does not
/// separate options.
pub fn parse_with(
    value: &str,
    expand: &mut dyn FnMut(&str) -> Result<String, super::words::WordError>,
) -> Result<Mount, MountError> {
    let mut mount = Mount::default();
    let mut read_only = None;
    for field in base::fields(value)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_lowercase(), Some(expand(value)?)),
            None => (field.to_lowercase(), None),
        };
        match (&*key, value) {
            ("readonly" | "ro", value) => read_only = Some(switch(&key, value)?),
            ("readwrite" | "rw", value) => read_only = Some(!switch(&key, value)?),
            ("required", value) if matches!(mount.kind, MountKind::Secret | MountKind::Ssh) => {
                mount.required = switch(&key, value)?;
            }
            ("required", _) => return Err(MountError::NotAllowed { key, kind: mount.kind }),
            (_, None) => return Err(MountError::KeyWithoutValue { field }),
            (_, Some(value)) => mount.set(key, value, field)?,
        }
    }
    let writable = matches!(mount.kind, MountKind::Cache | MountKind::Tmpfs);
    mount.read_only = read_only.unwrap_or(!writable);
    mount.check()?;
    Ok(mount)
}

/// The checks that need no variables: they fail as soon as the file is parsed.
pub(super) fn check_unexpanded(value: &str) -> Result<(), MountError> {
    for field in base::fields(value)? {
        if let Some((key, value)) = field.split_once('=')
            && key.eq_ignore_ascii_case("from")
            && value.trim_end_matches('$').contains('$') | value.contains("$$")
        {
            return Err(MountError::VariableInFrom);
        }
    }
    Ok(())
}

/// The stage or image that a mount comes from, if the value can be parsed; no variable is allowed there.
pub fn from_name(value: &str) -> Option<String> {
    let fields = base::fields(value).ok()?;
    let mut names =
        fields.iter().filter_map(|field| field.split_once('=')).filter(|(key, _)| key.eq_ignore_ascii_case("from"));
    names.next_back().and_then(|(_, name)| non_empty(name.to_owned()))
}

impl Mount {
    fn set(&mut self, key: String, value: String, field: String) -> Result<(), MountError> {
        match &*key {
            "type" => self.kind = kind(&value)?,
            "from" => self.from = non_empty(value),
            "source" | "src" => self.source = non_empty(value),
            "target" | "dst" | "destination" => self.target = non_empty(value),
            "id" => self.id = non_empty(value),
            "sharing" => self.sharing = Some(sharing(&value)?),
            "env" => self.env = Some(value),
            "mode" => self.mode = Some(number(&key, &value, 8)?),
            "uid" => self.uid = Some(number(&key, &value, 10)?),
            "gid" => self.gid = Some(number(&key, &value, 10)?),
            "size" if self.kind == MountKind::Tmpfs => {
                self.size = Some(base::bytes(&value).map_err(|_| MountError::InvalidValue { key, value })?);
            }
            "size" => return Err(MountError::NotAllowed { key, kind: self.kind }),
            _ => return Err(MountError::UnknownKey { key, field }),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), MountError> {
        let not_allowed = |key: &str| Err(MountError::NotAllowed { key: key.to_owned(), kind: self.kind });
        let creates = matches!(self.kind, MountKind::Secret | MountKind::Ssh | MountKind::Cache);
        for (key, given) in [("mode", self.mode), ("uid", self.uid), ("gid", self.gid)] {
            if given.is_some() && !creates {
                return not_allowed(key);
            }
        }
        if self.sharing.is_some() && self.kind != MountKind::Cache {
            return not_allowed("sharing");
        }
        if self.kind == MountKind::Secret {
            if self.from.is_some() {
                return not_allowed("from");
            }
            if self.source.is_none() && self.target.is_none() && self.id.is_none() {
                return Err(MountError::SecretWithoutName);
            }
            if self.source.is_some() && self.id.is_some() {
                return Err(MountError::SecretWithTwoNames);
            }
        }
        Ok(())
    }
}

fn non_empty(value: String) -> Option<String> {
    (!value.is_empty()).then_some(value)
}

fn kind(value: &str) -> Result<MountKind, MountError> {
    Ok(match &*value.to_lowercase() {
        "bind" => MountKind::Bind,
        "cache" => MountKind::Cache,
        "tmpfs" => MountKind::Tmpfs,
        "secret" => MountKind::Secret,
        "ssh" => MountKind::Ssh,
        _ => return Err(MountError::UnknownType { value: value.to_owned() }),
    })
}

fn sharing(value: &str) -> Result<Sharing, MountError> {
    Ok(match &*value.to_lowercase() {
        "shared" => Sharing::Shared,
        "private" => Sharing::Private,
        "locked" => Sharing::Locked,
        _ => return Err(MountError::UnknownSharing { value: value.to_owned() }),
    })
}

/// An option that is true without a value.
fn switch(key: &str, value: Option<String>) -> Result<bool, MountError> {
    let Some(value) = value else { return Ok(true) };
    base::boolean(&value).ok_or_else(|| MountError::InvalidValue { key: key.to_owned(), value })
}

fn number(key: &str, value: &str, radix: u32) -> Result<u32, MountError> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { u32::from_str_radix(value, radix).ok() } else { None };
    number.ok_or_else(|| MountError::InvalidValue { key: key.to_owned(), value: value.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults() {
        let bind = parse("target=/a").unwrap();
        assert_eq!((bind.kind, bind.read_only, bind.target.as_deref()), (MountKind::Bind, true, Some("/a")));
        assert!(!parse("type=cache,target=/a").unwrap().read_only);
        assert!(!parse("type=bind,target=/a,rw").unwrap().read_only);
        assert!(parse("type=bind,target=/a,rw=false").unwrap().read_only);
    }

    #[test]
    fn all_options() {
        let cache = parse("type=cache,id=x,dst=/a,sharing=Locked,from=b,src=c,mode=0755,uid=1,gid=2,ro").unwrap();
        assert_eq!(cache.sharing, Some(Sharing::Locked));
        assert_eq!((cache.mode, cache.uid, cache.gid), (Some(0o755), Some(1), Some(2)));
        assert_eq!(parse("type=tmpfs,target=/a,size=1.5k").unwrap().size, Some(1536));
        let secret = parse("type=secret,id=x,required,env=TOKEN").unwrap();
        assert_eq!((secret.required, secret.env.as_deref()), (true, Some("TOKEN")));
    }

    #[test]
    fn faults_say_what() {
        for (value, wanted) in [
            ("type=bogus", "unsupported mount type \"bogus\""),
            ("type=bind,target", "the option `target` needs a value: target=…"),
            ("type=bind,target=/a,size=1k", "the option `size` is not allowed for bind mounts"),
            ("type=cache,target=/a,mode=999", "invalid value `999` for mode"),
            ("type=bind,target=/a,uid=1", "the option `uid` is not allowed for bind mounts"),
            ("type=secret", "a secret mount needs one of id, source, target"),
            ("foo=bar", "unknown option `foo` in `foo=bar`"),
        ] {
            assert_eq!(parse(value).unwrap_err().to_string(), wanted);
        }
        assert_eq!(parse("tarrget=/a").unwrap_err().hint().as_deref(), Some("did you mean `target`?"));
    }

    #[test]
    fn values_are_expanded_after_the_cut() {
        let mount = parse_with("target=$A", &mut |text| Ok(text.replace("$A", "/a,ro=false"))).unwrap();
        assert_eq!(mount.target.as_deref(), Some("/a,ro=false"));
    }

    #[test]
    fn from_takes_no_variables() {
        assert!(check_unexpanded("from=a$,target=/a").is_ok());
        assert_eq!(check_unexpanded("from=$X,target=/a"), Err(MountError::VariableInFrom));
    }
}
