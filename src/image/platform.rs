//! Platforms, such as `linux/arm64/v8`, read and normalised as github.com/containerd/platforms does;
//! `shared/corpus/platforms.jsonl` was measured from it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::host::host_platform;
use super::json;

/// What an image runs on. The field names are those of a descriptor's `platform` (image-spec, image-index.md).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// Such as `amd64`, as Go calls it.
    #[serde(default, deserialize_with = "json::or_default")]
    pub architecture: String,
    /// Such as `linux`.
    #[serde(default, deserialize_with = "json::or_default")]
    pub os: String,
    #[serde(
        default,
        rename = "os.version",
        deserialize_with = "json::or_default",
        skip_serializing_if = "String::is_empty"
    )]
    /// The version of Windows.
    pub os_version: String,
    #[serde(
        default,
        rename = "os.features",
        deserialize_with = "json::or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    /// What the operating system must have.
    pub os_features: Vec<String>,
    /// Such as `v7`, of an architecture.
    #[serde(default, deserialize_with = "json::or_default", skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// Why a text is not a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum InvalidPlatform {
    /// containerd accepts `*` only in a matcher, never in a platform that is built or pulled.
    #[error("invalid platform `{text}`: wildcards are not supported")]
    Wildcard { text: String },
    #[error("invalid platform `{text}`: `{os}` is not an operating system")]
    Os { text: String, os: String },
    #[error("invalid platform `{text}`: the operating system's version has the invalid escape `{escape}`")]
    Escape { text: String, escape: String },
    #[error("invalid platform `{text}`: `{part}` is neither an architecture nor a variant")]
    Part { text: String, part: String },
    #[error("invalid platform `{text}`: unknown operating system or architecture")]
    Unknown { text: String },
    #[error("invalid platform `{text}`: the form is os/architecture/variant")]
    TooManyParts { text: String },
}

const KNOWN_OS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
    "zos",
];

const KNOWN_ARCHITECTURES: &[&str] = &[
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "armbe",
    "arm64",
    "arm64be",
    "ppc64",
    "ppc64le",
    "loong64",
    "mips",
    "mipsle",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "ppc",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

impl Platform {
    /// An empty `variant` is none.
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
            ..Self::default()
        }
    }

    /// The same platform under its common name: `linux/x86_64/v1` is `linux/amd64`.
    pub fn normalized(&self) -> Self {
        let (architecture, variant) = normalize_architecture(&self.architecture, &self.variant);
        let mut os_features = self.os_features.clone();
        os_features.sort();
        os_features.dedup();
        Self { architecture, variant, os: normalize_os(&self.os), os_version: self.os_version.clone(), os_features }
    }

    /// The form with the operating system's version and features: `windows(10.0.17763+win32k)/amd64`.
    pub fn full(&self) -> String {
        if self.os_version.is_empty() && self.os_features.is_empty() {
            return self.to_string();
        }
        let mut features = self.os_features.clone();
        features.sort();
        let features: String = features.iter().map(|feature| format!("+{}", escape(feature))).collect();
        let os = format!("{}({}{features})", self.os, escape(&self.os_version));
        [os.as_str(), &self.architecture, &self.variant]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("/")
    }
}

impl fmt::Display for Platform {
    /// `os/architecture`, and `/variant` where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

impl FromStr for Platform {
    type Err = InvalidPlatform;

    /// Parses `os`, `architecture`, `os/architecture` or `os/architecture/variant`. Missing parts are the host's.
    fn from_str(text: &str) -> Result<Self, InvalidPlatform> {
        if text.contains('*') {
            return Err(InvalidPlatform::Wildcard { text: text.to_owned() });
        }
        let parts: Vec<&str> = text.split('/').collect();
        let os = parse_os(parts[0], text)?;
        if let Some(part) = parts[1..].iter().find(|part| !is_specifier(part)) {
            return Err(InvalidPlatform::Part { text: text.to_owned(), part: (*part).to_owned() });
        }
        let (architecture, variant) = match parts[1..] {
            [] => return complete(os, text),
            [architecture] => without_default_variant(normalize_architecture(architecture, "")),
            [architecture, variant] => match normalize_architecture(architecture, variant) {
                (architecture, variant) if architecture == "arm64" && variant.is_empty() => {
                    (architecture, "v8".to_owned())
                }
                both => both,
            },
            _ => return Err(InvalidPlatform::TooManyParts { text: text.to_owned() }),
        };
        Ok(Self { architecture, variant, ..os })
    }
}

/// A platform of which only one word was given: an operating system or an architecture.
fn complete(os: Platform, text: &str) -> Result<Platform, InvalidPlatform> {
    let host = host_platform();
    if KNOWN_OS.contains(&os.os.as_str()) {
        let (architecture, variant) = without_default_variant((host.architecture, host.variant));
        return Ok(Platform { architecture, variant, ..os });
    }
    let (architecture, variant) = without_default_variant(normalize_architecture(text, ""));
    if KNOWN_ARCHITECTURES.contains(&architecture.as_str()) {
        return Ok(Platform::new(&host.os, &architecture, &variant));
    }
    Err(InvalidPlatform::Unknown { text: text.to_owned() })
}

/// `os`, `os(version)` or `os(version+feature+feature)`, percent-encoded within the parentheses.
fn parse_os(part: &str, text: &str) -> Result<Platform, InvalidPlatform> {
    let invalid = || InvalidPlatform::Os { text: text.to_owned(), os: part.to_owned() };
    let (os, inner) = match part.split_once('(') {
        Some((os, rest)) => (os, rest.strip_suffix(')').ok_or_else(invalid)?),
        None => (part, ""),
    };
    let is_os = !os.is_empty() && os.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    let mut words = inner.split('+');
    let version = words.next().unwrap_or_default();
    let is_word = |word: &str| word.bytes().all(|b| b == b'%' || is_specifier_byte(b));
    let features: Vec<&str> = words.collect();
    if !is_os || !is_word(version) || features.iter().any(|feature| feature.is_empty() || !is_word(feature)) {
        return Err(invalid());
    }
    let unescaped =
        |word: &str| unescape(word).map_err(|escape| InvalidPlatform::Escape { text: text.to_owned(), escape });
    Ok(Platform {
        os: normalize_os(os),
        os_version: unescaped(version)?,
        os_features: features.into_iter().map(unescaped).collect::<Result<_, _>>()?,
        ..Platform::default()
    })
}

fn is_specifier(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(is_specifier_byte)
}

fn is_specifier_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

fn normalize_os(os: &str) -> String {
    match os.to_ascii_lowercase() {
        os if os.is_empty() => host_platform().os,
        os if os == "macos" => "darwin".to_owned(),
        os => os,
    }
}

fn normalize_architecture(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = (architecture.to_ascii_lowercase(), variant.to_ascii_lowercase());
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
        ("aarch64" | "arm64", variant) => ("arm64", variant),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        same => same,
    };
    (architecture.to_owned(), variant.to_owned())
}

/// `arm` alone means v7, and is written without it.
fn without_default_variant((architecture, variant): (String, String)) -> (String, String) {
    if architecture == "arm" && variant == "v7" { (architecture, String::new()) } else { (architecture, variant) }
}

fn escape(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for byte in word.bytes() {
        if is_specifier_byte(byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The word with its percent escapes resolved, or the first invalid escape.
fn unescape(word: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some(at) = rest.find('%') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let wrong = || rest[at..].chars().take(3).collect::<String>();
        let digits = rest.get(at + 1..at + 3).ok_or_else(wrong)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        rest = &rest[at + 3..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).map_err(|_| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_is_completed_by_the_host() {
        let host = host_platform();
        assert_eq!("linux".parse::<Platform>().unwrap().architecture, host.architecture);
        assert_eq!("arm64".parse::<Platform>().unwrap(), Platform::new("linux", "arm64", ""));
        assert!("armv7".parse::<Platform>().is_err());
    }

    #[test]
    fn versions_and_features_survive() {
        let platform: Platform = "windows(a+b+a)/amd64".parse().unwrap();
        assert_eq!(platform.full(), "windows(a+a+b)/amd64");
        assert_eq!(platform.normalized().full(), "windows(a+a+b)/amd64");
        assert_eq!(platform.to_string(), "windows/amd64");
        assert!("windows(1%zz)/amd64".parse::<Platform>().is_err());
    }
}
