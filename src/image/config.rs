//! An image's config: its platform, the defaults of its containers, its layers and its history.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::history::History;
use super::json::{self, or_default};
use super::platform::Platform;
use super::run_config::RunConfig;
use crate::base::digest::DiffId;

/// The `PATH` of images that start from nothing, as BuildKit sets it.
pub const SCRATCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The same for Windows.
const WINDOWS_PATH: &str = r"c:\Windows\System32;c:\Windows;C:\Windows\System32\WindowsPowerShell\v1.0";

/// Facts about one image that do not apply to its children.
const OWN_FACTS: &[&str] = &[
    "Size",
    "container",
    "container_config",
    "docker_version",
    "id",
    "layer_id",
    "moby.buildkit.cache.v0",
    "parent",
    "rbuild.cache.v1",
    "throwaway",
];

/// Image-spec config.md. Unknown fields are kept in `extra`; the keys are written sorted, as BuildKit writes them.
///
/// To change an image, clone its config, edit the fields, and write it with [`ImageConfig::to_bytes`]. A config that was
/// loaded is never written again: its bytes are its ID.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are the image specification's, under its names")]
pub struct ImageConfig {
    #[serde(flatten)]
    pub platform: Platform,
    #[serde(deserialize_with = "or_default")]
    pub author: String,
    pub created: Option<Timestamp>,
    #[serde(deserialize_with = "or_default")]
    pub config: RunConfig,
    pub rootfs: RootFs,
    #[serde(deserialize_with = "or_default")]
    pub history: Vec<History>,
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// The layers of an image, the lowest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are the image specification's, under its names")]
pub struct RootFs {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, deserialize_with = "or_default")]
    pub diff_ids: Vec<DiffId>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self { kind: "layers".to_owned(), diff_ids: Vec::new() }
    }
}

impl ImageConfig {
    /// The config of `FROM scratch`, as in BuildKit.
    pub fn scratch(platform: &Platform) -> Self {
        let mut config = RunConfig { working_dir: "/".to_owned(), ..RunConfig::default() };
        config.set_env("PATH", if platform.os == "windows" { WINDOWS_PATH } else { SCRATCH_PATH });
        Self { platform: platform.clone(), config, ..Self::default() }
    }

    /// A copy from which to build a child image: without the time and the facts that apply only to the parent.
    pub fn child(&self) -> Self {
        let mut child = Self { created: None, ..self.clone() };
        child.extra.retain(|key, _| !OWN_FACTS.contains(&key.as_str()));
        child
    }

    /// Records an instruction that made a layer.
    pub fn push_layer(&mut self, diff_id: DiffId, history: History) {
        self.rootfs.diff_ids.push(diff_id);
        self.history.push(History { empty_layer: false, ..history });
    }

    /// The bytes of this config, deterministic; their SHA-256 is the image ID.
    pub fn to_bytes(&self) -> Vec<u8> {
        json::to_vec(self).expect("a config has string keys only, and writing to memory does not fail")
    }
}

/// The value of one field, of any type.
#[derive(Serialize)]
#[serde(untagged)]
enum Field<'a> {
    Text(&'a str),
    Texts(&'a [String]),
    Time(Timestamp),
    Run(&'a RunConfig),
    RootFs(&'a RootFs),
    History(&'a [History]),
    Unknown(&'a Value),
}

impl Serialize for ImageConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields: BTreeMap<&str, Field<'_>> =
            self.extra.iter().map(|(key, value)| (key.as_str(), Field::Unknown(value))).collect();
        fields.insert("architecture", Field::Text(&self.platform.architecture));
        fields.insert("os", Field::Text(&self.platform.os));
        fields.insert("config", Field::Run(&self.config));
        fields.insert("rootfs", Field::RootFs(&self.rootfs));
        let optional_texts =
            [("author", &self.author), ("os.version", &self.platform.os_version), ("variant", &self.platform.variant)];
        fields.extend(
            optional_texts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key, Field::Text(text))),
        );
        if !self.platform.os_features.is_empty() {
            fields.insert("os.features", Field::Texts(&self.platform.os_features));
        }
        if let Some(created) = self.created {
            fields.insert("created", Field::Time(created));
        }
        if !self.history.is_empty() {
            fields.insert("history", Field::History(&self.history));
        }
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (key, value) in fields {
            map.serialize_entry(key, &value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A config as BuildKit writes it: sorted at the top level, Go's struct order and escapes below.
    const BUILDKIT: &str = concat!(
        r#"{"architecture":"arm","config":{"User":"app","ExposedPorts":{"53/udp":{},"80/tcp":{}},"Env":["PATH=/bin"],"#,
        r#""Entrypoint":["/e"],"Cmd":["c"],"Volumes":{"/v":{}},"WorkingDir":"/w","Labels":{"a":"b"},"StopSignal":"SIGQUIT","#,
        r#""ArgsEscaped":true,"Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":30000000000,"StartInterval":5,"Retries":4},"#,
        r#""OnBuild":["RUN x"],"Shell":["/bin/ash","-c"]},"created":"2023-11-14T22:13:20Z","history":[{"created":"#,
        r#""2026-11-21T12:16:12.258817929Z","created_by":"RUN a \u0026\u0026 b \u003e c","comment":"buildkit.dockerfile.v0","#,
        r#""empty_layer":true}],"os":"linux","rootfs":{"type":"layers","diff_ids":[]},"variant":"v7"}"#,
    );

    #[test]
    fn buildkits_bytes_come_back() {
        let config: ImageConfig = serde_json::from_str(BUILDKIT).unwrap();
        assert_eq!(config.platform, Platform::new("linux", "arm", "v7"));
        assert_eq!(String::from_utf8(config.to_bytes()).unwrap(), BUILDKIT);
    }

    #[test]
    fn unknown_fields_survive_an_edit_and_the_parents_own_facts_do_not() {
        let text = r#"{"architecture":"amd64","config":{"MacAddress":"02:42"},"docker_version":"20","moby.extra":{"a":1},"os":"linux","rootfs":{"type":"layers","diff_ids":null}}"#;
        let config: ImageConfig = serde_json::from_str(text).unwrap();
        let mut child = config.child();
        child.config.set_env("A", "1");
        assert_eq!(
            String::from_utf8(child.to_bytes()).unwrap(),
            r#"{"architecture":"amd64","config":{"Env":["A=1"],"MacAddress":"02:42"},"moby.extra":{"a":1},"os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#
        );
    }

    #[test]
    fn scratch_has_buildkits_path_and_workdir() {
        let mut config = ImageConfig::scratch(&Platform::new("linux", "amd64", ""));
        config.push_layer(DiffId::from_bytes([1; 32]), History::default());
        let text = String::from_utf8(config.to_bytes()).unwrap();
        assert!(
            text.contains(
                r#""Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/""#
            ),
            "{text}"
        );
        assert!(text.contains(r#""history":[{}]"#), "{text}");
    }
}
