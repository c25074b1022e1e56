//! A cache in Microsoft's or Google's storage, whose objects are read and written whole.

mod options;
mod shared_key;

use std::io::Read;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::{Method, Response};

use super::object_server::{BucketError, ObjectServer, Payload, size_of};
use super::place::{BlobContent, Place, PlaceError, read_bounded};
use crate::base::digest::BlobDigest;
use crate::image::Descriptor;
use crate::transport::cloud::{self, Expiring};

pub use options::{ObjectOptions, Service};

/// The version of Azure's protocol.
const VERSION: &str = "2023-11-03";

pub struct Objects {
    options: ObjectOptions,
    server: ObjectServer,
    /// The last token from the environment, the machine or the pod.
    token: Mutex<Option<Expiring<String>>>,
}

impl Objects {
    pub fn new(options: ObjectOptions) -> Result<Self, BucketError> {
        let server = ObjectServer::at(options.address())?;
        Ok(Self { options, server, token: Mutex::default() })
    }

    fn blob_key(&self, digest: &BlobDigest) -> String {
        self.options.key(&self.options.blobs_prefix, &format!("sha256/{}", digest.hex()))
    }

    fn manifest_key(&self) -> String {
        self.options.key(&self.options.manifests_prefix, &self.options.name)
    }

    /// An empty key is the container itself.
    fn request_once(&self, method: &Method, key: &str, payload: &Payload<'_>) -> Result<Response, PlaceError> {
        let mut url = self.server.url(key);
        let is_container = key.is_empty();
        let query: &[(&str, &str)] = if is_container { &[("restype", "container")] } else { &[] };
        if is_container {
            url.set_query(Some("restype=container"));
        }
        let path = url.path().to_owned();
        let mut headers = Vec::new();
        if let Service::Azure { .. } = self.options.service {
            if *method == Method::PUT && !is_container {
                headers.push(("x-ms-blob-type", "BlockBlob".to_owned()));
            }
            let now = Timestamp::now().to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            headers.extend([("x-ms-date", now), ("x-ms-version", VERSION.to_owned())]);
        }
        let unsigned = shared_key::Unsigned {
            method: method.as_str(),
            length: payload.size(),
            headers: &headers,
            path: &path,
            query,
        };
        let authorization = self.authorization(&unsigned)?;
        self.server.send((method, url), headers.into_iter().chain(authorization), payload)
    }

    /// The authorization of a request. Google's buckets may be public.
    fn authorization(
        &self,
        unsigned: &shared_key::Unsigned<'_>,
    ) -> Result<Option<(&'static str, String)>, BucketError> {
        let bucket = || self.options.shown();
        if let Service::Azure { account, key: Some(key), .. } = &self.options.service {
            let signed = shared_key::sign(unsigned, account, key);
            return signed
                .map(|signed| Some(("authorization", signed)))
                .ok_or_else(|| BucketError::Key { bucket: bucket() });
        }
        let bearer = |token: &Expiring<String>| ("authorization", format!("Bearer {}", token.value));
        let mut known = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = known.as_ref().filter(|token| token.is_good()) {
            return Ok(Some(bearer(token)));
        }
        let asked = match self.options.service {
            Service::Azure { .. } => cloud::azure_storage_token(&cloud::environment),
            Service::Google { .. } => cloud::google_token(&cloud::environment),
        };
        let asked = asked.map_err(|source| BucketError::Identity { bucket: bucket(), source })?;
        match (asked, &self.options.service) {
            (Some(token), _) => Ok(Some(bearer(known.insert(token)))),
            (None, Service::Google { .. }) => Ok(None),
            (None, Service::Azure { .. }) => Err(BucketError::NoCredentials { bucket: bucket() }),
        }
    }

    /// A successful response; `None` if there is no such object.
    fn object(&self, method: Method, key: &str, payload: &Payload<'_>) -> Result<Option<Response>, PlaceError> {
        let response = self.server.persist(|| self.request_once(&method, key, payload))?;
        if response.status().is_success() {
            return Ok(Some(response));
        }
        if response.status().as_u16() == 404 && payload.size() == 0 && method != Method::PUT {
            return Ok(None);
        }
        Err(self.server.refusal(response, method, key).into())
    }

    /// Uploads an object; like BuildKit, makes Azure's container if there is none.
    fn put(&self, key: &str, payload: &Payload<'_>) -> Result<(), PlaceError> {
        let is_azure = matches!(self.options.service, Service::Azure { .. });
        match self.object(Method::PUT, key, payload) {
            Err(PlaceError::Bucket(BucketError::Status { status: 404, ref message, .. }))
                if is_azure && message.starts_with("ContainerNotFound") =>
            {
                match self.object(Method::PUT, "", &Payload::Nothing) {
                    // Another builder was faster.
                    Err(PlaceError::Bucket(BucketError::Status { status: 409, .. })) => {}
                    made => drop(made?),
                }
                self.object(Method::PUT, key, payload).map(drop)
            }
            put => put.map(drop),
        }
    }
}

impl Place for Objects {
    fn shown(&self) -> String {
        self.options.shown()
    }

    fn source(&self) -> String {
        self.options.source()
    }

    fn manifest(&self, limit: u64) -> Result<Option<Vec<u8>>, PlaceError> {
        match self.object(Method::GET, &self.manifest_key(), &Payload::Nothing)? {
            Some(response) => read_bounded(self.server.reader(response), "the manifest", limit).map(Some),
            None => Ok(None),
        }
    }

    fn blob_size(&self, digest: &BlobDigest) -> Result<Option<u64>, PlaceError> {
        let response = self.object(Method::HEAD, &self.blob_key(digest), &Payload::Nothing)?;
        Ok(response.as_ref().map(size_of))
    }

    fn open_blob(&self, digest: &BlobDigest) -> Result<Box<dyn Read + Send>, PlaceError> {
        match self.object(Method::GET, &self.blob_key(digest), &Payload::Nothing)? {
            Some(response) => Ok(self.server.reader(response)),
            None => Err(PlaceError::NoBlob { digest: *digest }),
        }
    }

    fn put_blob(&self, blob: &Descriptor, content: &BlobContent<'_>) -> Result<(), PlaceError> {
        self.put(&self.blob_key(&blob.digest), &Payload::Blob(blob, content))
    }

    fn put_manifest(&self, bytes: &[u8]) -> Result<(), PlaceError> {
        self.put(&self.manifest_key(), &Payload::Bytes(bytes))
    }
}
