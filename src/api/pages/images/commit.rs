//! `POST /commit`

use serde_json::{Value, json};

use super::name;
use crate::api::ApiError;
use crate::api::request::Request;
use crate::api::response::Response;
use crate::api::service::Service;
use crate::container::Commit;
use crate::engine::image::commit::{CommitRequest, commit as make};

/// The body may have a config, whose fields override the container's.
pub fn commit(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let given: Value = request.json_or_default()?;
    let query = &request.query;
    if query.text("container").is_none() {
        return Err(ApiError::bad_request("invalid name or ID supplied: \"\""));
    }
    let text = |key: &str| query.text(key).unwrap_or_default().to_owned();
    let name = query.text("repo").map(|repository| name(repository, query.text("tag"))).transpose()?;
    let committed = make(
        &service.store()?,
        &CommitRequest {
            container: text("container"),
            name,
            commit: Commit { author: text("author"), message: text("comment"), pause: query.flag_or("pause", true) },
            changes: query.all("changes").iter().flat_map(|text| text.lines()).map(str::to_owned).collect(),
            config: given,
        },
    )?;
    Ok(Response::json(&json!({"Id": committed.image}))?.status(201))
}
