//! The name server in user-defined networks: resolves containers' names, and asks the host's servers about the rest.

mod message;
mod names;
mod server;

pub(super) use names::Names;
pub(super) use server::{Sockets, Upstream, serve};

use message::{Data, Question, belongs_to};

/// For tests with arbitrary messages: the name that is asked for, and answers of each kind, over UDP first. `None` if
/// it is not a question.
#[doc(hidden)]
pub fn examine(message: &[u8]) -> Option<(String, [Vec<u8>; 3])> {
    // Answers of other servers are parsed, too.
    belongs_to(message, message);
    let question = Question::parse(message)?;
    let mut data: Vec<Data> = question.reversed_address().into_iter().map(Data::Address).collect();
    data.push(Data::Name(question.name.clone()));
    data.resize(64, Data::Address([10, 0, 0, 1].into()));
    let answers =
        [question.answer(message, &data, true), question.answer(message, &data, false), question.failure(message)];
    Some((question.name, answers))
}
