//! `rbuild start`

use std::process::ExitCode;

use crate::cli::container::each;
use crate::cli::container::run::{detach_keys, exit_code};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::{Attach, Containers, Entry, SignalPolicy, SignalsKept, Streams, window_size};
use crate::engine::container::{Started, Starting};

/// Start stopped or new containers
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
    // Must come first: they are copies of this process.
    let mut starting = fork(args.containers.len(), global)?;
    let containers = each::open(global)?;
    if !args.attach && !args.interactive {
        each::each(&containers, &args.containers, |entry| start(&mut starting, &containers, &entry))?;
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
    let session = starting.attached(&containers, &entry, attach);
    let left = session.and_then(|session| session.run(&streams, signals));
    // The same code as `start` without `-a`, whatever `run` would use.
    let left = left.map_err(|error| CliError::of_container(error).exit_code(1))?;
    Ok(exit_code(&left))
}

/// One for each container that may be started.
pub(in crate::cli) fn fork(count: usize, global: &Global) -> Result<Starting, CliError> {
    Starting::begin(count, &global.store_root()?).map_err(CliError::of_request)
}

/// Starts the container in the background, unless it is running.
pub(in crate::cli) fn start(starting: &mut Starting, containers: &Containers, entry: &Entry) -> Result<(), CliError> {
    tell(&starting.start(containers, entry).map_err(CliError::of_request)?);
    Ok(())
}

/// Prints the warning.
pub(in crate::cli) fn tell(started: &Started) {
    started.warning.iter().for_each(|warning| output::say(format_args!("rbuild: warning: {warning}")));
}
