//! The name server of containers in networks that people made: names of containers, and the host's servers for the rest.

mod message;
mod names;
mod server;

pub(super) use names::Names;
pub(super) use server::{Sockets, Upstream, serve};

use message::{Data, Question, belongs_to};

/// What the server makes of a message, for tests that make messages up: the name that is asked for, and answers of each
/// kind, first those over UDP. Nothing for what is no question.
#[doc(hidden)]
pub fn examine(message: &[u8]) -> Option<(String, [Vec<u8>; 3])> {
    // The answers of others are looked at as well.
    belongs_to(message, message);
    let question = Question::parse(message)?;
    let mut data: Vec<Data> = question.reversed_address().into_iter().map(Data::Address).collect();
    data.push(Data::Name(question.name.clone()));
    data.resize(64, Data::Address([10, 0, 0, 1].into()));
    let answers =
        [question.answer(message, &data, true), question.answer(message, &data, false), question.failure(message)];
    Some((question.name, answers))
}
