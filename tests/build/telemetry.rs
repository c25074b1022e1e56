//! Traces of builds, sent to a collector.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value;

use crate::common::TestStore;

/// A server that takes one request, and returns its head and its body.
fn collector(answer: &'static str) -> (String, std::thread::JoinHandle<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut input = BufReader::new(stream);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            input.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
            head += &line;
        }
        let mut body = vec![0; length];
        input.read_exact(&mut body).unwrap();
        input.get_mut().write_all(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").as_bytes()).unwrap();
        (head, body)
    });
    (address, server)
}

fn build(store: &TestStore, variables: &[(&str, &str)]) -> crate::common::Answer {
    let mut command = store.command(&["build", "--progress", "plain", "ctx"]);
    command.envs(variables.iter().copied());
    crate::common::Answer::of(command)
}

#[test]
fn a_build_is_sent_as_spans() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", "FROM busybox\nRUN echo one\nRUN exit 3\n");
    let (address, server) = collector("200 OK");
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=se%20cret"),
        ("OTEL_SERVICE_NAME", "ci"),
        ("TRACEPARENT", &parent),
    ];
    build(&store, &variables).fails(1);
    let (head, body) = server.join().unwrap();
    assert!(
        head.starts_with("POST /v1/traces HTTP/1.1") && head.to_ascii_lowercase().contains("x-key: se cret"),
        "{head}"
    );
    let sent: Value = serde_json::from_slice(&body).unwrap();
    let of = &sent["resourceSpans"][0];
    let attributes = of["resource"]["attributes"].as_array().unwrap();
    assert!(attributes.iter().any(|one| one["key"] == "service.name" && one["value"]["stringValue"] == "ci"));
    let spans = of["scopeSpans"][0]["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 4, "the build, the base image and two steps: {sent:#}");
    assert_eq!((&spans[0]["parentSpanId"], &spans[0]["status"]["code"]), (&"b7ad6b7169203331".into(), &2.into()));
    let step = |text: &str| spans.iter().find(|span| span["name"].as_str().unwrap().contains(text)).unwrap();
    let time = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
    let one = step("echo one");
    assert!(time(one, "endTimeUnixNano") > time(one, "startTimeUnixNano"), "{one}");
    assert_eq!((&one["traceId"], &one["parentSpanId"]), (&trace.into(), &spans[0]["spanId"]));
    assert!(one["attributes"].as_array().unwrap().iter().any(|fact| fact["key"] == "rbuild.step.memory.peak"), "{one}");
    assert_eq!(step("exit 3")["status"]["code"], 2);
}

#[test]
fn a_collector_that_fails_is_a_warning() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", "FROM busybox\nLABEL a=b\n");
    let (address, server) = collector("503 Unavailable");
    let traces = format!("{address}/own");
    let said = build(&store, &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &traces)]).ok().stderr();
    assert!(said.contains("warning: no trace of the build was sent") && said.contains("503"), "{said}");
    assert!(server.join().unwrap().0.starts_with("POST /own "));
    // A server that never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let begun = std::time::Instant::now();
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()), ("OTEL_EXPORTER_OTLP_TIMEOUT", "300")];
    assert!(build(&store, &variables).ok().stderr().contains("warning: no trace"));
    assert!(begun.elapsed() < Duration::from_secs(60), "it has a bound");
    for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
        assert!(!build(&store, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &address), off]).ok().stderr().contains("trace"));
    }
    let grpc = [("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    assert!(build(&store, &grpc).ok().stderr().contains("`http/json`"));
}
