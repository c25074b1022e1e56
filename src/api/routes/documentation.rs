//! `docs/api.md`, made of the table and of docker's description of its API.

use std::collections::BTreeMap;
use std::path::Path;

use super::{ELSEWHERE, all};
use crate::api::router::Route;
use crate::engine::version::{API, LEAST_API};

/// Methods, paths and the parameters of queries.
const DESCRIBED: &str = include_str!("../../../fixtures/docker/pages.tsv");

/// What is not done of a page that is answered: parameters in backquotes come from the query.
const PARTLY: &[(&str, &str)] = &[
    ("POST /containers/create", "`StorageOpt` and labels of SELinux are refused"),
    (
        "PUT /containers/{id}/archive",
        "`noOverwriteDirNonDir` holds always; `copyUIDGID` says nothing: owners are those of the archive",
    ),
    (
        "POST /build",
        "`version` 2 names the build plugin; `outputs` may only say that the image is kept; `rm` and `forcerm` say \
         nothing, as no containers are left",
    ),
    ("GET /images/json", "`digests` are told always; `manifests` never"),
    ("GET /images/{name}/json", "`manifests` are not told"),
    ("POST /images/load", "`quiet` says nothing: there is no progress to tell"),
    ("POST /networks/create", "bridges alone: other drivers are refused"),
    ("GET /networks/{id}", "`verbose` says nothing: it is for swarms"),
    ("POST /volumes/create", "the driver is `local`; others are refused"),
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

/// As docker's description writes it.
fn name_of(route: &Route) -> String {
    format!("{} {}", route.method, route.path.replace(":.*", ""))
}

fn partly(page: &str) -> Option<&'static str> {
    PARTLY.iter().find(|(name, _)| *name == page).map(|(_, what)| *what)
}

/// A page is answered; or in part; or refused as an engine does that is in no swarm, has no plugins and saves no processes.
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
    // What docker answers without having described it.
    let more: Vec<String> = all().map(name_of).filter(|page| !pages.contains(page)).collect();
    pages.extend(more);
    let table: String = pages.iter().map(|page| line(page, &routes)).collect();
    let text = format!(
        "# Docker's API\n\n`rbuild system service` answers these pages, in docker's versions {LEAST_API} to {API}, with \
         `/v1.NN` before the path or without. A ✓ is answered; a ◐ is answered but for what stands beside it; a – is \
         refused in docker's words, as an engine does that is in no swarm, has no plugins and saves no processes. \
         `POST /grpc` and `POST /session` name the build plugin. The list is made from docker's description of its API \
         and the table that requests are looked up in \
         (`RBUILD_BLESS=1 cargo test --lib the_page_of_documentation`).\n\n| | page | |\n|---|---|---|\n{table}"
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

/// Each stands in quotes somewhere in what reads requests, or in what is said to be missing of its page.
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
