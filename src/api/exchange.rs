//! One request and its response. Pages wait for files and processes, so each runs on its own thread.

use std::convert::Infallible;
use std::io::Write as _;

use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::body::Body;
use super::error::ApiError;
use super::gone::{Gone, Leaving};
use super::hijack::Takeover;
use super::output::{Outgoing, Output};
use super::query::Query;
use super::request::Request;
use super::response::{Content, JSON, Response};
use super::router;
use super::service::Service;
use crate::engine::version;

type Answer = hyper::Response<Outgoing>;

/// Answers a request. A hijacked connection is passed to `taker`, and then this never returns.
pub async fn answer(
    service: Service,
    taker: mpsc::Sender<Takeover>,
    request: hyper::Request<Incoming>,
) -> Result<Answer, Infallible> {
    let gone = Gone::default();
    // Dropped early only if the connection is.
    let leaving = Leaving::of(gone.clone());
    let (head, incoming) = request.into_parts();
    let body = Body::of(incoming, Handle::current());
    let asked = gone.clone();
    let answered = spawn_blocking(move || {
        let found = match router::find(&head.method, head.uri.path()) {
            Ok(found) => found,
            Err(error) => return (refusal(error), body),
        };
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let mut request =
            Request { version: found.version, path: found.path, query, headers: head.headers, body, gone: asked };
        let response = (found.route.page)(&service, &mut request).unwrap_or_else(refusal);
        // Otherwise the rest of the body would be read as the next request, or as a program's input.
        request.body.drop_rest();
        (response, request.body)
    });
    let response = match answered.await {
        Ok((response, _)) => response,
        Err(_) => refusal(ApiError::internal("the request could not be answered: this is a fault of rbuild")),
    };
    let Response { status, headers, content } = response;
    let (kind, outgoing) = match content {
        Content::Nothing => (None, Outgoing::Whole(None)),
        Content::Whole { kind, bytes } => (Some(kind), Outgoing::Whole(Some(Bytes::from(bytes)))),
        Content::Stream { kind, write } => {
            let (mut output, outgoing) = Output::new(gone);
            spawn_blocking(move || {
                if let Err(error) = write(&mut output) {
                    output.break_off(error);
                }
            });
            (Some(kind), outgoing)
        }
        Content::Hijack { headers, take } => {
            let _ = taker.send(Takeover { head: written_head(status, &headers), take }).await;
            return std::future::pending().await;
        }
    };
    let answer = head_of(status, kind, &headers, outgoing);
    leaving.answered();
    Ok(answer)
}

fn refusal(error: ApiError) -> Response {
    if error.is_plain_text {
        return Response::text(error.message).status(error.status);
    }
    let bytes = serde_json::json!({"message": error.message}).to_string().into_bytes();
    let content = Content::Whole { kind: JSON, bytes: [bytes, b"\n".to_vec()].concat() };
    Response { status: error.status, headers: Vec::new(), content }
}

/// The server's headers in every response.
fn own_headers() -> [(&'static str, String); 4] {
    [
        ("Api-Version", version::API.to_owned()),
        ("Docker-Experimental", "false".to_owned()),
        ("Ostype", "linux".to_owned()),
        ("Server", format!("Docker/{} (linux)", version::of_docker())),
    ]
}

fn head_of(status: u16, kind: Option<&str>, headers: &[(&'static str, String)], outgoing: Outgoing) -> Answer {
    let mut answer = hyper::Response::new(outgoing);
    *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    let own = own_headers();
    for (name, value) in own.iter().chain(headers) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    if let Some(kind) = kind.and_then(|kind| HeaderValue::from_str(kind).ok()) {
        answer.headers_mut().insert(CONTENT_TYPE, kind);
    }
    answer
}

/// The head of a response after which the connection is no longer HTTP.
fn written_head(status: u16, headers: &[(&'static str, String)]) -> Vec<u8> {
    let reason = if status == 101 { "UPGRADED" } else { "OK" };
    let mut head = format!("HTTP/1.1 {status} {reason}\r\n").into_bytes();
    for (name, value) in headers.iter().chain(&own_headers()) {
        // Writing to a vector cannot fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.extend(b"\r\n");
    head
}
