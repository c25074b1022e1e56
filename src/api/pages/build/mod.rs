//! `POST /build` and `POST /build/prune`: the classic builder's API, with the full Dockerfile language of today.

mod classic;
mod errors;
mod options;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter};
use std::sync::Arc;

use serde_json::{Value, json};

use super::elsewhere;
use crate::api::ApiError;
use crate::api::credentials;
use crate::api::messages::{self, Failure, Messages};
use crate::api::request::Request;
use crate::api::response::Response;
use crate::api::service::Service;
use crate::base::digest::ImageId;
use crate::base::io_error::AtPath;
use crate::base::rights;
use crate::build::solve::{Cancellation, JoinedNetwork};
use crate::build::{self, BuildError, BuildOptions, BuildResult, ContextSource};
use crate::engine::Uncounted;
use crate::engine::build::is_cache_there;
use crate::engine::container::join_network;
use crate::engine::image::build_cache::{self, Bounds, PrunedCache, Selection};
use crate::engine::image::pull::sync_behind;
use crate::image::Reference;
use crate::language::plan::NoCache;
use crate::store::{Staging, Store};

use classic::Classic;

/// BuildKit builds require a session, which is not supported here.
const BUILDKIT: &str = "2";
const CLASSIC: &str = "1";

pub fn build(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let is_buildkit = request.query.text("version") == Some(BUILDKIT);
    if is_buildkit || request.query.text("remote") == Some("client-session") {
        return elsewhere::build_plugin(service, request);
    }
    if let Some(other) = request.query.text("version").filter(|version| *version != CLASSIC) {
        return Err(ApiError::bad_request(format!("invalid version {other:?}")));
    }
    if request.query.flag("squash") {
        return Err(ApiError::bad_request("squash is only supported with experimental mode"));
    }
    let mut options = options::of(&request.query, credentials::of_registries(request)?)?;
    if let Some(name) = options::partner(&request.query) {
        let place = join_network(&service.containers(), name)?;
        options.run.joined = Some(JoinedNetwork::Opened(Arc::new(place)));
    }
    let quiet = request.query.flag("q");
    let store = service.store()?;
    let mut received = None;
    if request.query.text("remote").is_none() {
        let context = receive(&store, request);
        let (staging, context) = request.let_finish(context)?;
        options.context = context;
        received = Some(staging);
    }
    let cancellation = Arc::new(Cancellation::default());
    let stopped = Arc::clone(&cancellation);
    request.gone.then(move || stopped.cancel());
    let known: HashSet<ImageId> = match options.no_cache {
        NoCache::Never => store.images()?.into_iter().map(|image| image.id).collect(),
        _ => HashSet::new(),
    };
    messages::answer(&request.gone, move |messages| {
        if !options.cache_from.is_empty() && !is_cache_there(&store, &options) {
            options.no_cache = NoCache::Always;
        }
        let classic = Classic::new(messages, quiet);
        let built = rights::held().map_err(BuildError::from);
        let built = built.and_then(|rights| build::build(&store, rights, &options, &classic, &cancellation));
        // The context is no longer needed.
        drop(received);
        finish((&store, &options, &known), messages, (&classic, built))
    })
}

/// Receives the context, which is the body, into a file of the store.
fn receive(store: &Store, request: &mut Request) -> Result<(Staging, ContextSource), ApiError> {
    let staging = store.staging()?;
    let path = staging.path().join("context.tar");
    let mut file = BufWriter::new(File::create(&path).at("create", &path)?);
    io::copy(&mut request.body, &mut file).at("write the build context to", &path)?;
    file.into_inner().map_err(|error| error.into_error()).at("write the build context to", &path)?;
    Ok((staging, ContextSource::Archive(path)))
}

/// Reports the result, in the words that clients look for.
fn finish(
    (store, options, known): (&Store, &BuildOptions, &HashSet<ImageId>),
    messages: &Messages,
    (classic, built): (&Classic<'_>, Result<BuildResult, build::BuildError>),
) -> Result<(), Failure> {
    let result = match built {
        Ok(result) => result,
        Err(error) => {
            classic.failed(&error);
            // What `rbuild debug` enters must survive a power loss too.
            sync_behind(store);
            return Err(errors::failure(error, classic));
        }
    };
    if result.made_layers {
        sync_behind(store);
    }
    let id = result.id();
    if classic.is_quiet() {
        messages.stream(format!("{id}\n"));
        return Ok(());
    }
    classic.finished(known.contains(&id));
    messages.say(json!({"aux": {"ID": id}}));
    messages.stream(format!("Successfully built {}\n", id.short()));
    for name in options.tags.iter().map(Reference::familiar) {
        messages.stream(format!("Successfully tagged {name}\n"));
    }
    Ok(())
}

/// Removes what only makes builds faster.
pub fn prune(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let query = &request.query;
    let bytes = |name: &str| -> Result<Option<u64>, ApiError> {
        let number = query.number(name)?.filter(|number| *number != 0);
        let negative = |_| ApiError::bad_request(format!("invalid value for {name}: it is negative"));
        number.map(|number| u64::try_from(number).map_err(negative)).transpose()
    };
    let bounds = Bounds {
        // The first is the older name.
        reserved_space: bytes("keep-storage")?.or(bytes("reserved-space")?),
        max_used_space: bytes("max-used-space")?,
        min_free_space: bytes("min-free-space")?,
    };
    let (labels, words): (Vec<String>, Vec<String>) =
        query.filters()?.into_iter().partition(|word| word.starts_with("label=") || word.starts_with("label!="));
    let selection = Selection::of(&words)?;
    let store = service.store()?;
    let selection = Selection { all: query.flag("all"), most: bounds.most(&store)?, ..selection };
    let pruned = match labels.is_empty() {
        true => build_cache::prune(&store, &selection, "builder prune", &Uncounted)?,
        // docker's CLI passes the filters of `system prune`. The build cache has no labels, so a label filter matches
        // nothing.
        false => PrunedCache::default(),
    };
    let removed = if pruned.removed.is_empty() { Value::Null } else { Value::from(pruned.removed) };
    Ok(Response::json(&json!({"CachesDeleted": removed, "SpaceReclaimed": pruned.reclaimed}))?)
}
