//! Runs a program in a new container of an image: `cargo run --example run_container STORE IMAGE COMMAND...`.
//!
//! Run it as root where only root may create containers. The image must be in the store: `build_image` makes one.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rbuild::container::{Containers, LogLine, Removal, Source};
use rbuild::engine;
use rbuild::engine::container::{CreateRequest, LogListener, LogRequest, LogStream, Starting, create, remove};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    // rbuild's own processes are executed from this program too.
    if let Some(code) = rbuild::serve_if_requested() {
        return Ok(code);
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [store, image, command @ ..] = words.as_slice() else {
        return Err("usage: run_container STORE IMAGE COMMAND...".into());
    };
    let root = std::path::absolute(Path::new(store))?;
    // The process that will monitor the container, and outlives this one.
    let mut starting = Starting::begin(1, &root)?;
    let store = engine::store::open(&root)?;
    // The request of docker's API, with all options of `docker run`.
    let body = serde_json::json!({"Image": image, "Cmd": command, "HostConfig": {"NetworkMode": "none"}});
    let created = create(&store, CreateRequest::new(body))?;
    created.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));

    let containers = Containers::of(&root);
    let id = created.entry.record.id.clone();
    starting.start(&containers, &created.entry)?;
    let mut request = LogRequest::default();
    request.follow = true;
    LogStream::open(containers.clone(), containers.find(&id)?, request)?.run(&mut Printed)?;
    let ending = containers.find(&id)?.wait()?;
    remove(&containers, &containers.find(&id)?, Removal::default())?;
    Ok(ExitCode::from(ending.exit_code))
}

/// Prints each line to the stream that the program used.
struct Printed;

impl LogListener for Printed {
    fn line(&mut self, line: &LogLine<'_>) -> io::Result<()> {
        match line.stream {
            Source::Stdout => io::stdout().write_all(line.log.as_bytes()),
            Source::Stderr => io::stderr().write_all(line.log.as_bytes()),
        }
    }

    fn pause(&mut self, time: Duration) -> io::Result<bool> {
        std::thread::sleep(time);
        Ok(true)
    }
}
