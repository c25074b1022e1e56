//! Sends a trace of a build to the address in OpenTelemetry's variables.

use std::time::Duration;

use crate::base::io_error::chain;
use crate::cli::output;
use crate::engine::history::{self, HistoryError, TraceContext};
use crate::store::Store;
use crate::transport::telemetry::Collector;

/// The maximum wait for something that is not part of the build.
const LONGEST: Duration = Duration::from_secs(30);
const USUAL: Duration = Duration::from_secs(5);

/// Sends the trace of the build with this reference, if requested. Errors are warnings.
pub fn tell(store: &Store, reference: &str) {
    let Some(endpoint) = endpoint() else { return };
    // A target that was never started has no record.
    let Ok(record) = history::find(store, reference.rsplit('/').next().unwrap_or_default()) else { return };
    let told = collector(endpoint).and_then(|collector| {
        let document = history::document(store, &record);
        let document = document.map_err(|error: HistoryError| chain(&error))?;
        collector.send(&history::trace(&document, &context())).map_err(|error| chain(&error))
    });
    if let Err(error) = told {
        output::say(format_args!("warning: no trace of the build was sent: {error}"));
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// `OTEL_EXPORTER_OTLP_TRACES_NAME`, or else `OTEL_EXPORTER_OTLP_NAME`.
fn setting(name: &str) -> Option<String> {
    variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}")).or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{name}")))
}

/// The address for traces; `None` if not configured.
fn endpoint() -> Option<String> {
    let is_off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    if is_off {
        return None;
    }
    let of_all =
        || variable("OTEL_EXPORTER_OTLP_ENDPOINT").map(|url| format!("{}/v1/traces", url.trim_end_matches('/')));
    variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(of_all)
}

fn collector(url: String) -> Result<Collector, String> {
    if let Some(protocol) = setting("PROTOCOL").filter(|protocol| !protocol.starts_with("http/")) {
        return Err(format!("OTEL_EXPORTER_OTLP_PROTOCOL is `{protocol}`, and rbuild speaks `http/json`"));
    }
    let timeout = match setting("TIMEOUT").map(|text| text.trim().parse().map(Duration::from_millis)) {
        None => USUAL,
        Some(Ok(timeout)) => timeout.min(LONGEST),
        Some(Err(_)) => return Err("OTEL_EXPORTER_OTLP_TIMEOUT is not a number of milliseconds".to_owned()),
    };
    let authority = match setting("CERTIFICATE") {
        Some(path) => Some(crate::base::input::named(path.as_ref()).map_err(|error| chain(&error))?),
        None => None,
    };
    Ok(Collector { url, headers: pairs(&setting("HEADERS").unwrap_or_default()), timeout, authority })
}

fn context() -> TraceContext {
    let mut resource = vec![("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
    resource.extend(pairs(&variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default()));
    let named = variable("OTEL_SERVICE_NAME");
    if named.is_some() {
        resource.retain(|(name, _)| name != "service.name");
    }
    if !resource.iter().any(|(name, _)| name == "service.name") {
        resource.push(("service.name".to_owned(), named.unwrap_or_else(|| "rbuild".to_owned())));
    }
    TraceContext { resource, parent: variable("TRACEPARENT").and_then(|text| parent(&text)) }
}

/// `VERSION-TRACE-SPAN-FLAGS` (W3C Trace Context).
fn parent(text: &str) -> Option<(String, String)> {
    let mut parts = text.trim().split('-');
    let (_, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let is_id = |id: &str, length: usize| {
        id.len() == length && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && id.bytes().any(|byte| byte != b'0')
    };
    (is_id(trace, 32) && is_id(span, 16)).then(|| (trace.to_ascii_lowercase(), span.to_ascii_lowercase()))
}

/// `NAME=VALUE,NAME=VALUE`, percent-decoded.
fn pairs(text: &str) -> Vec<(String, String)> {
    let split = text.split(',').filter_map(|pair| pair.split_once('='));
    split.map(|(name, value)| (decoded(name.trim()), decoded(value.trim()))).collect()
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| (*byte as char).to_digit(16));
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read() {
        let wanted = vec![("a".to_owned(), "b c".to_owned()), ("x".to_owned(), "=%".to_owned())];
        assert_eq!(pairs("a=b%20c, x==%,nothing"), wanted);
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        assert_eq!(parent(&format!("00-{trace}-{span}-01")), Some((trace.to_owned(), span.to_owned())));
        for wrong in ["", "00", "00-12-34-01", &format!("00-{}-{span}-01", "0".repeat(32))] {
            assert_eq!(parent(wrong), None, "{wrong}");
        }
    }
}
