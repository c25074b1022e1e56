//! `POST /images/{name}/push`

use serde_json::json;

use super::transfer::{Direction, Told};
use super::{name, platform};
use crate::api::ApiError;
use crate::api::credentials;
use crate::api::messages;
use crate::api::request::Request;
use crate::api::response::Response;
use crate::api::service::Service;
use crate::engine::image::push::{self, PushRequest};
use crate::image::Reference;
use crate::transport::registry::{Client, PushOptions};

/// A name without a tag means all tags.
pub fn push(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let typed = request.part("name");
    let typed = match request.query.text("tag") {
        Some(tag) => name(typed, Some(tag))?,
        None => Reference::parse_without_default_tag(typed)?,
    };
    let pushing = PushRequest { all_tags: typed.tag().is_none(), platform: platform(request)?, name: typed };
    pushing.check()?;
    let settings = credentials::of_registry(request)?;
    let service = service.clone();
    messages::answer(&request.gone, move |messages| {
        let store = service.store()?;
        let repository = pushing.name.repository();
        messages.say(json!({"status": format!("The push refers to repository [{repository}]")}));
        let pushes = push::select(&store, &pushing)?;
        let client = Client::new(&settings)?;
        let told = Told::new(Direction::Push, messages, None);
        for pushed in push::push(&store, &client, &pushes, &PushOptions::default(), &told)? {
            let tag = pushed.name.tag().unwrap_or_default();
            messages.say(json!({"status": format!("{tag}: digest: {} size: {}", pushed.digest, pushed.size)}));
            let facts = json!({"Tag": tag, "Digest": pushed.digest, "Size": pushed.size});
            messages.say(json!({"progressDetail": {}, "aux": facts}));
        }
        Ok(())
    })
}
