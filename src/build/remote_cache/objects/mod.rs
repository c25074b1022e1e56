//! A cache in Microsoft's or Google's storage: objects that are put and got whole.

mod options;
mod shared_key;

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::{Client, Method, Response, Url};
use tokio::runtime::Runtime;

use super::body::body_reader;
use super::bucket::{BucketError, Payload};
use super::place::{BlobContent, Place, PlaceError, read_bounded};
use crate::base::digest::BlobDigest;
use crate::image::Descriptor;
use crate::transport::cloud::sigv4::escape_path;
use crate::transport::cloud::{self, Expiring};

pub use options::{ObjectOptions, Service};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MESSAGE_LIMIT: u64 = 4096;
/// Of Azure's protocol.
const VERSION: &str = "2023-11-03";

pub struct Objects {
    options: ObjectOptions,
    address: Url,
    http: Client,
    runtime: Arc<Runtime>,
    /// What the environment, the machine or the pod said last.
    token: Mutex<Option<Expiring<String>>>,
}

impl Objects {
    pub fn new(options: ObjectOptions) -> Result<Self, BucketError> {
        let address = options.address();
        let address = Url::parse(&address)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some())
            .ok_or(BucketError::Address { text: address })?;
        // Two of our dependencies could each choose a provider, so neither does; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("rbuild/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(BucketError::Client)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = Arc::new(runtime.map_err(BucketError::Runtime)?);
        Ok(Self { options, address, http, runtime, token: Mutex::default() })
    }

    fn blob_key(&self, digest: &BlobDigest) -> String {
        self.options.key(&self.options.blobs_prefix, &format!("sha256/{}", digest.hex()))
    }

    fn manifest_key(&self) -> String {
        self.options.key(&self.options.manifests_prefix, &self.options.name)
    }

    /// Makes the request, again where the server could not answer; gives the answer whatever its status is.
    fn request(&self, method: &Method, key: &str, payload: &Payload<'_>) -> Result<Response, PlaceError> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let response = self.request_once(method, key, payload);
            let may_pass = match &response {
                Ok(response) => response.status().is_server_error() || response.status().as_u16() == 429,
                Err(PlaceError::Bucket(BucketError::Unreachable { .. })) => true,
                Err(_) => false,
            };
            if !may_pass || attempt >= TRIES {
                return response;
            }
            std::thread::sleep(pause);
            pause *= 2;
        }
        unreachable!("the loop ends with the last try")
    }

    /// An empty key is the container itself.
    fn request_once(&self, method: &Method, key: &str, payload: &Payload<'_>) -> Result<Response, PlaceError> {
        let mut url = self.address.clone();
        let is_container = key.is_empty();
        if !is_container {
            url.set_path(&format!("{}/{}", self.address.path().trim_end_matches('/'), escape_path(key)));
        }
        let query: &[(&str, &str)] = if is_container { &[("restype", "container")] } else { &[] };
        if is_container {
            url.set_query(Some("restype=container"));
        }
        let (host, path) = (self.host(), url.path().to_owned());
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
        let mut request = self.http.request(method.clone(), url).header("content-length", payload.size());
        for (name, value) in headers.iter().chain(&authorization) {
            request = request.header(*name, value);
        }
        if payload.size() > 0 {
            request = request.body(payload.body()?);
        }
        // Within the runtime from the first moment: the client starts its timers when a request is begun.
        let sent = self.runtime.block_on(async { request.send().await });
        Ok(sent.map_err(|source| BucketError::Unreachable {
            host,
            method: method.clone(),
            path,
            source: source.without_url(),
        })?)
    }

    /// What says who asks. Google's buckets may be for everybody.
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

    fn host(&self) -> String {
        self.address.host_str().unwrap_or_default().to_owned()
    }

    /// The answer, when it is a good one; nothing when there is no such object.
    fn object(&self, method: Method, key: &str, payload: &Payload<'_>) -> Result<Option<Response>, PlaceError> {
        let response = self.request(&method, key, payload)?;
        let status = response.status().as_u16();
        if response.status().is_success() {
            return Ok(Some(response));
        }
        if status == 404 && payload.size() == 0 && method != Method::PUT {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        // What broke off is said as far as it came.
        let _ = body_reader(&self.runtime, response).take(MESSAGE_LIMIT).read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let parts: Vec<&str> =
            ["Code", "Message"].into_iter().filter_map(|name| super::multipart::element(&text, name)).collect();
        let message = if parts.is_empty() { "no reason is given".to_owned() } else { parts.join(": ") };
        Err(BucketError::Status { host: self.host(), method, path: key.to_owned(), status, message }.into())
    }

    /// Puts an object; makes Azure's container where there is none, as BuildKit does.
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
            Some(response) => read_bounded(body_reader(&self.runtime, response), "the manifest", limit).map(Some),
            None => Ok(None),
        }
    }

    fn blob_size(&self, digest: &BlobDigest) -> Result<Option<u64>, PlaceError> {
        let response = self.object(Method::HEAD, &self.blob_key(digest), &Payload::Nothing)?;
        let length = |response: Response| {
            let text = response.headers().get("content-length").and_then(|value| value.to_str().ok());
            text.and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        Ok(response.map(length))
    }

    fn open_blob(&self, digest: &BlobDigest) -> Result<Box<dyn Read + Send>, PlaceError> {
        match self.object(Method::GET, &self.blob_key(digest), &Payload::Nothing)? {
            Some(response) => Ok(Box::new(body_reader(&self.runtime, response))),
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
