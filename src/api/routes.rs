//! The table of all pages, a list for each type of object. `docs/api.md` is generated from it.

use hyper::Method;

use super::pages::containers::{exec, files, life, logs, look, stats, streams};
use super::pages::{build, disk, elsewhere, images, networks, system, volumes};
use super::router::{Page, Route};
use super::version::Version;

/// The oldest supported version of docker's API.
const EVER: Version = Version::new(1, 24);

/// The lists; the first match counts.
pub fn all() -> impl Iterator<Item = &'static Route> {
    [SYSTEM, CONTAINERS, EXEC, IMAGES, NETWORKS, VOLUMES, ELSEWHERE].into_iter().flatten()
}

const SYSTEM: &[Route] = &[
    get("/_ping", system::ping),
    head("/_ping", system::ping),
    get("/version", system::version),
    get("/info", system::info),
    get("/system/df", disk::df),
    post("/auth", images::auth),
    get("/distribution/{name:.*}/json", images::distribution),
    post("/build", build::build),
    post("/build/prune", build::prune),
    get("/events", system::events),
];

const CONTAINERS: &[Route] = &[
    post("/containers/create", life::create),
    get("/containers/json", look::list),
    post("/containers/prune", life::prune),
    get("/containers/{id}/json", look::inspect),
    get("/containers/{id}/top", look::top),
    get("/containers/{id}/changes", look::changes),
    get("/containers/{id}/logs", logs::logs),
    get("/containers/{id}/stats", stats::stats),
    get("/containers/{id}/export", files::export),
    head("/containers/{id}/archive", files::look),
    get("/containers/{id}/archive", files::pack),
    put("/containers/{id}/archive", files::unpack),
    post("/containers/{id}/attach", streams::attach),
    get("/containers/{id}/attach/ws", streams::attach_by_web_socket),
    post("/containers/{id}/resize", streams::resize),
    post("/containers/{id}/start", life::start),
    post("/containers/{id}/stop", life::stop),
    post("/containers/{id}/restart", life::restart),
    post("/containers/{id}/kill", life::kill),
    post("/containers/{id}/pause", life::pause),
    post("/containers/{id}/unpause", life::unpause),
    post("/containers/{id}/rename", life::rename),
    post("/containers/{id}/update", life::update),
    post("/containers/{id}/wait", life::wait),
    post("/containers/{id}/exec", exec::create),
    get("/containers/{id}/checkpoints", elsewhere::no_checkpoints),
    post("/containers/{id}/checkpoints", elsewhere::no_checkpoints),
    delete("/containers/{id}/checkpoints/{name}", elsewhere::no_checkpoints),
    // Links are named `CONTAINER/ALIAS`.
    delete("/containers/{id:.*}", life::remove),
];

const EXEC: &[Route] = &[
    post("/exec/{id}/start", exec::start),
    post("/exec/{id}/resize", exec::resize),
    get("/exec/{id}/json", exec::inspect),
];

const IMAGES: &[Route] = &[
    get("/images/json", images::list),
    post("/images/create", images::create),
    post("/images/load", images::load),
    post("/images/prune", images::prune),
    get("/images/search", images::search),
    get("/images/get", images::save_several),
    get("/images/{name:.*}/get", images::save),
    get("/images/{name:.*}/json", images::inspect),
    get("/images/{name:.*}/history", images::history),
    post("/images/{name:.*}/push", images::push),
    post("/images/{name:.*}/tag", images::tag),
    delete("/images/{name:.*}", images::delete),
    post("/commit", images::commit),
];

const NETWORKS: &[Route] = &[
    get("/networks", networks::list),
    post("/networks/create", networks::create),
    post("/networks/prune", networks::prune),
    get("/networks/{id:.*}", networks::inspect),
    delete("/networks/{id:.*}", networks::remove),
    post("/networks/{id:.*}/connect", networks::connect),
    post("/networks/{id:.*}/disconnect", networks::disconnect),
];

const VOLUMES: &[Route] = &[
    get("/volumes", volumes::list),
    post("/volumes/create", volumes::create),
    post("/volumes/prune", volumes::prune),
    get("/volumes/{name}", volumes::inspect),
    put("/volumes/{name}", volumes::update),
    delete("/volumes/{name}", volumes::remove),
];

/// What a single machine does not have, and what goes through docker's build plugin.
static ELSEWHERE: &[Route] = &[
    post("/grpc", elsewhere::build_plugin),
    post("/session", elsewhere::build_plugin),
    get("/plugins", elsewhere::no_plugins),
    get("/plugins/privileges", elsewhere::no_plugin_support),
    post("/plugins/pull", elsewhere::no_plugin_support),
    post("/plugins/create", elsewhere::no_plugin_support),
    get("/plugins/{name:.*}/json", elsewhere::no_such_plugin),
    post("/plugins/{name:.*}/enable", elsewhere::no_such_plugin),
    post("/plugins/{name:.*}/disable", elsewhere::no_such_plugin),
    post("/plugins/{name:.*}/upgrade", elsewhere::no_such_plugin),
    post("/plugins/{name:.*}/push", elsewhere::no_such_plugin),
    post("/plugins/{name:.*}/set", elsewhere::no_such_plugin),
    delete("/plugins/{name:.*}", elsewhere::no_such_plugin),
    get("/swarm", elsewhere::no_swarm),
    post("/swarm/init", elsewhere::no_swarm),
    post("/swarm/join", elsewhere::no_swarm),
    post("/swarm/leave", elsewhere::no_swarm_to_leave),
    post("/swarm/update", elsewhere::no_swarm),
    get("/swarm/unlockkey", elsewhere::no_swarm),
    post("/swarm/unlock", elsewhere::no_swarm),
    get("/nodes", elsewhere::no_swarm),
    get("/nodes/{id}", elsewhere::no_swarm),
    delete("/nodes/{id}", elsewhere::no_swarm),
    post("/nodes/{id}/update", elsewhere::no_swarm),
    get("/services", elsewhere::no_swarm),
    post("/services/create", elsewhere::no_swarm),
    get("/services/{id}", elsewhere::no_swarm),
    delete("/services/{id}", elsewhere::no_swarm),
    post("/services/{id}/update", elsewhere::no_swarm),
    get("/services/{id}/logs", elsewhere::no_swarm),
    get("/tasks", elsewhere::no_swarm),
    get("/tasks/{id}", elsewhere::no_swarm),
    get("/tasks/{id}/logs", elsewhere::no_swarm),
    get("/secrets", elsewhere::no_swarm),
    post("/secrets/create", elsewhere::no_swarm),
    get("/secrets/{id}", elsewhere::no_swarm),
    delete("/secrets/{id}", elsewhere::no_swarm),
    post("/secrets/{id}/update", elsewhere::no_swarm),
    get("/configs", elsewhere::no_swarm),
    post("/configs/create", elsewhere::no_swarm),
    get("/configs/{id}", elsewhere::no_swarm),
    delete("/configs/{id}", elsewhere::no_swarm),
    post("/configs/{id}/update", elsewhere::no_swarm),
];

const fn route(method: Method, path: &'static str, page: Page) -> Route {
    Route { method, path, since: EVER, page }
}

const fn get(path: &'static str, page: Page) -> Route {
    route(Method::GET, path, page)
}

const fn head(path: &'static str, page: Page) -> Route {
    route(Method::HEAD, path, page)
}

const fn post(path: &'static str, page: Page) -> Route {
    route(Method::POST, path, page)
}

const fn put(path: &'static str, page: Page) -> Route {
    route(Method::PUT, path, page)
}

const fn delete(path: &'static str, page: Page) -> Route {
    route(Method::DELETE, path, page)
}

#[cfg(test)]
mod documentation;
