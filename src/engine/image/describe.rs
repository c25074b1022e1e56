//! An image as docker's `inspect` shows it.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::base::digest::{DiffId, ImageId};
use crate::engine::image::ImageError;
use crate::engine::image::info::{self, ImageInfo};
use crate::image::{Reference, RunConfig};
use crate::store::Store;

/// An image as docker's `inspect` shows it.
pub fn describe(store: &Store, id: &ImageId) -> Result<Value, ImageError> {
    let image = info::one(store, id)?;
    let config = &*image.config;
    let familiar = |names: &[Reference]| names.iter().map(Reference::familiar).collect::<Vec<_>>();
    let comment = config.history.last().map(|entry| entry.comment.clone()).unwrap_or_default();
    let text = |key: &str| config.extra.get(key).cloned().unwrap_or_else(|| Value::from(""));
    let mut fields = Map::new();
    let mut add = |key: &str, value: Value| {
        fields.insert(key.to_owned(), value);
    };
    add("Id", json!(image.id()));
    add("RepoTags", json!(familiar(&image.tags)));
    add("RepoDigests", json!(familiar(&image.digests)));
    add("Parent", json!(""));
    add("Comment", json!(comment));
    add("Created", config.created.map_or(Value::from(""), |created| json!(created.to_string())));
    add("DockerVersion", text("docker_version"));
    add("Author", json!(config.author));
    add("Config", image_config(&config.config));
    add("Architecture", json!(config.platform.architecture));
    if !config.platform.variant.is_empty() {
        add("Variant", json!(config.platform.variant));
    }
    add("Os", json!(config.platform.os));
    if !config.platform.os_version.is_empty() {
        add("OsVersion", json!(config.platform.os_version));
    }
    add("Size", json!(image.size(store)));
    add("GraphDriver", graph_driver(store, &image));
    add("RootFS", root_fs(&image));
    let tagged = jiff::Timestamp::from_second(image.record.added_at).unwrap_or_default();
    add("Metadata", json!({"LastTagTime": tagged.to_string()}));
    Ok(Value::Object(fields))
}

fn root_fs(image: &ImageInfo) -> Value {
    let layers = &image.config.rootfs.diff_ids;
    if layers.is_empty() { json!({"Type": "layers"}) } else { json!({"Type": "layers", "Layers": layers}) }
}

/// The folders of the layers, by docker's names for its overlay driver.
fn graph_driver(store: &Store, image: &ImageInfo) -> Value {
    // The future path of a layer that is not local.
    let folders = |id: &DiffId| match store.layer_folders(id) {
        Ok(Some(folders)) => folders,
        _ => vec![store.layer_path(id)],
    };
    let folders = image.config.rootfs.diff_ids.iter().flat_map(folders);
    let paths: Vec<String> = folders.map(|folder| folder.display().to_string()).rev().collect();
    let mut data = Map::new();
    if let Some((upper, lower)) = paths.split_first() {
        if !lower.is_empty() {
            data.insert("LowerDir".to_owned(), Value::from(lower.join(":")));
        }
        data.insert("UpperDir".to_owned(), Value::from(upper.as_str()));
    }
    json!({"Data": data, "Name": "overlay2"})
}

/// An image's config with the fields of docker's type, in its order, without empty ones.
pub fn image_config(config: &RunConfig) -> Value {
    const ORDER: [&str; 14] = [
        "User",
        "ExposedPorts",
        "Env",
        "Entrypoint",
        "Cmd",
        "Volumes",
        "WorkingDir",
        "Labels",
        "StopSignal",
        "ArgsEscaped",
        "Memory",
        "MemorySwap",
        "CpuShares",
        "Healthcheck",
    ];
    let own = to_value(&RunConfig { extra: Default::default(), ..config.clone() });
    let rest = ["OnBuild", "Shell"];
    let field = |key: &&str| own.get(*key).map(|value| ((*key).to_owned(), value.clone()));
    Value::Object(ORDER.iter().chain(&rest).filter_map(field).collect())
}

/// An image as docker's engine sends it, for callers that show the answer without parsing it: the config comes last,
/// with its fields sorted by name and with nulls. Everything else is unchanged.
pub fn as_answered(value: &Value) -> Value {
    let mut value = value.clone();
    let is_image = value.get("RootFS").is_some();
    let Some(fields) = value.as_object_mut().filter(|_| is_image) else { return value };
    if let Some(Value::Object(config)) = fields.shift_remove("Config") {
        let nulls = ["Cmd", "Entrypoint", "Env", "Labels", "OnBuild", "Volumes"].map(|key| (key, Value::Null));
        let texts = ["User", "WorkingDir"].map(|key| (key, Value::from("")));
        let usual = nulls.into_iter().chain(texts).map(|(key, value)| (key.to_owned(), value));
        let sorted: std::collections::BTreeMap<String, Value> = usual.chain(config).collect();
        fields.insert("Config".to_owned(), Value::Object(sorted.into_iter().collect()));
    }
    value
}

/// A container's config in docker's order and with docker's nulls.
pub fn run_config(config: &RunConfig) -> Value {
    let mut fields = Map::new();
    let mut add = |key: &str, value: Value| {
        fields.insert(key.to_owned(), value);
    };
    let or_null = |empty: bool, value: Value| if empty { Value::Null } else { value };
    let set = |names: &std::collections::BTreeSet<String>| -> Value {
        names.iter().map(|name| (name.clone(), json!({}))).collect::<Map<_, _>>().into()
    };
    let extra = |key: &str, default: Value| config.extra.get(key).cloned().unwrap_or(default);
    for (key, default) in [("Hostname", json!("")), ("Domainname", json!(""))] {
        add(key, extra(key, default));
    }
    add("User", json!(config.user));
    for key in ["AttachStdin", "AttachStdout", "AttachStderr"] {
        add(key, extra(key, json!(false)));
    }
    if !config.exposed_ports.is_empty() {
        add("ExposedPorts", set(&config.exposed_ports));
    }
    for key in ["Tty", "OpenStdin", "StdinOnce"] {
        add(key, extra(key, json!(false)));
    }
    add("Env", or_null(config.env.is_empty(), json!(config.env)));
    add("Cmd", or_null(config.cmd.is_empty(), json!(config.cmd)));
    if let Some(healthcheck) = &config.healthcheck {
        add("Healthcheck", to_value(healthcheck));
    }
    if config.args_escaped {
        add("ArgsEscaped", json!(true));
    }
    add("Image", extra("Image", json!("")));
    add("Volumes", or_null(config.volumes.is_empty(), set(&config.volumes)));
    add("WorkingDir", json!(config.working_dir));
    add("Entrypoint", or_null(config.entrypoint.is_empty(), json!(config.entrypoint)));
    for key in ["NetworkDisabled", "MacAddress"] {
        if let Some(value) = config.extra.get(key) {
            add(key, value.clone());
        }
    }
    add("OnBuild", or_null(config.on_build.is_empty(), json!(config.on_build)));
    add("Labels", or_null(config.labels.is_empty(), json!(config.labels)));
    if !config.stop_signal.is_empty() {
        add("StopSignal", json!(config.stop_signal));
    }
    if let Some(value) = config.extra.get("StopTimeout") {
        add("StopTimeout", value.clone());
    }
    if !config.shell.is_empty() {
        add("Shell", json!(config.shell));
    }
    Value::Object(fields)
}

fn to_value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
