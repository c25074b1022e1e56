//! Generates `docs/api.md` from the table and from docker's description of its API.

use std::collections::BTreeMap;
use std::path::Path;

use super::{ELSEWHERE, all};
use crate::api::router::Route;
use crate::engine::version::{API, LEAST_API};

/// Methods, paths and query parameters.
const DESCRIBED: &str = include_str!("../../../fixtures/docker/pages.tsv");

/// What is missing on supported pages: parameters in backquotes are in the query.
const PARTLY: &[(&str, &str)] = &[
    ("POST /containers/create", "`StorageOpt` and SELinux labels are refused"),
    (
        "PUT /containers/{id}/archive",
        "`noOverwriteDirNonDir` is always on; `copyUIDGID` is ignored: owners are those of the archive",
    ),
    (
        "POST /build",
        "`version` 2 is refused with a pointer to the build plugin; `outputs` only accepts storing the image; `rm` and \
         `forcerm` are ignored: no containers are left behind",
    ),
    ("GET /images/json", "`digests` are always listed, `manifests` never"),
    ("GET /images/{name}/json", "`manifests` are not listed"),
    ("POST /images/load", "`quiet` is ignored: there are no progress messages"),
    ("POST /networks/create", "only `bridge`; other drivers are refused"),
    ("GET /networks/{id}", "`verbose` is ignored: it is for swarms"),
    ("POST /volumes/create", "only `local`; other drivers are refused"),
];

/// One line of docker's description.
struct Described {
    page: String,
    parameters: Vec<&'static str>,
}

fn described() -> Vec<Described> {
    let lines = DESCRIBED.lines().filter(|line| !line.starts_with('#'));
    let fields = lines.map(|line| line.split('\t').collect::<Vec<_>>());
    let page = |fields: Vec<&'static str>| Described {
        page: format!("{} {}", fields[0], fields[1]),
        parameters: fields.get(2).map(|all| all.split(' ').collect()).unwrap_or_default(),
    };
    fields.map(page).collect()
}

/// The name in docker's description.
fn name_of(route: &Route) -> String {
    format!("{} {}", route.method, route.path.replace(":.*", ""))
}

fn partly(page: &str) -> Option<&'static str> {
    PARTLY.iter().find(|(name, _)| *name == page).map(|(_, what)| *what)
}

/// The row of a page: supported, supported in part, or refused like an engine without swarm, plugins and checkpoints.
fn line(page: &str, routes: &BTreeMap<String, &Route>) -> String {
    let is_elsewhere = |route: &Route| ELSEWHERE.iter().any(|refused| std::ptr::eq(refused, route));
    let is_refused = page.contains("/checkpoints")
        || page == "PUT /volumes/{name}"
        || routes.get(page).is_none_or(|route| is_elsewhere(route));
    match (is_refused, partly(page)) {
        (true, _) => format!("| – | `{page}` | |\n"),
        (false, Some(what)) => format!("| ◐ | `{page}` | {what} |\n"),
        (false, None) => format!("| ✓ | `{page}` | |\n"),
    }
}

#[test]
fn the_page_of_documentation_lists_them_all() {
    let routes: BTreeMap<String, &Route> = all().map(|route| (name_of(route), route)).collect();
    let described = described();
    let mut pages: Vec<String> = described.iter().map(|page| page.page.clone()).collect();
    // Pages that docker has but does not describe.
    let more: Vec<String> = all().map(name_of).filter(|page| !pages.contains(page)).collect();
    pages.extend(more);
    let table: String = pages.iter().map(|page| line(page, &routes)).collect();
    let text = format!(
        "# Docker's API\n\n\
         `rbuild system service` supports the endpoints below, in versions {LEAST_API} to {API} of docker's API, with\n\
         or without `/v1.NN` in front of the path. ✓ means supported; ◐ supported, except as noted; – refused\n\
         with docker's message for an engine without swarm, plugins and checkpoints. The errors of\n\
         `POST /grpc` and `POST /session` point to the build plugin. This list is generated from docker's\n\
         description of its API and the server's routing table\n\
         (`RBUILD_BLESS=1 cargo test --lib the_page_of_documentation`).\n\n\
         | | endpoint | |\n|---|---|---|\n{table}"
    );
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md");
    if std::env::var_os("RBUILD_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), text, "RBUILD_BLESS=1 writes it anew");
}

#[test]
fn every_page_that_docker_describes_has_an_answer() {
    let routes: Vec<String> = all().map(name_of).collect();
    let missing: Vec<String> =
        described().into_iter().map(|page| page.page).filter(|page| !routes.contains(page)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    for (page, _) in PARTLY {
        assert!(routes.iter().any(|route| route == page), "there is no page {page}");
    }
}

/// Each is quoted somewhere in the code that reads requests, or in the notes of its page.
#[test]
fn every_parameter_is_read_or_said_to_be_missing() {
    let read = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api"));
    let refused = |page: &str| ELSEWHERE.iter().any(|route| name_of(route) == page);
    let mut wrong = Vec::new();
    for Described { page, parameters } in described().into_iter().filter(|described| !refused(&described.page)) {
        let missing = partly(&page).unwrap_or_default();
        let is_known = |name: &&str| read.contains(&format!("\"{name}\"")) || missing.contains(&format!("`{name}`"));
        wrong.extend(parameters.into_iter().filter(|name| !is_known(name)).map(|name| format!("{page}: {name}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            text += &sources(&path);
        } else if !path.ends_with("documentation.rs") {
            text += &std::fs::read_to_string(&path).unwrap();
        }
    }
    text
}
