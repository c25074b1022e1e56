//! What a template gets: the manifest, the configs of the images, and what their attestations say.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use crate::base::digest::BlobDigest;
use crate::cli::CliError;
use crate::cli::format::structs::{self, DESCRIPTOR, IMAGE, INDEX};
use crate::cli::image::pull::with_hint;
use crate::image::media_type::{Kind, classify};
use crate::image::{Descriptor, Document, Index, Manifest, Platform};
use crate::transport::registry::{RemoteManifest, Repository};

/// What is larger is no config of an image.
const CONFIG_LIMIT: u64 = 8 << 20;
/// Nor is what is larger an attestation.
const STATEMENT_LIMIT: u64 = 64 << 20;
/// How deep indexes may lie in one another.
const DEPTH_LIMIT: usize = 8;

/// Which attestations are read.
#[derive(Clone, Copy)]
pub struct Wanted {
    pub sbom: bool,
    pub provenance: bool,
}

/// The images of a name.
#[derive(Default)]
struct Found {
    /// By platform.
    images: BTreeMap<String, (BlobDigest, Manifest)>,
    /// Manifests of attestations, by the image that they are about.
    attestations: BTreeMap<String, Vec<Manifest>>,
}

/// The fields are those of [`structs::INSPECTED`].
pub fn value(name: &str, repository: &Repository, top: &RemoteManifest, wanted: Wanted) -> Result<Value, CliError> {
    let mut found = Found::default();
    found.add(repository, top, None, 0)?;
    let mut images = Map::new();
    for (platform, (_, manifest)) in &found.images {
        images.insert(platform.clone(), IMAGE.decode(&config(repository, manifest)?));
    }
    let sbom = if wanted.sbom { found.statements(repository, sbom)? } else { Map::new() };
    let provenance = if wanted.provenance { found.statements(repository, provenance)? } else { Map::new() };
    // With one platform, its values stand for themselves.
    let is_one = found.images.len() < 2;
    let of = |all: Map<String, Value>, nothing: Value| match is_one {
        true => all.into_iter().next().map_or(nothing, |(_, value)| value),
        false => Value::Object(all),
    };
    Ok(json!({
        "Name": name,
        "Manifest": manifest(top)?,
        "Image": of(images, Value::Null),
        "SBOM": of(sbom, structs::SBOM.decode(&Value::Null)),
        "Provenance": of(provenance, structs::PROVENANCE.decode(&Value::Null)),
    }))
}

fn manifest(top: &RemoteManifest) -> Result<Value, CliError> {
    let mut fields: Map<String, Value> = match classify(&top.media_type) {
        Kind::Index => serde_json::from_slice(&top.bytes)?,
        _ => Map::new(),
    };
    fields.insert("mediaType".to_owned(), json!(top.media_type));
    fields.insert("digest".to_owned(), json!(top.digest));
    fields.insert("size".to_owned(), json!(top.bytes.len()));
    let known = if matches!(classify(&top.media_type), Kind::Index) { &INDEX } else { &DESCRIPTOR };
    Ok(known.decode(&Value::Object(fields)))
}

fn config(repository: &Repository, manifest: &Manifest) -> Result<Value, CliError> {
    let bytes = repository.blob_bytes(&manifest.config.digest, "the image config", CONFIG_LIMIT).map_err(with_hint)?;
    Ok(serde_json::from_slice(&bytes)?)
}

impl Found {
    /// Adds what a manifest is, or lists. `entry` is the line of the index that it comes from.
    fn add(
        &mut self,
        repository: &Repository,
        document: &RemoteManifest,
        entry: Option<&Descriptor>,
        depth: usize,
    ) -> Result<(), CliError> {
        if matches!(classify(&document.media_type), Kind::Index) {
            if depth == DEPTH_LIMIT {
                return Err(CliError::new(format!("{}: indexes within indexes, too deep", document.digest)));
            }
            let index = Document::<Index>::parse("index", document.bytes.clone())?.into_value();
            for entry in &index.manifests {
                let kind = classify(&entry.media_type);
                if matches!(kind, Kind::Index | Kind::Manifest) {
                    let inner = repository.manifest(&entry.digest.to_string()).map_err(with_hint)?;
                    self.add(repository, &inner, Some(entry), depth + 1)?;
                }
            }
            return Ok(());
        }
        let manifest = Document::<Manifest>::parse("manifest", document.bytes.clone())?.into_value();
        if let Some(about) = entry.and_then(|entry| entry.annotations.get("vnd.docker.reference.digest")) {
            self.attestations.entry(about.clone()).or_default().push(manifest);
            return Ok(());
        }
        let platform = match entry.and_then(|entry| entry.platform.clone()) {
            Some(platform) => platform,
            None => serde_json::from_value::<Platform>(config(repository, &manifest)?)?,
        };
        self.images.insert(platform.normalized().to_string(), (document.digest, manifest));
        Ok(())
    }

    /// What the attestations of each platform say.
    fn statements(
        &self,
        repository: &Repository,
        read: fn(&Repository, &[Manifest]) -> Result<Option<Value>, CliError>,
    ) -> Result<Map<String, Value>, CliError> {
        let mut all = Map::new();
        for (platform, (digest, _)) in &self.images {
            let attestations = self.attestations.get(&digest.to_string()).map_or(&[][..], Vec::as_slice);
            if let Some(value) = read(repository, attestations)? {
                all.insert(platform.clone(), value);
            }
        }
        Ok(all)
    }
}

fn sbom(repository: &Repository, attestations: &[Manifest]) -> Result<Option<Value>, CliError> {
    let mut documents = predicates(repository, attestations, |kind| kind == "https://spdx.dev/Document")?.into_iter();
    let Some(first) = documents.next() else { return Ok(None) };
    let others: Vec<Value> = documents.collect();
    let others = if others.is_empty() { Value::Null } else { Value::Array(others) };
    Ok(Some(structs::SBOM.decode(&json!({"SPDX": first, "AdditionalSPDXs": others}))))
}

/// The last one counts.
fn provenance(repository: &Repository, attestations: &[Manifest]) -> Result<Option<Value>, CliError> {
    let found = predicates(repository, attestations, |kind| kind.starts_with("https://slsa.dev/provenance/"))?;
    Ok(found.into_iter().next_back().map(|slsa| structs::PROVENANCE.decode(&json!({"SLSA": slsa}))))
}

/// The predicates of in-toto's statements of such types.
fn predicates(
    repository: &Repository,
    attestations: &[Manifest],
    is_wanted: fn(&str) -> bool,
) -> Result<Vec<Value>, CliError> {
    let mut predicates = Vec::new();
    for layer in attestations.iter().flat_map(|manifest| &manifest.layers) {
        let is_envelope =
            layer.media_type.starts_with("application/vnd.in-toto.") && layer.media_type.ends_with("+dsse");
        let is_statement = is_envelope || layer.media_type == "application/vnd.in-toto+json";
        let kind = layer.annotations.get("in-toto.io/predicate-type").map(String::as_str).unwrap_or_default();
        if !is_statement || !is_wanted(kind) {
            continue;
        }
        let bytes = repository.blob_bytes(&layer.digest, "the attestation", STATEMENT_LIMIT).map_err(with_hint)?;
        let mut statement: Value = serde_json::from_slice(&bytes)?;
        if is_envelope {
            let payload = statement["payload"].as_str().unwrap_or_default();
            let payload =
                BASE64.decode(payload).map_err(|error| CliError::new(format!("{}: {error}", layer.digest)))?;
            statement = serde_json::from_slice(&payload)?;
        }
        predicates.push(statement["predicate"].take());
    }
    Ok(predicates)
}
