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
    /// Of its config, or in containerd's image store of its manifest or index.
    pub id: String,
    /// The lowest first.
    pub layers: Vec<DiffId>,
}

/// How an engine keeps images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageStore {
    /// By the layers' contents: a layer that is there is asked for no more.
    Layers,
    /// containerd's: by blobs, as they came.
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
        // What can't be read as a digest is no layer that anybody else has.
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

    /// Gives an image of the engine a name, which meant another one until then.
    pub fn tag(&self, id: &str, name: &Reference) -> Result<(), EngineError> {
        let (repository, tag) = (name.familiar_repository(), name.tag().unwrap_or("latest"));
        self.post(&format!("/images/{id}/tag"), &[("repo", &repository), ("tag", tag)])
    }

    /// Sends an archive of images, which `write` writes. A failure of `write` comes back; then the engine has nothing of it.
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

    /// The archive of an image, as `docker save` has it.
    pub fn save<'a>(&'a self, id: &str) -> Result<impl Read + Send + use<'a>, EngineError> {
        self.download(&format!("/images/{id}/get"))
    }
}

/// An engine that has begun to answer can say no more with its status that it failed: one of the documents does.
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
