//! A certificate authority that RUN steps trust besides those of their image (`--ca-cert`): files mounted over the
//! lists that programs read, and variables for programs with their own list. None of it is in a layer, a config or a
//! key: it affects how a step reaches the network, not its result.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::container::sandbox;
use crate::image::layer::FileKind;
use crate::store::snapshot::{SnapshotError, View};

use super::authority::Authority;
use super::java_certificates as java;
use super::mounts::Mounted;

/// Text lists: Debian and Alpine, Fedora (two names), openSUSE, Alpine's and OpenSSL's own.
const LISTS: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/lib/ssl/cert.pem",
];
/// Java's lists: Debian, Fedora.
const JAVA_LISTS: [&str; 2] = ["/etc/ssl/certs/java/cacerts", "/etc/pki/ca-trust/extracted/java/cacerts"];
/// Where JDKs are, each in its own folder.
const JAVA_FOLDERS: [&str; 3] = ["/usr/lib/jvm", "/opt/java", "/opt"];
/// Below a JDK or a JRE.
const JAVA_LIST: [&str; 2] = ["lib/security/cacerts", "jre/lib/security/cacerts"];
/// The authority alone, for programs that add it to their own list; and with all others.
const ALONE: &str = "/run/rbuild/ca.pem";
const WITH_OTHERS: &str = "/run/rbuild/ca-bundle.pem";
/// Node.js and Deno add it to their own list; the other programs read the bundle instead of theirs.
const ADDING: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"];
const REPLACING: [&str; 8] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "NIX_SSL_CERT_FILE",
];
/// The size limit of a certificate list.
const MOST_BYTES: u64 = 32 << 20;

/// Lets programs in this root filesystem trust the authority.
pub(super) fn add(
    authority: &Authority,
    view: &View,
    environment: &[(String, String)],
    mounted: &mut Mounted,
) -> Result<(), SnapshotError> {
    let mut done = BTreeSet::new();
    let mut first = None;
    for list in LISTS {
        if let Some((path, content)) = read(view, list, &mut done)? {
            let content = joined(&content, &authority.pem);
            first.get_or_insert_with(|| content.clone());
            mounted.mounts.push(file(&path, content));
        }
    }
    let together = first.unwrap_or_else(|| authority.bundle.clone());
    for list in java_lists(view, environment)? {
        if let Some((path, content)) = read(view, &list, &mut done)?
            && let Some(content) = java::with(&content, &authority.certificates)
        {
            mounted.mounts.push(file(&path, content));
        }
    }
    for (target, content, names) in
        [(ALONE, authority.pem.clone(), &ADDING[..]), (WITH_OTHERS, together, &REPLACING[..])]
    {
        mounted.mounts.push(file(Path::new(target), content));
        mounted.defaults.extend(names.iter().map(|name| ((*name).to_owned(), target.to_owned())));
    }
    Ok(())
}

/// Reads the file behind a path, once.
fn read(view: &View, path: &str, done: &mut BTreeSet<PathBuf>) -> Result<Option<(PathBuf, Vec<u8>)>, SnapshotError> {
    let resolved = view.resolve(Path::new(""), Path::new(path))?;
    let entry = view.lstat(&resolved)?.filter(|entry| entry.kind == FileKind::Regular);
    let Some(entry) = entry.filter(|_| done.insert(resolved.clone())) else { return Ok(None) };
    let content = view.read_file(&resolved, &entry, MOST_BYTES)?;
    Ok(Some((Path::new("/").join(resolved), content)))
}

fn java_lists(view: &View, environment: &[(String, String)]) -> Result<Vec<String>, SnapshotError> {
    let mut lists: Vec<String> = JAVA_LISTS.map(str::to_owned).to_vec();
    let home = environment.iter().find(|(name, _)| name == "JAVA_HOME").map(|(_, folder)| folder.clone());
    let mut homes: Vec<String> = home.into_iter().collect();
    for folder in JAVA_FOLDERS {
        let resolved = view.resolve(Path::new(""), Path::new(folder))?;
        if view.lstat(&resolved)?.is_some_and(|entry| entry.is_dir()) {
            let names = view.read_dir(&resolved).unwrap_or_default().into_iter();
            let names = names.filter_map(|(name, _)| name.into_string().ok());
            homes.extend(names.map(|name| format!("{folder}/{name}")));
        }
    }
    lists.extend(homes.iter().flat_map(|home| JAVA_LIST.map(|list| format!("{}/{list}", home.trim_end_matches('/')))));
    Ok(lists)
}

fn joined(list: &[u8], own: &[u8]) -> Vec<u8> {
    let end: &[u8] = if list.ends_with(b"\n") { b"" } else { b"\n" };
    [list, end, own].concat()
}

fn file(target: &Path, content: Vec<u8>) -> sandbox::Mount {
    sandbox::Mount {
        target: target.to_owned(),
        source: sandbox::MountSource::File { content, mode: 0o644, uid: 0, gid: 0, is_program: false },
        read_only: true,
        shallow: false,
        lasting: false,
    }
}
