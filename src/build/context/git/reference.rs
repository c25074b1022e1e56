use std::path::PathBuf;

use super::GitError;
use super::authorization::Authorization;
use super::command_log::CommandLog;
use super::credentials::Credentials;
use crate::base::boolean;
use crate::base::redaction;

/// The parts of a git address: `URL#ref:folder`, or `URL?ref=…&subdir=…`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitReference {
    /// The address for git. It is stored, hashed and shown, so it does not contain the user and password of http(s).
    pub remote: String,
    pub credentials: Option<Credentials>,
    /// A branch, a tag or a commit; `None` is the default branch.
    pub reference: Option<String>,
    pub subdirectory: Option<PathBuf>,
    /// The commit (or its prefix) that must be found there.
    pub checksum: Option<String>,
    pub keep_git_dir: Option<bool>,
    /// On by default.
    pub submodules: Option<bool>,
    /// Files get the commit's time, or else that of the checkout; `None` if not given.
    pub commit_times: Option<bool>,
    /// Fetches the checksum, or a reference that is a commit, without resolving the reference first.
    pub fetch_by_commit: bool,
    /// The socket of the ssh agent; `None` is the one of the environment. Not part of an address.
    pub ssh_agent: Option<PathBuf>,
    /// The authorization for the server. Not part of an address.
    pub authorization: Option<Authorization>,
    /// A list of certificate authorities that replaces the system's.
    pub authorities: Option<PathBuf>,
    /// Where commands are recorded.
    pub log: Option<CommandLog>,
}

impl GitReference {
    pub fn parse(url: &str) -> Result<Self, GitError> {
        let (rest, fragment) = split(url, '#');
        let (remote, query) = split(rest, '?');
        let (remote, credentials) = Credentials::split_off(remote).map_err(|reason| bad(url, reason.to_owned()))?;
        let mut parsed = Self { remote, credentials, ..Self::default() };
        if let Some(fragment) = fragment {
            let fragment = if rest.contains("://") { decode(fragment) } else { fragment.to_owned() };
            let (reference, folder) = split(&fragment, ':');
            parsed.set_reference(url, reference)?;
            parsed.set_subdirectory(url, folder.unwrap_or_default())?;
        }
        let mut keys: Vec<String> = Vec::new();
        for pair in query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = decode(key);
            if keys.contains(&key) {
                return Err(bad(url, format!("`{key}` is given twice")));
            }
            parsed.take(url, &key, &decode(value))?;
            keys.push(key);
        }
        parsed.check(url)?;
        Ok(parsed)
    }

    /// The same with the checksum of a flag, which must agree with that of the address.
    pub fn with_checksum(mut self, checksum: Option<&str>) -> Result<Self, GitError> {
        let Some(checksum) = checksum else { return Ok(self) };
        match &self.checksum {
            Some(own) if own != checksum => {
                let reason = format!("it has the checksum {own}, and --checksum says {checksum}");
                return Err(bad(&self.remote, reason));
            }
            _ => self.checksum = Some(checksum.to_owned()),
        }
        self.check(&self.remote.clone())?;
        Ok(self)
    }

    /// The address without its password, for messages.
    pub fn shown(&self) -> String {
        redaction::in_text(&self.remote).into_owned()
    }

    fn take(&mut self, url: &str, key: &str, value: &str) -> Result<(), GitError> {
        if value.is_empty() && !matches!(key, "keep-git-dir" | "submodules" | "fetch-by-commit") {
            return Err(bad(url, format!("`{key}` has no value")));
        }
        match key {
            "ref" => self.set_reference(url, value),
            "branch" => self.set_reference(url, &with_prefix("refs/heads/", value)),
            "tag" => self.set_reference(url, &with_prefix("refs/tags/", value)),
            "subdir" => self.set_subdirectory(url, value),
            "mtime" => {
                self.commit_times = Some(match value {
                    "commit" => true,
                    "checkout" => false,
                    _ => return Err(bad(url, format!("`mtime` is commit or checkout, not `{value}`"))),
                });
                Ok(())
            }
            "fetch-by-commit" => {
                let mut flag = None;
                set_flag(url, key, value, &mut flag)?;
                self.fetch_by_commit = flag.unwrap_or_default();
                Ok(())
            }
            "checksum" | "commit" => {
                self.checksum = Some(value.to_owned());
                Ok(())
            }
            "keep-git-dir" => set_flag(url, key, value, &mut self.keep_git_dir),
            "submodules" => set_flag(url, key, value, &mut self.submodules),
            _ => Err(bad(url, format!("`{key}` is not known in its query"))),
        }
    }

    fn set_reference(&mut self, url: &str, value: &str) -> Result<(), GitError> {
        if value.is_empty() {
            return Ok(());
        }
        match &self.reference {
            Some(other) if other != value => Err(bad(url, format!("it asks for `{other}` and for `{value}`"))),
            _ => {
                self.reference = Some(value.to_owned());
                Ok(())
            }
        }
    }

    fn set_subdirectory(&mut self, url: &str, value: &str) -> Result<(), GitError> {
        if value.split('/').any(|name| name == "..") {
            return Err(bad(url, "its folder goes up with `..`".to_owned()));
        }
        let folder: PathBuf = value.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
        if folder.as_os_str().is_empty() {
            return Ok(());
        }
        match &self.subdirectory {
            Some(other) if *other != folder => {
                Err(bad(url, format!("its subdir is `{}` and `{}`", other.display(), folder.display())))
            }
            _ => {
                self.subdirectory = Some(folder);
                Ok(())
            }
        }
    }

    /// Refuses what git could take for an option, or for a program to run.
    fn check(&self, url: &str) -> Result<(), GitError> {
        let authority = match self.remote.split_once("://") {
            Some(("http" | "https" | "ssh" | "git", rest)) => rest.split('/').next().unwrap_or_default(),
            Some((scheme, _)) => return Err(bad(url, format!("`{scheme}` is not a way to fetch"))),
            None => ssh_authority(&self.remote).unwrap_or_default(),
        };
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if host.is_empty() || host.starts_with('-') || authority.starts_with('-') {
            return Err(bad(url, "it names no host".to_owned()));
        }
        let reference = self.reference.as_deref().unwrap_or_default();
        let odd = |character: char| character.is_ascii_control() || " ~^:?*[\\".contains(character);
        if reference.starts_with('-') || reference.contains(odd) || reference.contains("..") {
            return Err(bad(url, format!("`{reference}` cannot be a branch, tag or commit")));
        }
        let checksum = self.checksum.as_deref().unwrap_or("0");
        if checksum.is_empty() || !checksum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad(url, format!("`{checksum}` is not a commit")));
        }
        Ok(())
    }
}

/// `user@host` of `user@host:path`. Git takes everything else without a scheme for a folder or a program.
fn ssh_authority(remote: &str) -> Option<&str> {
    let (authority, path) = remote.split_once(':')?;
    let is_address = authority.ends_with("@[");
    let is_host = authority.contains('@') && !authority.contains('/') && (is_address || !path.starts_with(':'));
    is_host.then_some(authority)
}

pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn set_flag(url: &str, key: &str, value: &str, flag: &mut Option<bool>) -> Result<(), GitError> {
    let said = if value.is_empty() { Some(true) } else { boolean(value) };
    *flag = Some(said.ok_or_else(|| bad(url, format!("`{key}` is true or false, not `{value}`")))?);
    Ok(())
}

fn bad(url: &str, reason: String) -> GitError {
    GitError::Address { url: redaction::in_text(url).into_owned(), reason }
}

fn with_prefix(prefix: &str, name: &str) -> String {
    format!("{prefix}{}", name.strip_prefix(prefix).unwrap_or(name))
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// Decodes percent-encoding; invalid sequences stay as they are.
pub(in crate::build::context) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let encoded = (bytes[index] == b'%').then(|| bytes.get(index + 1..index + 3)).flatten();
        let byte = encoded.and_then(|digits| std::str::from_utf8(digits).ok());
        match byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                index += 3;
            }
            None => {
                out.push(bytes[index]);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_and_queries_say_the_same() {
        let cases = [
            ("https://host/r.git", None, None),
            ("https://host/r.git#main", Some("main"), None),
            ("https://host/r.git#main:docs/a", Some("main"), Some("docs/a")),
            ("https://host/r.git#:docs/", None, Some("docs")),
            ("https://host/r.git?ref=main&subdir=docs%2Fa", Some("main"), Some("docs/a")),
            ("https://host/r.git?branch=x", Some("refs/heads/x"), None),
            ("https://host/r.git?tag=v1#:d", Some("refs/tags/v1"), Some("d")),
            ("git@host:r.git#v1", Some("v1"), None),
            ("git@[::1]:r.git#v1", Some("v1"), None),
            ("git@host:r.git?ref=v1&subdir=d", Some("v1"), Some("d")),
            ("https://host/r.git?tag=refs/tags/v1#refs/tags/v1:d%20e", Some("refs/tags/v1"), Some("d e")),
            ("ssh://git@host:22/r.git", None, None),
        ];
        for (url, reference, subdirectory) in cases {
            let parsed = GitReference::parse(url).unwrap();
            assert_eq!(parsed.reference.as_deref(), reference, "{url}");
            assert_eq!(parsed.subdirectory, subdirectory.map(PathBuf::from), "{url}");
            assert!(!parsed.remote.contains(['#', '?']), "{url}");
        }
        let parsed = GitReference::parse("https://h/r.git?keep-git-dir&submodules=false&checksum=abcdef1").unwrap();
        assert_eq!((parsed.keep_git_dir, parsed.submodules), (Some(true), Some(false)));
        assert_eq!(parsed.checksum.as_deref(), Some("abcdef1"));
        assert!(parsed.clone().with_checksum(Some("abcdef1")).is_ok());
        assert!(parsed.clone().with_checksum(None).is_ok());
        assert!(parsed.with_checksum(Some("abcdef")).is_err());
        let parsed = GitReference::parse("https://h/r.git?mtime=commit&fetch-by-commit").unwrap();
        assert_eq!((parsed.commit_times, parsed.fetch_by_commit), (Some(true), true));
    }

    #[test]
    fn what_git_could_misunderstand_is_refused() {
        for url in [
            "ext::sh -c whoami://x",
            "file:///etc/r.git",
            "ssh://-oProxyCommand=x/r.git",
            "-x",
            "git@-oProxyCommand=x:r.git",
            "ssh://-oProxyCommand=x/r@h.git",
            "ssh://-x@h/r.git",
            "ext::sh -c whoami",
            "git@h::x",
            "/srv/r.git",
            "a/git@h:r.git",
            "r.git",
            "https://h/r.git#--upload-pack=x",
            "https://h/r.git#a..b",
            "https://h/r.git#main:../up",
            "https://h/r.git?what=ever",
            "https://h/r.git?ref=a#b",
            "https://h/r.git?ref=",
            "https://h/r.git?branch=a&tag=a",
            "https://h/r.git?branch=a&branch=a",
            "https://h/r.git?subdir=lib#main:lib/deep",
            "https://h/r.git?mtime=never",
            "https://h/r.git?fetch-by-commit=maybe",
            "https://h/r.git?submodules=maybe",
            "https://h/r.git?checksum=xyz",
        ] {
            assert!(GitReference::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let error = GitReference::parse("https://me:secret@h/r.git?what=1").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        let parsed = GitReference::parse("https://me:secret@h/r.git").unwrap();
        assert_eq!(parsed.shown(), "https://h/r.git");
        assert!(parsed.credentials.is_some() && !format!("{parsed:?}").contains("secret"), "{parsed:?}");
    }
}
