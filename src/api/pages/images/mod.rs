//! Images: lists, inspects, tags and removes them.

mod archives;
mod commit;
mod create;
mod push;
mod registries;
mod transfer;

pub use archives::{load, save, save_several};
pub use commit::commit;
pub use create::create;
pub use push::push;
pub use registries::{auth, distribution, search};

use serde_json::{Value, json};

use crate::api::ApiError;
use crate::api::request::Request;
use crate::api::response::Response;
use crate::api::service::Service;
use crate::api::version::Version;
use crate::base::Filters;
use crate::engine::Uncounted;
use crate::engine::image::list::ListRequest;
use crate::engine::image::remove::{Removal, Removed};
use crate::engine::image::{self, describe, info};
use crate::image::{Platform, Reference};

/// Up to this version, a list had the size twice.
const ONE_SIZE: Version = Version::new(1, 44);

pub fn list(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let query = &request.query;
    let wanted = ListRequest {
        filters: query.filters()?,
        // An older way to filter by name.
        name: query.text("filter").map(str::to_owned),
        all: query.flag("all"),
    };
    let mut rows = image::list::rows(&service.store()?, &wanted, query.flag("shared-size"))?;
    if request.version < ONE_SIZE {
        rows.iter_mut().for_each(|row| row["VirtualSize"] = row["Size"].clone());
    }
    Ok(Response::json(&rows)?)
}

pub fn inspect(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let store = service.store()?;
    let id = info::find_for(&store, request.part("name"), platform(request)?.as_ref())?;
    let mut found = describe::as_answered(&describe::describe(&store, &id)?);
    if request.version < ONE_SIZE {
        found["VirtualSize"] = found["Size"].clone();
    }
    Ok(Response::json(&found)?)
}

pub fn history(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let platform = platform(request)?;
    Ok(Response::json(&image::history::rows(&service.store()?, request.part("name"), platform.as_ref())?)?)
}

pub fn tag(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let target = name(request.query.text("repo").unwrap_or_default(), request.query.text("tag"))?;
    image::tag::tag(&service.store()?, request.part("name"), &target)?;
    Ok(Response::empty(201))
}

pub fn delete(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let query = &request.query;
    let removal = Removal { force: query.flag("force"), prune: !query.flag("noprune") };
    let platforms = platforms_of(&query.all("platforms"))?;
    let store = service.store()?;
    store.hold_nothing();
    let removed = image::remove::remove(&store, request.part("name"), &platforms, removal)?;
    Ok(Response::json(&removed.iter().map(Removed::describe).collect::<Vec<Value>>())?)
}

pub fn prune(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let filters = Filters::parse(&request.query.filters()?, &image::prune::FILTERS)?;
    let pruned = image::prune::prune(&service.store()?, false, &filters, &Uncounted)?;
    let removed: Vec<Value> = pruned.removed.iter().map(Removed::describe).collect();
    Ok(Response::json(&json!({
        "ImagesDeleted": if removed.is_empty() { Value::Null } else { Value::from(removed) },
        "SpaceReclaimed": pruned.reclaimed,
    }))?)
}

/// The name of a repository, which may contain a tag, and a separate tag or digest.
fn name(repository: &str, tag: Option<&str>) -> Result<Reference, ApiError> {
    let name = Reference::parse_without_default_tag(repository)?;
    Ok(match tag {
        None => name.with_default_tag(),
        Some(digest) if digest.contains(':') => format!("{}@{digest}", name.repository())
            .parse()
            .map_err(|_| ApiError::bad_request("invalid tag format"))?,
        Some(tag) => name.with_tag(tag).map_err(|_| ApiError::bad_request("invalid tag format"))?,
    })
}

/// `platform`, as JSON or as `OS/ARCH`.
fn platform(request: &Request) -> Result<Option<Platform>, ApiError> {
    request.query.text("platform").map(platform_of_json).transpose()
}

/// `platforms`, given several times, or once as a list.
fn platforms_of(given: &[&str]) -> Result<Vec<Platform>, ApiError> {
    let list = |text: &&str| serde_json::from_str::<Vec<String>>(text).unwrap_or_else(|_| vec![(*text).to_owned()]);
    given.iter().flat_map(list).map(|text| platform_of_json(&text)).collect()
}

fn platform_of_json(text: &str) -> Result<Platform, ApiError> {
    if text.trim_start().starts_with('{') {
        let wrong = |error| ApiError::bad_request(format!("invalid value for platform: {error}"));
        return Ok(serde_json::from_str::<Platform>(text).map_err(wrong)?.normalized());
    }
    Ok(text.parse::<Platform>()?.normalized())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_tags_and_digests() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let full = |repository: &str, tag: Option<&str>| name(repository, tag).map(|name| name.to_string());
        assert_eq!(full("a", None).unwrap(), "docker.io/library/a:latest");
        assert_eq!(full("a:1", Some("2")).unwrap(), "docker.io/library/a:2");
        assert_eq!(full("r.example/a", Some(&digest)).unwrap(), format!("r.example/a@{digest}"));
        assert!(full("A", None).is_err_and(|error| error.status == 400) && full("", None).is_err());
    }

    #[test]
    fn platforms_come_as_json_and_as_text() {
        for text in [r#"{"os":"linux","architecture":"arm64"}"#, "linux/arm64", "linux/aarch64"] {
            assert_eq!(platform_of_json(text).unwrap().to_string(), "linux/arm64", "{text}");
        }
        let arm = r#"{"os":"linux","architecture":"arm64"}"#;
        for given in [&[arm, "linux/s390x"][..], &[r#"["linux/arm64","linux/s390x"]"#]] {
            let shown: Vec<String> = platforms_of(given).unwrap().iter().map(Platform::to_string).collect();
            assert_eq!(shown, ["linux/arm64", "linux/s390x"]);
        }
        assert!(platforms_of(&[]).unwrap().is_empty() && platforms_of(&["["]).is_err());
        assert!(platform_of_json("{").is_err() && platform_of_json("a/b/c/d").is_err());
    }
}
