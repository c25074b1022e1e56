//! buildx's listing of a manifest.

use crate::image::{Descriptor, Index, Reference};
use crate::transport::registry::RemoteManifest;

/// The name and the value of a line.
type Row = (String, String);

pub fn listing(name: &Reference, top: &RemoteManifest, index: Option<&Index>) -> String {
    let row = |key: &str, value: String| (key.to_owned(), value);
    let mut text = aligned(&[
        row("Name:", name.to_string()),
        row("MediaType:", top.media_type.clone()),
        row("Digest:", top.digest.to_string()),
    ]);
    let Some(index) = index else { return text };
    text += &aligned(&[row("", String::new()), row("Manifests:", String::new())]);
    let mut block = Vec::new();
    for (number, entry) in index.manifests.iter().enumerate() {
        if number > 0 {
            block.push(row("  ", String::new()));
        }
        block.extend(rows_of(name, entry));
        // Annotations have columns of their own, and end those of the lines before. buildx shows them, and addresses, only
        // beside a platform.
        if entry.platform.is_some() && !entry.annotations.is_empty() {
            block.push(row("  Annotations:", String::new()));
            text += &aligned(&block);
            block.clear();
            let annotations = entry.annotations.iter().map(|(key, value)| row(&format!("    {key}:"), value.clone()));
            text += &aligned(&annotations.collect::<Vec<Row>>());
        }
    }
    text + &aligned(&block)
}

fn rows_of(name: &Reference, entry: &Descriptor) -> Vec<Row> {
    let own = format!("{}@{}", name.without_digest(), entry.digest);
    let mut rows = vec![("Name", own), ("MediaType", entry.media_type.clone())];
    if let Some(platform) = &entry.platform {
        rows.push(("Platform", platform.to_string()));
        rows.push(("OSVersion", platform.os_version.clone()));
        rows.push(("OSFeatures", platform.os_features.join(", ")));
        rows.push(("URLs", entry.urls.join(", ")));
    }
    let rows = rows.into_iter().filter(|(key, value)| !value.is_empty() || *key == "MediaType");
    rows.map(|(key, value)| (format!("  {key}:"), value)).collect()
}

/// Go's tabwriter: values stand one blank behind the longest name, also where there is none.
fn aligned(rows: &[Row]) -> String {
    let width = rows.iter().map(|(key, _)| key.chars().count()).max().unwrap_or(0) + 1;
    rows.iter().map(|(key, value)| format!("{key:width$}{value}\n")).collect()
}
