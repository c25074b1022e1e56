//! Images of an engine.

use std::io::{Read, Write};

use serde::Deserialize;
use serde_json::Value;

use super::{Engine, EngineError};
use crate::base::digest::DiffId;
use crate::image::Reference;

/// An image that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineImage {
    /// The digest of its config, or in containerd's image store that of its manifest or index.
    pub id: String,
    /// Lowest first.
    pub layers: Vec<DiffId>,
}

/// How an engine stores images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageStore {
    /// By the layers' contents: an existing layer need not be sent again.
    Layers,
    /// containerd's store: by blobs, as received.
    Containerd,
}

impl Engine {
    /// The image of a name or an ID, if the engine has it.
    pub fn image(&self, name: &str) -> Result<Option<EngineImage>, EngineError> {
        let Some(found) = self.get(&format!("/images/{name}/json"))? else { return Ok(None) };
        let wrong = |source| EngineError::Answer { place: self.place.clone(), source };
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Inspected {
            id: String,
            #[serde(rename = "RootFS")]
            root: Root,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Root {
            layers: Option<Vec<String>>,
        }
        let found: Inspected = serde_json::from_value(found).map_err(wrong)?;
        let layers = found.root.layers.unwrap_or_default();
        // An invalid digest can't be the digest of a layer that others have.
        let layers = layers.iter().map_while(|text| text.parse().ok()).collect();
        Ok(Some(EngineImage { id: found.id, layers }))
    }

    pub fn image_store(&self) -> Result<ImageStore, EngineError> {
        let status = self.get("/info")?.and_then(|info| info.get("DriverStatus").cloned()).unwrap_or(Value::Null);
        let is_containerd = status.as_array().is_some_and(|pairs| {
            pairs.iter().any(|pair| pair[0] == "driver-type" && pair[1] == "io.containerd.snapshotter.v1")
        });
        Ok(if is_containerd { ImageStore::Containerd } else { ImageStore::Layers })
    }

    /// Tags an image of the engine, moving the name from another image if necessary.
    pub fn tag(&self, id: &str, name: &Reference) -> Result<(), EngineError> {
        let (repository, tag) = (name.familiar_repository(), name.tag().unwrap_or("latest"));
        self.post(&format!("/images/{id}/tag"), &[("repo", &repository), ("tag", tag)])
    }

    /// Sends an archive of images, which `write` writes. An error of `write` is returned; the engine then keeps nothing
    /// of it.
    pub fn load<E: Send>(
        &self,
        write: impl FnOnce(&mut (dyn Write + Send)) -> Result<(), E> + Send,
    ) -> Result<Result<(), EngineError>, E> {
        let answer = self.upload("/images/load", &[("quiet", "1")], write)?;
        Ok(answer.and_then(|bytes| match complaint(&bytes) {
            Some(message) => Err(self.refused(message)),
            None => Ok(()),
        }))
    }

    /// The archive of an image, as from `docker save`.
    pub fn save<'a>(&'a self, id: &str) -> Result<impl Read + Send + use<'a>, EngineError> {
        self.download(&format!("/images/{id}/get"))
    }
}

/// Once an engine has started to respond, it can't report an error by its status; one of the documents does.
fn complaint(answer: &[u8]) -> Option<String> {
    let documents = serde_json::Deserializer::from_slice(answer).into_iter::<Value>();
    documents.map_while(Result::ok).find_map(|document| {
        let detail = document.get("errorDetail").and_then(|detail| detail.get("message"));
        Some(detail.or_else(|| document.get("error"))?.as_str()?.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_found_among_the_messages() {
        let told = br#"{"stream":"Loaded image: a:1\n"}
{"errorDetail":{"message":"no space left"},"error":"no space left"}"#;
        assert_eq!(complaint(told).as_deref(), Some("no space left"));
        assert_eq!(complaint(br#"{"stream":"Loaded image: a:1\n"}"#), None);
        assert_eq!(complaint(b""), None);
    }
}
