//! What the commands for containers share: going through those that are named, one after another.

use crate::base::io_error::AtPath;
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::{ContainerError, Containers, Entry};

/// The containers of the store. (Its database is not opened: it takes longer than most of these commands.)
pub fn open(global: &Global) -> Result<Containers, CliError> {
    let root = global.store_root()?;
    // Monitors have a working folder of their own.
    Ok(Containers::of(&std::path::absolute(&root).at("find", &root)?))
}

/// The container of that name; its absence is said as docker says it.
pub fn find(containers: &Containers, word: &str) -> Result<Entry, CliError> {
    containers.find(word).map_err(|error| CliError::of_container(error).exit_code(1))
}

/// Does something with each of the containers and prints its name as it was typed. What fails is said in the end, and
/// does not keep the others from being done.
pub fn each(
    containers: &Containers,
    words: &[String],
    mut work: impl FnMut(Entry) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut errors = Vec::new();
    for word in words {
        match find(containers, word).and_then(&mut work) {
            Ok(()) => output::print(&format!("{word}\n"))?,
            Err(error) => errors.push(error),
        }
    }
    CliError::all(errors).map_or(Ok(()), Err)
}

/// The same for things that take their time: all at once, printed in order.
pub fn each_at_once(
    containers: &Containers,
    words: &[String],
    work: impl Fn(Entry) -> Result<(), ContainerError> + Sync,
) -> Result<(), CliError> {
    let mut errors = Vec::new();
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> =
            words.iter().map(|word| (word, scope.spawn(move || containers.find(word).and_then(work)))).collect();
        for (word, thread) in threads {
            match thread.join().unwrap_or(Err(ContainerError::MonitorDied)) {
                Ok(()) => output::print(&format!("{word}\n"))?,
                Err(error) => errors.push(CliError::of_container(error).exit_code(1)),
            }
        }
        Ok::<(), CliError>(())
    })?;
    CliError::all(errors).map_or(Ok(()), Err)
}

/// Says that the files that were read may not fit each other.
pub fn warn_not_paused(name: &str, reason: &ContainerError) {
    crate::cli::output::say(format_args!(
        "warning: the container {name} could not be paused, and its files were read while it ran: {}",
        crate::base::io_error::chain(reason)
    ));
}

/// A signal by name or number.
pub fn signal(text: &str) -> Result<i32, String> {
    crate::base::signal::number(text).ok_or_else(|| format!("invalid signal: {text}"))
}
