//! The location of a cache in Microsoft's or Google's storage.

use crate::transport::cloud::sigv4::escape_path;

const SCHEME: &str = "objects:";
/// Google's server.
const GOOGLE: &str = "https://storage.googleapis.com";

/// A container or bucket, and the name of a cache in it.
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectOptions {
    pub service: Service,
    pub prefix: String,
    pub blobs_prefix: String,
    pub manifests_prefix: String,
    pub name: String,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Service {
    Azure {
        /// `https://ACCOUNT.blob.core.windows.net`
        account_url: String,
        account: String,
        container: String,
        /// The account's key; without it the identity of the job, the pod or the machine is used.
        key: Option<String>,
    },
    Google {
        bucket: String,
    },
}

/// Never shows the key.
impl std::fmt::Debug for ObjectOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl ObjectOptions {
    /// With default names.
    pub fn new(service: Service) -> Self {
        Self {
            service,
            prefix: String::new(),
            blobs_prefix: "blobs".to_owned(),
            manifests_prefix: "manifests".to_owned(),
            name: "buildkit".to_owned(),
        }
    }

    /// The address of the container or bucket.
    pub(super) fn address(&self) -> String {
        match &self.service {
            Service::Azure { account_url, container, .. } => {
                format!("{}/{}", account_url.trim_end_matches('/'), escape_path(container))
            }
            Service::Google { bucket } => {
                let set = std::env::var("STORAGE_EMULATOR_HOST").ok().filter(|server| !server.is_empty());
                let server = set.unwrap_or_else(|| GOOGLE.to_owned());
                let server = if server.contains("://") { server } else { format!("http://{server}") };
                format!("{}/{}", server.trim_end_matches('/'), escape_path(bucket))
            }
        }
    }

    pub(super) fn key(&self, folder: &str, name: &str) -> String {
        let parts = [self.prefix.as_str(), folder, name].map(|part| part.trim_matches('/'));
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    }

    pub(in crate::build::remote_cache) fn shown(&self) -> String {
        let key = self.key("", &self.name);
        match &self.service {
            Service::Azure { account, container, .. } => format!("azblob://{account}/{container}/{key}"),
            Service::Google { bucket } => format!("gs://{bucket}/{key}"),
        }
    }

    pub(in crate::build::remote_cache) fn kind(&self) -> &'static str {
        match self.service {
            Service::Azure { .. } => "Azure Blob Storage",
            Service::Google { .. } => "Google Cloud Storage",
        }
    }

    /// What the store keeps: everything to find a blob again, without secrets.
    pub(in crate::build::remote_cache) fn source(&self) -> String {
        let (account_url, account, container) = match &self.service {
            Service::Azure { account_url, account, container, .. } => {
                (account_url.as_str(), account.as_str(), container)
            }
            Service::Google { bucket } => ("", "", bucket),
        };
        let place = serde_json::json!([account_url, account, container, self.prefix, self.blobs_prefix]);
        format!("{SCHEME}{place}")
    }

    /// The place behind a [`Self::source`].
    pub(in crate::build::remote_cache) fn of_source(source: &str) -> Option<Self> {
        type Kept = (String, String, String, String, String);
        let (account_url, account, container, prefix, blobs_prefix): Kept =
            serde_json::from_str(source.strip_prefix(SCHEME)?).ok()?;
        let service = match account_url.is_empty() {
            true => Service::Google { bucket: container },
            false => Service::Azure { account_url, account, container, key: None },
        };
        Some(Self { prefix, blobs_prefix, ..Self::new(service) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_finds_the_place_again_and_learns_no_secret() {
        let azure = Service::Azure {
            account_url: "https://me.blob.core.windows.net/".to_owned(),
            account: "me".to_owned(),
            container: "c".to_owned(),
            key: Some("hunter2".to_owned()),
        };
        for service in [azure, Service::Google { bucket: "b".to_owned() }] {
            let options = ObjectOptions { prefix: "ci/".to_owned(), ..ObjectOptions::new(service) };
            assert!(!options.source().contains("hunter2") && !format!("{options:?}").contains("hunter2"));
            let found = ObjectOptions::of_source(&options.source()).unwrap();
            assert_eq!((found.address(), found.key("x", "y")), (options.address(), "ci/x/y".to_owned()));
        }
        assert!(ObjectOptions::of_source("s3:[]").is_none());
    }
}
