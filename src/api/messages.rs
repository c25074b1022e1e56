//! Responses that are streams of JSON messages: progress, and at the end the outcome.
//!
//! The work runs on its own thread, which starts before the head of the response is sent: a failure before the first
//! message is an error status, as in docker.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde_json::{Value, json};

use super::error::ApiError;
use super::gone::Gone;
use super::output::Output;
use super::response::{JSON, Response};

/// How many messages are buffered before the sender waits for the client.
const BUFFERED: usize = 256;
/// docker's end of each message.
const END: &str = "\r\n";

/// Why the work failed.
#[derive(Debug)]
pub struct Failure {
    pub error: ApiError,
    /// The exit code of a program that failed.
    pub code: Option<u8>,
}

impl<E: Into<ApiError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), code: None }
    }
}

enum Piece {
    Message(Value),
    Failed(Failure),
    Done,
}

/// Sends messages about the work. Called from several threads.
#[derive(Clone)]
pub struct Messages {
    sender: SyncSender<Piece>,
    is_gone: Arc<AtomicBool>,
}

impl Messages {
    /// Sends a message that the client must get; waits if the client is slow.
    pub fn say(&self, message: Value) {
        self.send(Piece::Message(message));
    }

    /// Sends progress, unless the client is slow.
    pub fn say_if_heard(&self, message: Value) {
        // The next message has newer data.
        let _ = self.sender.try_send(Piece::Message(message));
    }

    /// `{"stream": TEXT}`
    pub fn stream(&self, text: impl Into<String>) {
        self.say(json!({"stream": text.into()}));
    }

    /// Whether the client is gone.
    pub fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    fn send(&self, piece: Piece) {
        if self.sender.send(piece).is_err() {
            self.is_gone.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs the work and responds with its messages.
pub fn answer(
    gone: &Gone,
    work: impl FnOnce(&Messages) -> Result<(), Failure> + Send + 'static,
) -> Result<Response, ApiError> {
    let (sender, receiver) = sync_channel(BUFFERED);
    let messages = Messages { sender, is_gone: Arc::default() };
    let told = Arc::clone(&messages.is_gone);
    gone.then(move || told.store(true, Ordering::Relaxed));
    std::thread::Builder::new().name("messages".to_owned()).spawn(move || {
        let end = work(&messages).map_or_else(Piece::Failed, |()| Piece::Done);
        messages.send(end);
    })?;
    match receiver.recv() {
        Ok(Piece::Failed(failure)) => Err(failure.error),
        Ok(first) => Ok(Response::stream(JSON, move |output| relay(first, &receiver, output))),
        Err(_) => Err(ApiError::internal("the request could not be answered: this is a fault of rbuild")),
    }
}

/// Responds with messages that are already known.
pub fn told(lines: Vec<Value>, failure: Option<Failure>) -> Response {
    Response::stream(JSON, move |output| {
        lines.iter().try_for_each(|line| output.json(line, END))?;
        failure.map_or(Ok(()), |failure| output.json(&describe(&failure), END))
    })
}

fn relay(first: Piece, receiver: &Receiver<Piece>, output: &mut Output) -> io::Result<()> {
    let mut next = Some(first);
    while let Some(piece) = next {
        match piece {
            Piece::Message(message) => output.json(&message, END)?,
            Piece::Failed(failure) => return output.json(&describe(&failure), END),
            Piece::Done => return Ok(()),
        }
        next = receiver.recv().ok();
    }
    Ok(())
}

fn describe(failure: &Failure) -> Value {
    let message = &failure.error.message;
    match failure.code {
        Some(code) => json!({"errorDetail": {"code": code, "message": message}, "error": message}),
        None => json!({"errorDetail": {"message": message}, "error": message}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_before_anything_was_said_has_a_status() {
        let refused = answer(&Gone::default(), |_| Err(ApiError::not_found("no").into()));
        assert!(refused.is_err_and(|error| error.status == 404));
        let late = answer(&Gone::default(), |messages| {
            messages.stream("a");
            Err(ApiError::not_found("no").into())
        });
        assert_eq!(late.unwrap().status, 200);
        assert_eq!(answer(&Gone::default(), |_| Ok(())).unwrap().status, 200);
    }

    #[test]
    fn an_error_has_the_code_of_a_program() {
        let failure = Failure { error: ApiError::internal("x"), code: Some(3) };
        assert_eq!(describe(&failure), json!({"errorDetail": {"code": 3, "message": "x"}, "error": "x"}));
    }
}
