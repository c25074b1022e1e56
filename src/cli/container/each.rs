//! What the commands for containers share: processing the named containers one by one.

use crate::base::io_error::AtPath;
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::{ContainerError, Containers, Entry};

/// The containers of the store. (Does not open its database, which takes longer than most of these commands.)
pub fn open(global: &Global) -> Result<Containers, CliError> {
    let root = global.store_root()?;
    // Monitors have a different working directory.
    Ok(Containers::of(&std::path::absolute(&root).at("find", &root)?))
}

/// The container of that name, or docker's error.
pub fn find(containers: &Containers, word: &str) -> Result<Entry, CliError> {
    containers.find(word).map_err(|error| CliError::of_container(error).exit_code(1))
}

/// Runs an action for each container and prints its name as typed. Errors are reported at the end, and do not stop the
/// others.
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

/// The same for slow actions: runs them in parallel, and prints in order.
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

/// Warns that the copied files may be inconsistent.
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
