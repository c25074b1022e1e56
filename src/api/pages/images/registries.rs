//! Requests to registries that transfer no image: `GET /images/search`, `GET /distribution/{name}/json` and
//! `POST /auth`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::ApiError;
use crate::api::credentials;
use crate::api::request::Request;
use crate::api::response::Response;
use crate::api::service::Service;
use crate::engine::image::distribution;
use crate::engine::image::search::{SearchRequest, search as look_for};
use crate::image::Reference;
use crate::transport::registry::{Client, Found, GivenCredentials, check_password, login_again, registry_host};

/// docker's default limit.
const DEFAULT_LIMIT: i64 = 25;

pub fn search(_: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let limit = request.query.number("limit")?.filter(|limit| *limit != 0).unwrap_or(DEFAULT_LIMIT);
    let limit = usize::try_from(limit)
        .ok()
        .filter(|limit| (1..=100).contains(limit))
        .ok_or_else(|| ApiError::bad_request(format!("limit {limit} is outside the range of [1, 100]")))?;
    let wanted = SearchRequest {
        term: request.query.text("term").unwrap_or_default().to_owned(),
        limit,
        filters: request.query.filters()?,
    };
    let client = Client::new(&credentials::of_registry(request)?)?;
    let row = |found: &Found| {
        json!({
            "star_count": found.star_count,
            "is_official": found.is_official,
            "name": found.name,
            "is_automated": found.is_automated,
            "description": found.description,
        })
    };
    Ok(Response::json(&look_for(&client, &wanted)?.iter().map(row).collect::<Vec<Value>>())?)
}

/// What a name refers to in its registry, and the platforms of its images.
pub fn distribution(_: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let name: Reference = request.part("name").parse()?;
    let client = Client::new(&credentials::of_registry(request)?)?;
    Ok(Response::json(&distribution::describe(&client, &name)?)?)
}

/// docker's `AuthConfig`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Login {
    username: String,
    password: String,
    serveraddress: String,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Checks whether the registry accepts the credentials. The client stores them.
pub fn auth(_: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let login: Login = request.json()?;
    let host = registry_host(&login.serveraddress);
    let token = if login.password.is_empty() {
        let settings = credentials::settings(GivenCredentials::everywhere(login.others))?;
        if !login_again(&settings, host)? {
            return Err(ApiError::bad_request("no credentials were given: username and password, or a token"));
        }
        None
    } else {
        let settings = credentials::settings(GivenCredentials::everywhere(Map::new()))?;
        check_password(&settings, host, &login.username, &login.password)?
    };
    Ok(Response::json(&json!({"IdentityToken": token.unwrap_or_default(), "Status": "Login Succeeded"}))?)
}
