//! `rbuild start`

use std::process::ExitCode;

use crate::cli::container::each;
use crate::cli::container::run::{detach_keys, exit_code};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::{
    Ahead, Attach, Containers, Entry, Monitor, Session, SignalPolicy, SignalsKept, Streams, window_size,
};

/// Start containers that have ended, or were never started
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names, IDs or beginnings of IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
    /// Pass output and signals on
    #[arg(short, long)]
    attach: bool,
    /// Pass the input on
    #[arg(short, long)]
    interactive: bool,
    /// The keys that end the session and not the program
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    // First of all: they are copies of this process.
    let mut monitors = fork_monitors(args.containers.len(), global)?;
    let containers = each::open(global)?;
    if !args.attach && !args.interactive {
        each::each(&containers, &args.containers, |entry| start(&containers, &entry, monitors.pop()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let [word] = args.containers.as_slice() else {
        return Err(CliError::new("you cannot start and attach multiple containers at once"));
    };
    let entry = each::find(&containers, word)?;
    let config = &entry.record.config;
    let interactive = args.interactive && config.open_stdin;
    let size = window_size().filter(|_| config.tty);
    let attach = Attach { stdin: interactive, stdout: true, stderr: true, size };
    let streams = Streams {
        interactive,
        terminal: config.tty,
        signals: if config.tty { SignalPolicy::Obey } else { SignalPolicy::PassOn },
        ends_with_input: false,
        detach_keys: detach_keys(args.detach_keys.as_deref())?,
    };
    let signals = SignalsKept::new()?;
    let session = match (entry.is_running, monitors.pop()) {
        (false, Some(monitor)) => monitor.start(&containers, &entry.record.id, attach),
        _ => Session::attach(&entry, attach),
    };
    let left = session.and_then(|session| session.run(&streams, signals));
    // As `start` without it, whatever `run` would make of the reason.
    let left = left.map_err(|error| CliError::of_container(error).exit_code(1))?;
    Ok(exit_code(&left))
}

/// One for each container that may be started.
pub(in crate::cli) fn fork_monitors(count: usize, global: &Global) -> Result<Vec<Monitor>, CliError> {
    let root = global.store_root()?;
    Ok((0..count).map(|_| Monitor::fork(Ahead::Nothing, &root)).collect::<Result<_, _>>()?)
}

/// Starts it in the background, unless it runs already.
pub(in crate::cli) fn start(containers: &Containers, entry: &Entry, monitor: Option<Monitor>) -> Result<(), CliError> {
    let Some(monitor) = monitor.filter(|_| !entry.is_running) else { return Ok(()) };
    let started = monitor.start(containers, &entry.record.id, Attach::default());
    let session = started.map_err(|error| CliError::of_container(error).exit_code(1))?;
    if let Some(warning) = session.warning {
        output::say(format_args!("rbuild: warning: {warning}"));
    }
    Ok(())
}
