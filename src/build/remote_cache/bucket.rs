//! A cache in a bucket of S3 or a compatible service.

use std::io::Read;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use reqwest::{Method, Response};

use super::bucket_options::{BucketObject, BucketOptions};
use super::multipart::THRESHOLD;
use super::object_server::{BucketError, ObjectServer, Payload, host_and_port, size_of};
use super::place::{BlobContent, Place, PlaceError, read_bounded};
use crate::base::digest::BlobDigest;
use crate::image::Descriptor;
use crate::transport::cloud::sigv4::{Credentials, Unsigned, sign};
use crate::transport::cloud::{self, Expiring};

pub struct Bucket {
    options: BucketOptions,
    server: ObjectServer,
    /// The last credentials from the environment, the machine or the pod.
    found: Mutex<Option<Expiring<Credentials>>>,
}

/// One request.
pub(super) struct Ask<'a> {
    pub method: Method,
    pub key: &'a str,
    /// Escaped, and in the order for signing.
    pub query: &'a str,
    pub payload: &'a Payload<'a>,
}

impl Bucket {
    pub fn new(options: BucketOptions) -> Result<Self, BucketError> {
        let server = ObjectServer::at(options.address())?;
        Ok(Self { options, server, found: Mutex::default() })
    }

    /// The given credentials, or those that Amazon's own tools would find here, until they expire.
    fn credentials(&self) -> Result<Credentials, BucketError> {
        if let Some(given) = &self.options.given {
            return Ok(given.clone());
        }
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = found.as_ref().filter(|known| known.is_good()) {
            return Ok(known.value.clone());
        }
        let bucket = || self.options.bucket.clone();
        let asked = cloud::aws_credentials(&cloud::environment);
        let asked = asked.map_err(|source| BucketError::Identity { bucket: bucket(), source })?;
        let asked = asked.ok_or_else(|| BucketError::NoCredentials { bucket: bucket() })?;
        Ok(found.insert(asked).value.clone())
    }

    fn blob_key(&self, digest: &BlobDigest) -> String {
        format!("{}{}sha256/{}", self.options.prefix, self.options.blobs_prefix, digest.hex())
    }

    fn manifest_key(&self) -> String {
        format!("{}{}{}", self.options.prefix, self.options.manifests_prefix, self.options.name)
    }

    fn request_once(&self, ask: &Ask<'_>) -> Result<Response, PlaceError> {
        let Ask { method, key, query, payload } = ask;
        let credentials = self.credentials()?;
        let mut url = self.server.url(key);
        url.set_query(Some(*query).filter(|query| !query.is_empty()));
        let (host, path, sha256) = (host_and_port(&url), url.path().to_owned(), payload.sha256());
        let unsigned = Unsigned {
            method: method.as_str(),
            host: &host,
            path: &path,
            query,
            payload: &sha256,
            region: &self.options.region,
            service: "s3",
            target: None,
        };
        self.server.send((method, url), sign(&unsigned, &credentials, Timestamp::now()), payload)
    }

    /// A successful response; `None` if there is no such object.
    pub(super) fn good(&self, ask: &Ask<'_>) -> Result<Option<Response>, PlaceError> {
        let response = self.server.persist(|| self.request_once(ask))?;
        let status = response.status();
        if status.is_success() {
            return Ok(Some(response));
        }
        if status.as_u16() == 404 && ask.payload.size() == 0 {
            return Ok(None);
        }
        Err(self.server.refusal(response, ask.method.clone(), ask.key).into())
    }

    /// The same for a whole object.
    fn object(&self, method: Method, key: &str, payload: &Payload<'_>) -> Result<Option<Response>, PlaceError> {
        self.good(&Ask { method, key, query: "", payload })
    }

    pub(super) fn host(&self) -> String {
        self.server.host()
    }

    pub(super) fn reader(&self, response: Response) -> Box<dyn Read + Send> {
        self.server.reader(response)
    }
}

/// The bytes of an object.
pub fn open_object(object: &BucketObject) -> Result<Box<dyn Read + Send>, PlaceError> {
    let bucket = Bucket::new(object.bucket.clone())?;
    let missing = || BucketError::NoObject { bucket: object.bucket.bucket.clone(), key: object.key.clone() };
    let response = bucket.object(Method::GET, &object.key, &Payload::Nothing)?.ok_or_else(missing)?;
    Ok(bucket.reader(response))
}

impl Place for Bucket {
    fn shown(&self) -> String {
        self.options.shown()
    }

    fn source(&self) -> String {
        self.options.source()
    }

    fn manifest(&self, limit: u64) -> Result<Option<Vec<u8>>, PlaceError> {
        match self.object(Method::GET, &self.manifest_key(), &Payload::Nothing)? {
            Some(response) => read_bounded(self.reader(response), "the manifest", limit).map(Some),
            None => Ok(None),
        }
    }

    fn blob_size(&self, digest: &BlobDigest) -> Result<Option<u64>, PlaceError> {
        let response = self.object(Method::HEAD, &self.blob_key(digest), &Payload::Nothing)?;
        Ok(response.as_ref().map(size_of))
    }

    fn open_blob(&self, digest: &BlobDigest) -> Result<Box<dyn Read + Send>, PlaceError> {
        match self.object(Method::GET, &self.blob_key(digest), &Payload::Nothing)? {
            Some(response) => Ok(self.reader(response)),
            None => Err(PlaceError::NoBlob { digest: *digest }),
        }
    }

    fn put_blob(&self, blob: &Descriptor, content: &BlobContent<'_>) -> Result<(), PlaceError> {
        let key = self.blob_key(&blob.digest);
        match blob.size > THRESHOLD {
            true => self.put_in_parts(&key, blob, content),
            false => self.object(Method::PUT, &key, &Payload::Blob(blob, content)).map(drop),
        }
    }

    fn put_manifest(&self, bytes: &[u8]) -> Result<(), PlaceError> {
        self.object(Method::PUT, &self.manifest_key(), &Payload::Bytes(bytes)).map(drop)
    }
}
