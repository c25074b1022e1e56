//! Folders of certificates, as docker reads them: `certs.d/HOST[:PORT]/` with `*.crt` for authorities, and `*.cert`
//! with a `*.key` of the same name for the client.

use std::path::{Path, PathBuf};

/// The certificates for one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificates {
    pub authorities: Vec<PathBuf>,
    /// The client's certificate and key.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl Certificates {
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let client = self.client.iter().flat_map(|(certificate, key)| [certificate, key]);
        self.authorities.iter().chain(client).map(PathBuf::as_path)
    }

    /// The folder's certificates; `None` if it does not exist or has none.
    pub fn read(folder: &Path) -> Option<Self> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
        files.sort();
        let mut found = Self::default();
        for path in files {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => found.authorities.push(path),
                Some("cert") if path.with_extension("key").is_file() => {
                    let key = path.with_extension("key");
                    found.client.get_or_insert((path, key));
                }
                _ => {}
            }
        }
        Some(found).filter(|found| *found != Self::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_extensions() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Certificates::read(folder.path()), None);
        for name in ["ca.crt", "client.cert", "client.key", "lonely.cert", "notes.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = Certificates::read(folder.path()).unwrap();
        assert_eq!(found.authorities, [folder.path().join("ca.crt")]);
        assert_eq!(found.client.unwrap().1, folder.path().join("client.key"));
        assert_eq!(Certificates::read(Path::new("/nonexistent")), None);
    }
}
