//! `POST /images/load`, `GET /images/get` and `GET /images/{name}/get`

use std::io::{self, BufWriter, Write as _};

use serde_json::{Value, json};

use super::platform;
use crate::api::ApiError;
use crate::api::messages;
use crate::api::request::Request;
use crate::api::response::{Response, TAR};
use crate::api::service::Service;
use crate::engine::image::{load, save};
use crate::transport::archive::{Loaded, Source};

const BUFFER: usize = 64 << 10;

/// Like docker, reports errors of the archive in the stream.
pub fn load(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let platform = platform(request)?;
    let store = service.store()?;
    let loaded = load::load(&store, Source::Stream(Box::new(&mut request.body)), platform);
    Ok(match request.let_finish(loaded) {
        Ok(loaded) => messages::told(loaded.iter().flat_map(messages_of).collect(), None),
        Err(error) => messages::told(Vec::new(), Some(error.into())),
    })
}

fn messages_of(loaded: &Loaded) -> Vec<Value> {
    load::lines(loaded).into_iter().map(|line| json!({"stream": line + "\n"})).collect()
}

/// Saves the image in the path.
pub fn save(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let names = vec![request.part("name").to_owned()];
    save_those(service, request, &names)
}

/// Saves the images in the query.
pub fn save_several(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let names: Vec<String> = request.query.all("names").into_iter().map(str::to_owned).collect();
    if names.is_empty() {
        return Err(ApiError::bad_request("invalid reference format: no image is named"));
    }
    save_those(service, request, &names)
}

fn save_those(service: &Service, request: &Request, names: &[String]) -> Result<Response, ApiError> {
    let store = service.store()?;
    let images = save::select(&store, names, platform(request)?.as_ref())?;
    Ok(Response::stream(TAR, move |output| {
        let mut out = BufWriter::with_capacity(BUFFER, output);
        save::save(&store, &images, &mut out).map_err(io::Error::other)?;
        out.flush()
    }))
}
