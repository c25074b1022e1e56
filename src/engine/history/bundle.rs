//! Exports builds like buildx: an OCI layout in a compressed archive, with each build's document and log.

use std::io::{Read as _, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::{BuildRecord, Entry, HistoryError, read_log, report};
use crate::base::digest::BlobDigest;
use crate::store::{History, Store};

/// BuildKit's media type for the document of a build, and the one for logs.
const RECORD: &str = "application/vnd.buildkit.historyrecord.v0";
const LOG: &str = "application/vnd.rbuild.log.v1";
const REPORT: &str = "application/vnd.rbuild.report.v1+json";

/// Writes the builds.
pub fn export(store: &Store, records: &[BuildRecord], out: impl Write) -> Result<(), HistoryError> {
    let mut archive = tar::Builder::new(GzEncoder::new(out, Compression::default()));
    let mut manifests = Vec::new();
    add(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    for record in records {
        let mut layers = Vec::new();
        if let Some(mut log) = History::of(store.root()).log(&record.id)? {
            let mut bytes = Vec::new();
            log.read_to_end(&mut bytes)?;
            layers.push(blob(&mut archive, LOG, &bytes)?);
        }
        if let Some(report) = report(store, record)? {
            let text = serde_json::to_vec(&report).unwrap_or_default();
            layers.push(blob(&mut archive, REPORT, &text)?);
        }
        let document = serde_json::to_vec(&document(record, &layers)).unwrap_or_default();
        manifests.push(blob(&mut archive, RECORD, &document)?);
    }
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests,
    });
    add(&mut archive, "index.json", index.to_string().as_bytes())?;
    archive.into_inner()?.finish()?.flush()?;
    Ok(())
}

/// With the fields of BuildKit's `BuildHistoryRecord`.
fn document(record: &BuildRecord, attachments: &[Value]) -> Value {
    let mut attributes = serde_json::Map::new();
    attributes.insert("filename".to_owned(), json!(record.dockerfile));
    attributes.insert("platform".to_owned(), json!(record.platforms.join(",")));
    if let Some(target) = &record.target {
        attributes.insert("target".to_owned(), json!(target));
    }
    attributes.extend(record.build_args.iter().map(|(name, value)| (format!("build-arg:{name}"), json!(value))));
    attributes.extend(record.labels.iter().map(|(name, value)| (format!("label:{name}"), json!(value))));
    let mut document = json!({
        "Ref": record.id, "Frontend": "dockerfile.v0", "FrontendAttrs": attributes, "CreatedAt": record.started,
        "CompletedAt": record.ended(), "numCachedSteps": record.cached, "numTotalSteps": record.total,
        "numCompletedSteps": record.completed, "numWarnings": record.warnings, "attachments": attachments,
    });
    if let Some(failure) = &record.failure {
        document["error"] = json!({"code": 2, "message": failure.message});
    }
    document
}

fn blob(archive: &mut tar::Builder<impl Write>, kind: &str, bytes: &[u8]) -> Result<Value, HistoryError> {
    let digest = BlobDigest::of(bytes);
    add(archive, &format!("blobs/sha256/{}", digest.hex()), bytes)?;
    Ok(json!({"mediaType": kind, "digest": digest, "size": bytes.len()}))
}

fn add(archive: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> Result<(), HistoryError> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    Ok(archive.append_data(&mut header, name, bytes)?)
}

/// The entries of a build's log, if it has one.
pub fn log(store: &Store, record: &BuildRecord) -> Result<Option<impl Iterator<Item = Entry>>, HistoryError> {
    Ok(History::of(store.root()).log(&record.id)?.map(read_log))
}
