//! Just enough of docker's engine: it stores images by their layers, and reads a layer's contents only when it is new.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::web::{Reply, Request, serve};

pub struct TestEngine {
    /// In the form of DOCKER_HOST.
    pub host: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    images: BTreeMap<String, Image>,
    names: BTreeMap<String, String>,
    /// By diffID.
    layers: BTreeMap<String, Vec<u8>>,
    refusal: Option<String>,
    /// It stores blobs, like containerd's store.
    is_containerd: bool,
    blobs: BTreeMap<String, Vec<u8>>,
    sent: Vec<usize>,
    given: usize,
}

#[derive(Clone)]
struct Image {
    config: Vec<u8>,
    diff_ids: Vec<String>,
}

impl TestEngine {
    pub fn of_containerd() -> Self {
        let engine = Self::start();
        lock(&engine.state).is_containerd = true;
        engine
    }

    pub fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        let address = serve(move |request| lock(&shared).answer(request));
        Self { host: format!("tcp://{address}"), state }
    }

    /// The names of an image.
    pub fn names(&self, id: &str) -> Vec<String> {
        let state = lock(&self.state);
        state.names.iter().filter(|(_, named)| *named == id).map(|(name, _)| name.clone()).collect()
    }

    /// Whether an image has that name.
    pub fn has(&self, name: &str) -> bool {
        lock(&self.state).names.contains_key(name)
    }

    /// How many layers each archive contained.
    pub fn sent(&self) -> Vec<usize> {
        lock(&self.state).sent.clone()
    }

    /// How many images were requested.
    pub fn given(&self) -> usize {
        lock(&self.state).given
    }

    pub fn lose_layers(&self) {
        let mut state = lock(&self.state);
        state.layers.clear();
        state.blobs.clear();
    }

    pub fn refuse(&self, message: &str) {
        lock(&self.state).refusal = Some(message.to_owned());
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn says(value: &Value) -> Reply {
    Reply::new(200, value.to_string())
}

fn missing() -> Reply {
    Reply::new(404, r#"{"message":"No such image"}"#)
}

impl State {
    fn answer(&mut self, request: &Request) -> Reply {
        let path = request.path.as_str();
        match path {
            "/_ping" => return Reply::new(200, "OK"),
            "/info" if self.is_containerd => {
                return says(&json!({"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}));
            }
            "/info" => return says(&json!({"DriverStatus": [["Backing Filesystem", "extfs"]]})),
            "/images/load" => return self.load(&request.body),
            _ => {}
        }
        let Some((name, verb)) = path.strip_prefix("/images/").and_then(|rest| rest.rsplit_once('/')) else {
            return missing();
        };
        let familiar = name.trim_start_matches("docker.io/").trim_start_matches("library/");
        let id = self.names.get(familiar).cloned().unwrap_or_else(|| name.to_owned());
        let Some(image) = self.images.get(&id).cloned() else { return missing() };
        match verb {
            "json" => says(&json!({"Id": id, "RootFS": {"Type": "layers", "Layers": image.diff_ids}})),
            "tag" => {
                let field = |name| request.field(name).unwrap_or_default();
                self.names.insert(format!("{}:{}", field("repo"), field("tag")), id);
                Reply::new(201, "")
            }
            "get" => {
                self.given += 1;
                Reply::new(200, self.archive(&image))
            }
            _ => missing(),
        }
    }

    fn load(&mut self, archive: &[u8]) -> Reply {
        let refused = |message: &str| says(&json!({"errorDetail": {"message": message}, "error": message}));
        if let Some(message) = &self.refusal {
            return refused(message);
        }
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(archive).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), content);
        }
        if self.is_containerd {
            return self.load_layout(files);
        }
        let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        let config = files[manifest[0]["Config"].as_str().unwrap()].clone();
        let parsed: Value = serde_json::from_slice(&config).unwrap();
        let diff_ids = texts(&parsed["rootfs"]["diff_ids"]);
        let paths = texts(&manifest[0]["Layers"]);
        let there: BTreeSet<&String> = paths.iter().filter(|path| files.contains_key(*path)).collect();
        self.sent.push(there.len());
        for (diff_id, path) in diff_ids.iter().zip(&paths) {
            if self.layers.contains_key(diff_id) {
                continue;
            }
            let Some(content) = files.get(path) else { return refused(&format!("open {path}: no such file")) };
            assert_eq!(*diff_id, digest(content), "the layer is what the config says");
            self.layers.insert(diff_id.clone(), content.clone());
        }
        let id = digest(&config);
        for name in texts(&manifest[0]["RepoTags"]) {
            self.names.insert(name, id.clone());
        }
        self.images.insert(id, Image { config, diff_ids });
        says(&json!({"stream": "Loaded image"}))
    }

    /// Blobs that are not sent have to exist.
    fn load_layout(&mut self, files: BTreeMap<String, Vec<u8>>) -> Reply {
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let mut sent = 0;
        let before = self.blobs.clone();
        for (name, content) in files {
            if let Some(hex) = name.strip_prefix("blobs/sha256/") {
                assert_eq!(digest(&content), format!("sha256:{hex}"));
                sent += usize::from(!content.starts_with(b"{"));
                self.blobs.insert(format!("sha256:{hex}"), content);
            }
        }
        self.sent.push(sent);
        for entry in index["manifests"].as_array().unwrap() {
            let top = entry["digest"].as_str().unwrap();
            let document: Value = serde_json::from_slice(&self.blobs[top]).unwrap();
            let mut manifests = vec![document.clone()];
            if let Some(inner) = document["manifests"].as_array() {
                let of =
                    |entry: &Value| serde_json::from_slice(&self.blobs[entry["digest"].as_str().unwrap()]).unwrap();
                manifests = inner.iter().map(of).collect();
            }
            let layers: Vec<String> = manifests
                .iter()
                .flat_map(|manifest| manifest["layers"].as_array().unwrap())
                .map(|layer| layer["digest"].as_str().unwrap().to_owned())
                .collect();
            if let Some(missing) = layers.iter().find(|layer| !self.blobs.contains_key(*layer)) {
                let message = format!("content digest {missing}: not found");
                self.blobs = before;
                return says(&json!({"errorDetail": {"message": message}, "error": message}));
            }
            if let Some(name) = entry["annotations"]["io.containerd.image.name"].as_str() {
                let familiar = name.trim_start_matches("docker.io/").trim_start_matches("library/");
                self.names.insert(familiar.to_owned(), top.to_owned());
            }
            self.images.insert(top.to_owned(), Image { config: Vec::new(), diff_ids: layers });
        }
        says(&json!({"stream": "Loaded image"}))
    }

    fn archive(&self, image: &Image) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        let mut add = |name: &str, content: &[u8]| {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, content).unwrap();
        };
        for diff_id in &image.diff_ids {
            add(&format!("{}.tar", &diff_id[7..]), &self.layers[diff_id]);
        }
        let layers: Vec<String> = image.diff_ids.iter().map(|diff_id| format!("{}.tar", &diff_id[7..])).collect();
        add("config.json", &image.config);
        let manifest = json!([{"Config": "config.json", "RepoTags": null, "Layers": layers}]);
        add("manifest.json", manifest.to_string().as_bytes());
        archive.into_inner().unwrap()
    }
}

fn digest(content: &[u8]) -> String {
    let hex: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
