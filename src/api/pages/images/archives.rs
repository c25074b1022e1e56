//! `POST /images/load`, `GET /images/get` and `GET /images/{name}/get`

use std::io::{self, BufWriter, Write as _};

use serde_json::{Value, json};

use super::platform;
use crate::api::ApiError;
use crate::api::messages;
use crate::api::request::Request;
use crate::api::response::{Response, TAR};
use crate::api::service::Service;
use crate::engine::image::load;
use crate::engine::image::save::select;
use crate::transport::archive::{self, Loaded, SaveFormat, Source};

const BUFFER: usize = 64 << 10;

/// What is wrong with the archive is said in the stream, as docker does.
pub fn load(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let platform = platform(request)?;
    let store = service.store()?;
    let loaded = load::load(&store, Source::Stream(Box::new(&mut request.body)), platform);
    Ok(match request.let_finish(loaded) {
        Ok(loaded) => messages::told(loaded.iter().flat_map(lines).collect(), None),
        Err(error) => messages::told(Vec::new(), Some(error.into())),
    })
}

fn lines(loaded: &Loaded) -> Vec<Value> {
    let stream = |text: String| json!({"stream": text});
    let replaced = loaded.replaced.iter().map(|(name, old)| {
        let name = name.familiar();
        stream(format!("The image {name} already exists, renaming the old one with ID {old} to empty string\n"))
    });
    let names = loaded.names.iter().map(|name| stream(format!("Loaded image: {}\n", name.familiar())));
    let nameless = loaded.names.is_empty().then(|| stream(format!("Loaded image ID: {}\n", loaded.id)));
    replaced.chain(names).chain(nameless).collect()
}

/// The image of the path.
pub fn save(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let names = vec![request.part("name").to_owned()];
    save_those(service, request, &names)
}

/// The images of the query.
pub fn save_several(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let names: Vec<String> = request.query.all("names").into_iter().map(str::to_owned).collect();
    if names.is_empty() {
        return Err(ApiError::bad_request("invalid reference format: no image is named"));
    }
    save_those(service, request, &names)
}

fn save_those(service: &Service, request: &Request, names: &[String]) -> Result<Response, ApiError> {
    let store = service.store()?;
    let images = select(&store, names, platform(request)?.as_ref())?;
    Ok(Response::stream(TAR, move |output| {
        let mut out = BufWriter::with_capacity(BUFFER, output);
        archive::save(&store, &images, SaveFormat::Docker, &mut out).map_err(io::Error::other)?;
        for image in &images {
            store.tell("save", &image.image.id, &image.image.id.to_string());
        }
        out.flush()
    }))
}
