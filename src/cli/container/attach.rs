//! `rbuild attach`

use std::process::ExitCode;

use crate::cli::CliError;
use crate::cli::container::each;
use crate::cli::container::run::{detach_keys, exit_code_of_guest};
use crate::cli::global::Global;
use crate::container::{Attach, Session, SignalPolicy, SignalsKept, Status, Streams, window_size};

/// Attach this terminal to a running container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name, an ID or the beginning of one
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Don't pass the input on
    #[arg(long)]
    no_stdin: bool,
    /// The keys that end the session and not the program
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Pass signals on to the program
    #[arg(long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = clap::ArgAction::Set)]
    sig_proxy: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let containers = each::open(global)?;
    let entry = each::find(&containers, &args.container)?;
    let refused = match entry.state.status {
        Status::Running => None,
        Status::Paused => Some("cannot attach to a paused container, unpause it first"),
        Status::Restarting => Some("cannot attach to a restarting container, wait until it is running"),
        _ => Some("cannot attach to a stopped container, start it first"),
    };
    if let Some(text) = refused {
        return Err(CliError::new(text));
    }
    let config = &entry.record.config;
    let interactive = config.open_stdin && !args.no_stdin;
    if config.tty && !args.no_stdin && !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        return Err(CliError::of_container(crate::container::ContainerError::NoTerminal).exit_code(1));
    }
    let streams = Streams {
        interactive,
        terminal: config.tty,
        signals: if args.sig_proxy && !config.tty { SignalPolicy::PassOn } else { SignalPolicy::Ignore },
        ends_with_input: false,
        detach_keys: detach_keys(args.detach_keys.as_deref())?,
    };
    let size = window_size().filter(|_| config.tty);
    let attach = Attach { stdin: interactive, stdout: true, stderr: true, size };
    let signals = SignalsKept::new()?;
    let left = Session::attach(&entry, attach)?.run(&streams, signals)?;
    Ok(exit_code_of_guest(&left))
}
