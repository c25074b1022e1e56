//! The location and credentials of a bucket.

use crate::transport::cloud::sigv4::Credentials;

const SCHEME: &str = "s3:";
const DEFAULT_REGION: &str = "us-east-1";

/// A bucket, and the name of a cache in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketOptions {
    pub bucket: String,
    pub region: String,
    /// A server other than Amazon's.
    pub endpoint: Option<String>,
    /// Use `SERVER/BUCKET` instead of `BUCKET.SERVER`.
    pub path_style: bool,
    pub prefix: String,
    pub blobs_prefix: String,
    pub manifests_prefix: String,
    pub name: String,
    /// Credentials from the user; otherwise they come from the sources of Amazon's own tools.
    pub given: Option<Credentials>,
}

/// An object of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketObject {
    pub bucket: BucketOptions,
    pub key: String,
}

impl BucketObject {
    pub fn shown(&self) -> String {
        format!("s3://{}/{}", self.bucket.bucket, self.key)
    }
}

impl BucketOptions {
    /// The bucket with default options. A server without a DNS name cannot have buckets as subdomains.
    pub fn new(bucket: &str) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            bucket: bucket.to_owned(),
            region: variable("AWS_REGION").or(variable("AWS_DEFAULT_REGION")).unwrap_or(DEFAULT_REGION.to_owned()),
            endpoint: variable("AWS_ENDPOINT_URL_S3").or(variable("AWS_ENDPOINT_URL")),
            path_style: false,
            prefix: String::new(),
            blobs_prefix: "blobs/".to_owned(),
            manifests_prefix: "manifests/".to_owned(),
            name: "buildkit".to_owned(),
            given: None,
        }
    }

    pub(super) fn address(&self) -> String {
        let Some(endpoint) = &self.endpoint else {
            return match self.path_style {
                true => format!("https://s3.{}.amazonaws.com/{}", self.region, self.bucket),
                false => format!("https://{}.s3.{}.amazonaws.com", self.bucket, self.region),
            };
        };
        let endpoint = endpoint.trim_end_matches('/');
        let (scheme, server) = endpoint.split_once("://").unwrap_or(("https", endpoint));
        let host = server.split(['/', ':']).next().unwrap_or_default();
        let has_no_name = host == "localhost" || server.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
        if self.path_style || has_no_name {
            format!("{scheme}://{server}/{}", self.bucket)
        } else {
            format!("{scheme}://{}.{server}", self.bucket)
        }
    }

    pub(super) fn shown(&self) -> String {
        format!("s3://{}/{}{}", self.bucket, self.prefix, self.name)
    }

    /// What the store keeps: everything to find a blob again, without secrets.
    pub(super) fn source(&self) -> String {
        let place = serde_json::json!([
            self.bucket,
            self.region,
            self.endpoint,
            self.path_style,
            self.prefix,
            self.blobs_prefix,
        ]);
        format!("{SCHEME}{place}")
    }

    /// The bucket behind a [`Self::source`].
    pub(super) fn of_source(source: &str) -> Option<Self> {
        type Kept = (String, String, Option<String>, bool, String, String);
        let (bucket, region, endpoint, path_style, prefix, blobs_prefix): Kept =
            serde_json::from_str(source.strip_prefix(SCHEME)?).ok()?;
        Some(Self { region, endpoint, path_style, prefix, blobs_prefix, ..Self::new(&bucket) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket() -> BucketOptions {
        let region = "eu-west-1".to_owned();
        BucketOptions { region, endpoint: None, prefix: "ci/".to_owned(), ..BucketOptions::new("b") }
    }

    #[test]
    fn addresses() {
        let with = |endpoint: &str, path_style| {
            BucketOptions { endpoint: Some(endpoint.to_owned()), path_style, ..bucket() }.address()
        };
        assert_eq!(bucket().address(), "https://b.s3.eu-west-1.amazonaws.com");
        assert_eq!(with("http://127.0.0.1:9000", false), "http://127.0.0.1:9000/b");
        assert_eq!(with("https://minio.example/", true), "https://minio.example/b");
        assert_eq!(with("https://minio.example", false), "https://b.minio.example");
    }

    #[test]
    fn the_store_finds_the_bucket_again_and_learns_no_secret() {
        let secret = Credentials {
            access_key_id: "id".to_owned(),
            secret_access_key: "hunter2".to_owned(),
            session_token: None,
        };
        let bucket = BucketOptions { given: Some(secret), ..bucket() };
        let source = bucket.source();
        assert!(!source.contains("hunter2"));
        let found = BucketOptions::of_source(&source).unwrap();
        assert_eq!((found.address(), found.prefix.as_str()), (bucket.address(), "ci/"));
        assert_eq!(BucketOptions::of_source("folder:/x"), None);
    }
}
