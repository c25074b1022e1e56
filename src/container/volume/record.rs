//! What is stored about a volume.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The label of an anonymous volume.
pub const ANONYMOUS: &str = "com.docker.volume.anonymous";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeRecord {
    pub created_at: jiff::Timestamp,
    pub driver: String,
    pub labels: Option<BTreeMap<String, String>>,
    /// Where its files are.
    pub mountpoint: PathBuf,
    pub name: String,
    /// `type`, `o` and `device` of the local driver.
    pub options: Option<BTreeMap<String, String>>,
    pub scope: String,
}

impl VolumeRecord {
    /// A new volume of the local driver.
    pub(super) fn plain(name: String, data: PathBuf) -> Self {
        Self {
            created_at: jiff::Timestamp::now(),
            driver: "local".to_owned(),
            labels: None,
            mountpoint: data,
            name,
            options: None,
            scope: "local".to_owned(),
        }
    }

    pub fn is_anonymous(&self) -> bool {
        self.labels.as_ref().is_some_and(|labels| labels.contains_key(ANONYMOUS))
    }
}
