//! `GET /system/df`

use serde_json::{Value, json};

use crate::api::ApiError;
use crate::api::request::Request;
use crate::api::response::Response;
use crate::api::service::Service;
use crate::engine::container;
use crate::engine::image::filter::Filters;
use crate::engine::image::list::{RowFacts, row};
use crate::engine::system::disk_usage::{self, ImageUsage, VolumeUsage};
use crate::engine::volume;
use crate::store::CacheItem;

const KINDS: [&str; 4] = ["container", "image", "volume", "build-cache"];

/// `type` may select what is computed.
pub fn df(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let kinds: Vec<&str> = request.query.all("type").into_iter().filter(|kind| !kind.is_empty()).collect();
    if let Some(other) = kinds.iter().find(|kind| !KINDS.contains(kind)) {
        return Err(ApiError::bad_request(format!("unknown object type: {other}")));
    }
    let is_asked = |kind: &str| kinds.is_empty() || kinds.contains(&kind);
    let store = service.store()?;
    let usage = disk_usage::measure(&store)?;
    // Fields that were not requested are present too, because docker's clients expect them.
    let mut answer = json!({"LayersSize": 0, "Images": null, "Containers": null, "Volumes": null, "BuildCache": null});
    if is_asked("image") {
        answer["LayersSize"] = usage.layers_size.into();
        answer["Images"] = usage.images.iter().map(image).collect();
    }
    if is_asked("container") {
        let entries = usage.containers.iter().map(|(entry, _)| entry);
        answer["Containers"] = container::rows_with_sizes(&store, entries)?.into();
    }
    if is_asked("volume") {
        answer["Volumes"] = usage.volumes.iter().map(of_volume).collect();
    }
    if is_asked("build-cache") {
        answer["BuildCache"] = usage.cache.iter().map(cache).collect();
    }
    Ok(Response::json(&answer)?)
}

fn image(used: &ImageUsage) -> Value {
    let facts = RowFacts { size: used.size, shared: Some(used.size - used.unique), containers: used.users };
    row(&used.image, &Filters::default(), facts)
}

fn of_volume(used: &VolumeUsage) -> Value {
    let mut fields = volume::describe(&used.record);
    fields["UsageData"] = json!({"RefCount": used.links, "Size": used.size});
    fields
}

fn cache(item: &CacheItem) -> Value {
    let time = |second| jiff::Timestamp::from_second(second).map(|time| time.to_string()).unwrap_or_default();
    json!({
        "ID": item.what.id(),
        "Type": item.what.kind(),
        "Description": "",
        "InUse": item.in_use,
        "Shared": item.shared,
        "Size": item.size,
        "CreatedAt": time(item.created_at),
        "LastUsedAt": time(item.used_at),
        "UsageCount": 0,
    })
}
