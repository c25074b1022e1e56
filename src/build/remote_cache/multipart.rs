//! Uploads large objects to a bucket in parts (S3, "Uploading and copying objects using multipart upload"): a lost part
//! is sent again on its own, and a failed upload is aborted, so that nobody pays for its parts.

use std::io::{self, Read};

use bytes::Bytes;
use reqwest::Method;
use sha2::{Digest as _, Sha256};

use super::bucket::{Ask, Bucket};
use super::object_server::{BucketError, Payload, element};
use super::place::{BlobContent, PlaceError, read_bounded};
use crate::base::hex;
use crate::image::Descriptor;
use crate::transport::cloud::sigv4::escape;

/// The size of a part. Each is in memory while it is sent; S3 requires at least 5 MiB.
const PART: u64 = 8 << 20;
/// S3's limit for an object.
const MOST_PARTS: u64 = 10_000;
/// Larger objects are sent in parts.
pub const THRESHOLD: u64 = 2 * PART;
/// The size limit of a response.
const ANSWER_LIMIT: u64 = 1 << 20;

/// An upload in progress.
struct Upload<'a> {
    bucket: &'a Bucket,
    key: &'a str,
    /// Escaped for queries.
    id: String,
}

impl Bucket {
    pub(super) fn put_in_parts(
        &self,
        key: &str,
        blob: &Descriptor,
        content: &BlobContent<'_>,
    ) -> Result<(), PlaceError> {
        let answer = self.text(&Ask { method: Method::POST, key, query: "uploads=", payload: &Payload::Nothing })?;
        let id = element(&answer, "UploadId").ok_or_else(|| self.nonsense(key, "it names no upload"))?;
        let upload = Upload { bucket: self, key, id: escape(id) };
        upload.run(blob, content).inspect_err(|_| upload.take_back())
    }

    fn text(&self, ask: &Ask<'_>) -> Result<String, PlaceError> {
        let answer = self.good(ask)?.ok_or_else(|| self.nonsense(ask.key, "it does not know the upload"))?;
        let bytes = read_bounded(self.reader(answer), "the bucket's answer", ANSWER_LIMIT)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn nonsense(&self, key: &str, reason: &str) -> BucketError {
        BucketError::BadAnswer { host: self.host(), path: key.to_owned(), reason: reason.to_owned() }
    }
}

impl Upload<'_> {
    fn run(&self, blob: &Descriptor, content: &BlobContent<'_>) -> Result<(), PlaceError> {
        let unreadable =
            |source: Box<dyn std::error::Error + Send + Sync>| PlaceError::Content { digest: blob.digest, source };
        let mut reader = content().map_err(unreadable)?;
        let length = PART.max(blob.size.div_ceil(MOST_PARTS));
        let mut all = Sha256::new();
        let mut tags = Vec::new();
        let mut left = blob.size;
        while left > 0 {
            let mut part = vec![0; left.min(length) as usize];
            reader.read_exact(&mut part).map_err(|error| unreadable(error.into()))?;
            left -= part.len() as u64;
            all.update(&part);
            if left == 0 && <[u8; 32]>::from(all.clone().finalize()) != *blob.digest.as_bytes() {
                return Err(unreadable(io::Error::other("its content is not what its digest says").into()));
            }
            tags.push(self.part(tags.len() + 1, part.into())?);
        }
        self.finish(&tags)
    }

    /// Sends one part; returns its ETag for the completion.
    fn part(&self, number: usize, bytes: Bytes) -> Result<String, PlaceError> {
        let query = format!("partNumber={number}&uploadId={}", self.id);
        let sha256 = hex::encode(&Sha256::digest(&bytes));
        let payload = Payload::Part { bytes, sha256 };
        let ask = Ask { method: Method::PUT, key: self.key, query: &query, payload: &payload };
        let answer = self.bucket.good(&ask)?;
        let tag = answer.as_ref().and_then(|answer| answer.headers().get("etag")?.to_str().ok());
        Ok(tag.ok_or_else(|| self.bucket.nonsense(self.key, "a part has no ETag"))?.to_owned())
    }

    fn finish(&self, tags: &[String]) -> Result<(), PlaceError> {
        let part = |(index, tag): (usize, &String)| {
            format!("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", index + 1, tag.replace('"', "&quot;"))
        };
        let parts: String = tags.iter().enumerate().map(part).collect();
        let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let query = format!("uploadId={}", self.id);
        let payload = Payload::Bytes(body.as_bytes());
        let ask = Ask { method: Method::POST, key: self.key, query: &query, payload: &payload };
        let answer = self.bucket.text(&ask)?;
        // S3 starts to respond with 200 before it is done, and may report an error at the end.
        match element(&answer, "Code").filter(|_| answer.contains("<Error>")) {
            Some(code) => Err(self.bucket.nonsense(self.key, &format!("it could not join the parts: {code}")).into()),
            None => Ok(()),
        }
    }

    /// An error here is ignored: the first one counts.
    fn take_back(&self) {
        let query = format!("uploadId={}", self.id);
        let _ =
            self.bucket.good(&Ask { method: Method::DELETE, key: self.key, query: &query, payload: &Payload::Nothing });
    }
}
