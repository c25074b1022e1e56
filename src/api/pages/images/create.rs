//! `POST /images/create`: pulls from a registry, or imports a root filesystem.

use serde_json::json;

use super::transfer::{Direction, Told};
use super::{name, platform};
use crate::api::ApiError;
use crate::api::credentials;
use crate::api::messages::{self, Messages};
use crate::api::request::Request;
use crate::api::response::Response;
use crate::api::service::Service;
use crate::base::urls;
use crate::engine::image::import::{self, ImportRequest};
use crate::engine::image::pull::{PullRequest, PullWatcher, pull};
use crate::image::Reference;
use crate::transport::registry::{Client, Progress, Pulled, Repository};

/// Compose, and buildx without a build plugin, pull this image to build in it if the engine has no BuildKit.
const BUILDER: &str = "moby/buildkit";
const BUILD_WITHOUT: &str = "; to build without that image, install rbuild as docker's build plugin (`rbuild docker-plugin install`), \
                             or set DOCKER_BUILDKIT=0";

pub fn create(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    match (request.query.text("fromImage"), request.query.text("fromSrc")) {
        (Some(image), _) => {
            let image = image.to_owned();
            create_by_pull(service, request, &image)
        }
        (None, Some(source)) => {
            let source = source.to_owned();
            create_by_import(service, request, &source)
        }
        (None, None) => Err(ApiError::bad_request("invalid reference format: there is neither fromImage nor fromSrc")),
    }
}

/// A name without a tag means all tags.
fn create_by_pull(service: &Service, request: &Request, image: &str) -> Result<Response, ApiError> {
    let typed = Reference::parse_without_default_tag(image)?;
    let typed = match request.query.text("tag") {
        Some(tag) => name(image, Some(tag))?,
        None => typed,
    };
    let all_tags = typed.tag().is_none() && typed.digest().is_none();
    let is_builder = typed.path() == BUILDER;
    let pulling = PullRequest { all_tags, platform: platform(request)?, ..PullRequest::new(typed) };
    let settings = credentials::of_registry(request)?;
    let service = service.clone();
    messages::answer(&request.gone, move |messages| {
        let store = service.store()?;
        let client = Client::new(&settings)?;
        pull(&store, &client, &pulling, &Watcher { messages }).map_err(|error| {
            let mut error = ApiError::from(error);
            if is_builder {
                error.message += BUILD_WITHOUT;
            }
            error
        })?;
        Ok(())
    })
}

struct Watcher<'a> {
    messages: &'a Messages,
}

impl Watcher<'_> {
    fn first(reference: &Reference) -> serde_json::Value {
        let what = reference.digest().map_or(reference.tag(), |digest| Some(digest.as_str())).unwrap_or_default();
        json!({"status": format!("Pulling from {}", reference.path()), "id": what})
    }
}

impl PullWatcher for Watcher<'_> {
    fn layers(&self, reference: &Reference) -> Box<dyn Progress + '_> {
        Box::new(Told::new(Direction::Pull, self.messages, Some(Self::first(reference))))
    }

    fn ends(&self, repository: &Repository) {
        for failure in repository.take_mirror_failures() {
            self.messages.say(json!({"status": format!("warning: mirror {failure}")}));
        }
    }

    fn pulled(&self, reference: &Reference, pulled: &Pulled) {
        let status = match pulled.is_new {
            true => "Downloaded newer image",
            false => "Image is up to date",
        };
        self.messages.say(json!({"status": format!("Digest: {}", pulled.digest)}));
        self.messages.say(json!({"status": format!("Status: {status} for {}", reference.familiar())}));
    }
}

/// Imports an archive from the body (`fromSrc=-`) or from an address.
fn create_by_import(service: &Service, request: &mut Request, source: &str) -> Result<Response, ApiError> {
    let query = &request.query;
    let name = query.text("repo").map(|repository| name(repository, query.text("tag"))).transpose()?;
    let importing = ImportRequest {
        name,
        changes: query.all("changes").iter().flat_map(|text| text.lines()).map(str::to_owned).collect(),
        message: query.text("message").map_or_else(|| format!("Imported from {source}"), str::to_owned),
        platform: platform(request)?,
    };
    let importing = importing.check()?;
    let store = service.store()?;
    let id = if source == "-" {
        let imported = import::import(&store, &importing, &mut request.body);
        request.let_finish(imported)?
    } else if urls::is_http_url(source) {
        let (file, _) = import::download(&store, source)?;
        import::import(&store, &importing, file)?
    } else {
        return Err(ApiError::bad_request(format!("fromSrc is `-` or an address behind http(s), not `{source}`")));
    };
    Ok(messages::told(vec![json!({"status": id})], None))
}
