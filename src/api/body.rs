//! A request's body, read by a thread that may block.

use std::io::{self, Read};
use std::pin::Pin;

use hyper::body::{Body as _, Bytes, Incoming};
use tokio::runtime::Handle;

use super::error::ApiError;

/// The size limit of a JSON body.
const MOST_JSON: u64 = 8 << 20;
/// How much of an unread body is drained, so that the client reads the response and can continue.
const MOST_UNWANTED: u64 = 1 << 20;

/// Received as it is read, so a client that sends much is slowed down to the reader.
pub struct Body {
    incoming: Incoming,
    chunk: Bytes,
    runtime: Handle,
    is_over: bool,
}

impl Body {
    pub fn of(incoming: Incoming, runtime: Handle) -> Self {
        Self { incoming, chunk: Bytes::new(), runtime, is_over: false }
    }

    /// The whole body; an error if it is larger than `most`.
    pub fn whole(&mut self, most: u64) -> Result<Vec<u8>, ApiError> {
        let mut bytes = Vec::new();
        self.take(most + 1).read_to_end(&mut bytes).map_err(|error| ApiError::bad_request(error.to_string()))?;
        if bytes.len() as u64 > most {
            return Err(ApiError::new(413, "request body too large"));
        }
        Ok(bytes)
    }

    /// The body as JSON; `None` if it is empty. `null` fields count as missing.
    pub fn json(&mut self) -> Result<Option<serde_json::Value>, ApiError> {
        let bytes = self.whole(MOST_JSON)?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let wrong = |error: serde_json::Error| match error.classify() {
            serde_json::error::Category::Eof => ApiError::bad_request("invalid JSON: unexpected EOF"),
            _ if is_followed(&bytes) => ApiError::bad_request("unexpected content after JSON"),
            _ => ApiError::bad_request(format!("invalid JSON: {error}")),
        };
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(wrong)?;
        Ok(Some(without_nulls(value)).filter(|value| !value.is_null()))
    }

    /// Drains the rest of the body, up to a limit.
    pub fn drop_rest(&mut self) {
        // An error does not matter here.
        let _ = io::copy(&mut self.take(MOST_UNWANTED), &mut io::sink());
    }

    fn next(&mut self) -> io::Result<Option<Bytes>> {
        let Self { incoming, runtime, .. } = self;
        loop {
            let frame = std::future::poll_fn(|context| Pin::new(&mut *incoming).poll_frame(context));
            match runtime.block_on(frame) {
                None => return Ok(None),
                Some(Err(error)) => return Err(io::Error::new(io::ErrorKind::ConnectionAborted, error)),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() && !self.is_over {
            match self.next()? {
                Some(chunk) => self.chunk = chunk,
                None => self.is_over = true,
            }
        }
        let length = self.chunk.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.chunk.split_to(length));
        Ok(length)
    }
}

/// Whether there is something behind a value that is right.
fn is_followed(bytes: &[u8]) -> bool {
    serde_json::Deserializer::from_slice(bytes)
        .into_iter::<serde_json::Value>()
        .next()
        .is_some_and(|first| first.is_ok())
}

/// docker's clients write `null` for missing fields.
fn without_nulls(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}
