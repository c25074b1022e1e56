//! Basics that every client relies on.

use crate::Served;
use crate::common::TestStore;
use crate::common::support::http;

#[test]
fn a_ping_says_which_version_is_spoken() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    for (method, path) in [("GET", "/_ping"), ("HEAD", "/_ping"), ("GET", "/v1.24/_ping"), ("GET", "/v1.51/_ping")] {
        let answer = served.ask(method, path, None).is(200);
        assert_eq!(answer.text(), if method == "GET" { "OK" } else { "" });
        for (name, value) in
            [("api-version", "1.51"), ("ostype", "linux"), ("docker-experimental", "false"), ("builder-version", "1")]
        {
            assert_eq!(answer.header(name), Some(value), "{method} {path}");
        }
        assert!(answer.header("server").is_some() && answer.header("cache-control").is_some());
    }
}

#[test]
fn other_versions_are_refused_in_words_that_their_clients_read() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    let new = served.get("/v1.99/version").is(400);
    assert_eq!(new.message(), "client version 1.99 is too new. Maximum supported API version is 1.51");
    let old = served.get("/v1.10/version").is(400);
    assert!(old.text().starts_with("client version 1.10 is too old."), "{}", old.text());
    assert!(old.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
}

#[test]
fn pages_that_are_not_there() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    for (method, path) in [("GET", "/nonsense"), ("PUT", "/_ping"), ("GET", "/vx/version"), ("GET", "/../_ping")] {
        let answer = served.ask(method, path, None).is(404);
        assert_eq!(
            (answer.message().as_str(), answer.header("content-type")),
            ("page not found", Some("application/json"))
        );
    }
    for path in ["/swarm", "/services", "/nodes", "/tasks", "/secrets", "/configs"] {
        assert!(served.get(path).is(503).message().starts_with("This node is not a swarm manager."), "{path}");
    }
    assert_eq!(served.get("/plugins").is(200).json(), serde_json::json!([]));
    assert!(served.ask("POST", "/grpc", None).is(501).message().contains("docker-plugin"));
}

#[test]
fn one_connection_takes_many_requests() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    let mut last = http::open(&served.socket, "GET", "/version", &[], b"");
    for _ in 0..3 {
        assert_eq!(last.status, 200);
        let length = last.header("content-length").unwrap().parse().unwrap();
        let mut body = vec![0; length];
        std::io::Read::read_exact(&mut last.reader, &mut body).unwrap();
        last.send(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n");
        last = http::Open::read(last.reader);
    }
}
